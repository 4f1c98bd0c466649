/*
 * The client's bytes, from descriptor 0, and how long to wait for them. The deadline is set when the
 * wait for a line begins, and a byte that ends no line does not move it: a client that sends one byte
 * a second is as idle as one that sends nothing.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "cmd.h"

/* Gives the client so many seconds from now for a whole line; 0 is no limit. */
void input_patience(struct input *input, unsigned seconds) {
	input->has_deadline = seconds > 0;
	if (!input->has_deadline) return;
	clock_gettime(CLOCK_MONOTONIC, &input->deadline);
	input->deadline.tv_sec += (time_t)seconds;
}

/* Milliseconds until the deadline, rounded up, for poll(2): -1 where there is none. */
static int time_left(const struct input *input) {
	struct timespec now;
	long long left;

	if (!input->has_deadline) return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	left = (long long)(input->deadline.tv_sec - now.tv_sec) * 1000000000 + (input->deadline.tv_nsec - now.tv_nsec);
	return left <= 0 ? 0 : (int)((left + 999999) / 1000000);
}

/* Waits until there is something to read, or the deadline has passed. */
static enum input_status wait_readable(const struct input *input) {
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

	for (;;) {
		int left = time_left(input);
		int ready;

		/* Without this a flood that never ends a line would always be found readable in time. */
		if (left == 0) return INPUT_IDLE;
		ready = poll(&fd, 1, left);
		if (ready > 0) return INPUT_SOME;
		if (ready == -1 && errno != EINTR) return INPUT_FAILED;
	}
}

/*
 * Puts what one read(2) returns into the reader, and waits for it where there is a deadline or the
 * descriptor does not block. INPUT_FAILED leaves errno.
 */
enum input_status input_read(const struct input *input, struct line_reader *reader) {
	size_t size;
	char *space = line_space(reader, &size);
	bool must_wait = input->has_deadline;

	for (;;) {
		enum input_status status = must_wait ? wait_readable(input) : INPUT_SOME;
		ssize_t count;

		if (status != INPUT_SOME) return status;
		count = read(STDIN_FILENO, space, size);
		if (count > 0) {
			line_fill(reader, (size_t)count);
			return INPUT_SOME;
		}
		if (count == 0) return INPUT_END;
		if (errno == EAGAIN)
			must_wait = true;
		else if (errno != EINTR)
			return INPUT_FAILED;
	}
}

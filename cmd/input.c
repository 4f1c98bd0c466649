/* SPDX-License-Identifier: ISC */
/*
 * Reads the client's bytes from descriptor 0. The deadline counts from the last whole line, and bytes that end no
 * line do not move it: a client that sends one byte a second is as idle as one that sends nothing.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd.h"

/* How long, and how many bytes, a client may send after the session has ended. */
enum { LINGER_SECONDS = 10, LINGER_BYTES = 67108864 };

/* Returns the deadline, for input_read(), that is so many seconds from now; 0 if seconds is 0, which is none. */
long long input_deadline(unsigned seconds) { return seconds == 0 ? 0 : signal_clock() + (long long)seconds * 1000; }

/* Waits until there is something to read or the deadline has passed. */
static enum input_status wait_readable(long long deadline) {
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

	for (;;) {
		long long left = deadline == 0 ? -1 : deadline - signal_clock();
		int ready;

		/* Input that is always readable and never ends a line is idle all the same. */
		if (deadline != 0 && left <= 0) return INPUT_IDLE;
		ready = poll(&fd, 1, (int)left);
		if (ready > 0) return INPUT_SOME;
		if (ready == -1 && errno != EINTR) return INPUT_FAILED;
	}
}

/*
 * Puts what one read(2) returns into the reader. Waits for it at most until the deadline. INPUT_FAILED comes with
 * errno.
 */
enum input_status input_read(struct line_reader *reader, long long deadline) {
	size_t size;
	char *space = line_space(reader, &size);
	bool must_wait = deadline != 0;

	for (;;) {
		enum input_status status = must_wait ? wait_readable(deadline) : INPUT_SOME;
		ssize_t count;

		if (status != INPUT_SOME) return status;
		count = read(STDIN_FILENO, space, size);
		if (count > 0) line_fill(reader, (size_t)count);
		if (count >= 0) return count == 0 ? INPUT_END : INPUT_SOME;
		if (errno == EAGAIN) must_wait = true;
		else if (errno != EINTR) return INPUT_FAILED;
	}
}

/*
 * Ends cmd's side of a connection, then reads and discards until the client has ended its side, up to the bounds above.
 * If cmd closed the connection while bytes of the client are unread, TCP would send a reset, and the replies that have
 * not arrived yet would be lost. A pipe needs none of this: shutdown(2) fails.
 */
void input_linger(struct line_reader *reader) {
	long long deadline = input_deadline(LINGER_SECONDS);
	size_t total = 0;

	if (shutdown(STDOUT_FILENO, SHUT_WR) == -1) return;
	do total += line_discard(reader);
	while (total < LINGER_BYTES && input_read(reader, deadline) == INPUT_SOME);
}

/*
 * Which lines of the input are requests. The bytes go to the server as they are; only their lines are looked at,
 * so that we know how many replies to wait for, and where to stop.
 *
 * Nothing is sent behind `exit`: the server would close the connection with these bytes unread, and TCP turns that
 * into a reset, which can take replies with it that are still on their way.
 */
#include <string.h>

#include "cmdc.h"

static void begin_line(struct input *input, const char *bytes, size_t length) {
	if (input->length < sizeof input->head) {
		size_t room = sizeof input->head - input->length;

		memcpy(input->head + input->length, bytes, length < room ? length : room);
	}
	input->length += length;
}

/* The line has ended. An empty one is no request, and a CR at its end is not part of it. */
static void end_line(struct input *input) {
	size_t length = input->length;

	input->length = 0;
	if (length > 0 && length <= sizeof input->head && input->head[length - 1] == '\r') length--;
	if (length == 0) return;
	input->requests++;
	if (length == strlen("exit") && memcmp(input->head, "exit", length) == 0) input->ended = true;
}

/* Count the requests in bytes. Returns how many of the bytes to send: all, or those up to the end of `exit`. */
size_t input_take(struct input *input, const char *bytes, size_t length) {
	size_t at = 0;

	while (at < length && !input->ended) {
		const char *newline = memchr(bytes + at, '\n', length - at);

		if (newline == NULL) {
			begin_line(input, bytes + at, length - at);
			return length;
		}
		begin_line(input, bytes + at, (size_t)(newline - bytes) - at);
		end_line(input);
		at = (size_t)(newline - bytes) + 1;
	}
	return at;
}

/* The input has ended. Returns whether its last line lacks its newline, which is then to be sent. */
bool input_end(struct input *input) {
	bool open = input->length > 0;

	if (open) end_line(input);
	input->ended = true;
	return open;
}

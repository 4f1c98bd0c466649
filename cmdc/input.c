/*
 * Finds the requests in the input. The bytes go to the server unchanged; their lines are only counted, so that cmdc
 * knows how many replies to wait for and where to stop.
 *
 * Nothing after `exit` is sent: the server would close the connection with these bytes unread, and TCP then sends a
 * reset, which can destroy replies that have not arrived yet.
 */
#include <string.h>

#include "cmdc.h"

static void add_to_line(struct input *input, const char *bytes, size_t length) {
	if (input->length < sizeof input->head) {
		size_t room = sizeof input->head - input->length;

		memcpy(input->head + input->length, bytes, length < room ? length : room);
	}
	input->length += length;
}

/* An empty line is no request, and a carriage return at the end is not part of the line. */
static void end_line(struct input *input) {
	size_t length = input->length;

	input->length = 0;
	if (length > 0 && length <= sizeof input->head && input->head[length - 1] == '\r') length--;
	if (length == 0) return;
	input->requests++;
	if (length == strlen("exit") && memcmp(input->head, "exit", length) == 0) input->ended = true;
}

/* Counts the requests in bytes. Returns how many of the bytes to send: all, or those up to the end of `exit`. */
size_t input_take(struct input *input, const char *bytes, size_t length) {
	size_t taken = 0;

	while (taken < length && !input->ended) {
		const char *rest = bytes + taken;
		const char *newline = memchr(rest, '\n', length - taken);

		if (newline == NULL) {
			add_to_line(input, rest, length - taken);
			return length;
		}
		add_to_line(input, rest, (size_t)(newline - rest));
		end_line(input);
		taken = (size_t)(newline - bytes) + 1;
	}
	return taken;
}

/* Ends the input. Returns whether its last line lacks a newline, which the session must then send. */
bool input_end(struct input *input) {
	bool lacks_newline = input->length > 0;

	if (lacks_newline) end_line(input);
	input->ended = true;
	return lacks_newline;
}

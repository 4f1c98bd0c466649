/*
 * Buffered writing to stdout and stderr.
 *
 * To a pipe or a file, bytes go as they are. To a terminal, what could drive it is shown as \xHH: control bytes,
 * bytes that are no valid UTF-8, and the control characters that UTF-8 can spell in two bytes (U+0080 to U+009F).
 * Tabs, newlines and every other valid UTF-8 character pass, also when they come in pieces.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "cmdc.h"

void output_init(struct output *output, int fd) {
	memset(output, 0, sizeof *output);
	output->fd = fd;
	output->terminal = isatty(fd) == 1;
}

/* Write the buffer. A descriptor that whoever started us left non-blocking is waited for. Returns -1 where this
 * write or an earlier one failed, with output->error set. */
int output_flush(struct output *output) {
	size_t done = 0;

	while (output->error == 0 && done < output->length) {
		ssize_t n = write(output->fd, output->bytes + done, output->length - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			poll(&(struct pollfd){.fd = output->fd, .events = POLLOUT}, 1, -1);
		else if (errno != EINTR)
			output->error = errno;
	}
	output->length = 0;
	return output->error == 0 ? 0 : -1;
}

static void append(struct output *output, const char *bytes, size_t length) {
	while (length > 0) {
		size_t n = sizeof output->bytes - output->length;

		if (n > length) n = length;
		memcpy(output->bytes + output->length, bytes, n);
		output->length += n;
		output->midline = bytes[n - 1] != '\n';
		bytes += n;
		length -= n;
		if (output->length == sizeof output->bytes) output_flush(output);
	}
}

static void append_escaped(struct output *output, unsigned char byte) {
	static const char digits[] = "0123456789abcdef";
	char shown[] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};

	append(output, shown, sizeof shown);
}

/* How many bytes the UTF-8 character has that begins with this one; 0 where none does. */
static size_t character_length(unsigned char first) {
	if (first >= 0xC2 && first <= 0xDF) return 2;
	if (first >= 0xE0 && first <= 0xEF) return 3;
	if (first >= 0xF0 && first <= 0xF4) return 4;
	return 0;
}

/* Whether byte can follow what is held. The ranges of a second byte are those of RFC 3629, which leave no
 * overlong form and no surrogate, without U+0080 to U+009F. */
static bool character_continues(const struct output *output, unsigned char byte) {
	unsigned char lowest = 0x80, highest = 0xBF;

	if (output->held == 1) {
		switch (output->character[0]) {
		case 0xC2:
		case 0xE0: lowest = 0xA0; break;
		case 0xED: highest = 0x9F; break;
		case 0xF0: lowest = 0x90; break;
		case 0xF4: highest = 0x8F; break;
		}
	}
	return byte >= lowest && byte <= highest;
}

static void show_byte(struct output *output, unsigned char byte) {
	if (output->held > 0 && character_continues(output, byte)) {
		output->character[output->held++] = byte;
		if (output->held == character_length(output->character[0])) {
			append(output, (const char *)output->character, output->held);
			output->held = 0;
		}
		return;
	}
	for (size_t i = 0; i < output->held; i++) append_escaped(output, output->character[i]);
	output->held = 0;
	if (character_length(byte) > 0)
		output->character[output->held++] = byte;
	else if ((byte >= 0x20 && byte < 0x7F) || byte == '\t' || byte == '\n')
		append(output, (const char[]){(char)byte}, 1);
	else
		append_escaped(output, byte);
}

/* Escape also where output is no terminal, for a stranger's bytes in a message. */
void output_write_shown(struct output *output, const char *bytes, size_t length) {
	for (size_t i = 0; i < length; i++) show_byte(output, (unsigned char)bytes[i]);
}

void output_write(struct output *output, const char *bytes, size_t length) {
	if (output->terminal)
		output_write_shown(output, bytes, length);
	else
		append(output, bytes, length);
}

void output_text(struct output *output, const char *text) {
	output_write(output, text, strlen(text));
}

/* On a terminal, leave a line that has begun, so that what comes next does not run on behind it. */
void output_end_line(struct output *output) {
	if (output->terminal && (output->midline || output->held > 0)) output_text(output, "\n");
}

/* SPDX-License-Identifier: ISC */
/*
 * Writes stdout and stderr through buffers.
 *
 * A pipe or a file gets the bytes as they are. On a terminal, bytes that could control it are shown as \xHH: control
 * bytes, bytes that are not valid UTF-8, and U+0080 to U+009F. Tabs, newlines and every other UTF-8 character pass,
 * also if they arrive in pieces.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmdc.h"

struct output standard_output, standard_error;

/* Prepares stdout and stderr. */
void output_open(void) {
	standard_output.fd = STDOUT_FILENO;
	standard_error.fd = STDERR_FILENO;
	standard_output.is_terminal = isatty(STDOUT_FILENO) == 1;
	standard_error.is_terminal = isatty(STDERR_FILENO) == 1;
}

/* Writes the buffer; waits if the descriptor does not block. Returns -1, with output->error set, if this write or an
 * earlier one failed. */
int output_flush(struct output *output) {
	size_t done = 0;

	while (output->error == 0 && done < output->length) {
		ssize_t n = write(output->fd, output->bytes + done, output->length - done);

		if (n >= 0) done += (size_t)n;
		else if (errno == EAGAIN) poll(&(struct pollfd){.fd = output->fd, .events = POLLOUT}, 1, -1);
		else if (errno != EINTR) output->error = errno;
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

/* Returns how many bytes the character has that begins with this byte; 1 for a byte that begins none. */
static size_t character_size(unsigned char first) {
	if (first < 0xC2 || first > 0xF4) return 1;
	return first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
}

/* Returns whether a complete character is valid UTF-8, by RFC 3629, and no control character. */
static bool is_printable(const unsigned char *character, size_t size) {
	/* The first code points that need so many bytes, after the control characters U+0080 to U+009F. */
	static const unsigned long lowest[] = {[2] = 0xA0, [3] = 0x800, [4] = 0x10000};
	unsigned long code = character[0];

	if (size == 1) return (code >= 0x20 && code < 0x7F) || code == '\t' || code == '\n';
	code &= 0x7FU >> size;
	for (size_t i = 1; i < size; i++) code = code << 6 | (character[i] & 0x3FU);
	return code >= lowest[size] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

static void escape_partial(struct output *output) {
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < output->partial; i++) {
		unsigned char byte = output->character[i];

		append(output, (const char[]){'\\', 'x', digits[byte >> 4], digits[byte & 15]}, 4);
	}
	output->partial = 0;
}

static void show_byte(struct output *output, unsigned char byte) {
	bool continues = (byte & 0xC0) == 0x80;

	if (!continues) escape_partial(output);
	output->character[output->partial++] = byte;
	if (output->partial < character_size(output->character[0])) return;
	if (is_printable(output->character, output->partial)) {
		append(output, (const char *)output->character, output->partial);
		output->partial = 0;
	} else escape_partial(output);
}

/* Escapes the bytes even if output is no terminal: the server's bytes in a message. */
void output_write_escaped(struct output *output, const char *bytes, size_t length) {
	for (size_t i = 0; i < length; i++) show_byte(output, (unsigned char)bytes[i]);
}

void output_write(struct output *output, const char *bytes, size_t length) {
	if (output->is_terminal) output_write_escaped(output, bytes, length);
	else append(output, bytes, length);
}

void output_text(struct output *output, const char *text) { output_write(output, text, strlen(text)); }

/* On a terminal, ends a line that has begun, so that the next output has its own line. */
void output_end_line(struct output *output) {
	if (output->is_terminal && (output->midline || output->partial > 0)) output_text(output, "\n");
}

/* Begins a message on its own line of stderr, after everything that was written to stdout. */
void output_begin_message(void) {
	output_end_line(&standard_output);
	output_flush(&standard_output);
	if (standard_error.midline) output_text(&standard_error, "\n");
	output_text(&standard_error, "cmdc: ");
}

void output_end_message(void) {
	output_text(&standard_error, "\n");
	output_flush(&standard_error);
}

/* Writes a message in the format of printf(3). Returns -1, for a function that fails with it. */
int output_message(const char *format, ...) {
	char message[MESSAGE_SIZE];
	va_list values;

	va_start(values, format);
	vsnprintf(message, sizeof message, format, values);
	va_end(values);
	output_begin_message();
	output_text(&standard_error, message);
	output_end_message();
	return -1;
}

/* Reports why stdout cannot be written, unless its reader is gone. Returns -1. */
int output_report_failure(void) {
	if (standard_output.error == EPIPE) return -1;
	return output_message("standard output: %s", strerror(standard_output.error));
}

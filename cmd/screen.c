/*
 * Writes to the server's screen: stderr, or syslog(3) if stderr is the client's connection (xinetd connects it),
 * because the client must see only replies.
 *
 * Nothing that a client or a program writes may control the operator's terminal. Tab, printable ASCII and valid UTF-8
 * pass; every other byte is shown as \xHH: control bytes, U+0080 to U+009F, and bytes that are not UTF-8 by RFC 3629.
 * A line is one write(2), so that the lines of many processes on one screen do not mix.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "cmd.h"

/* How many bytes an escaped byte needs. */
enum { ESCAPE_SIZE = 4 };

/* Has room for a line of the default limit even if every byte is escaped; longer lines need several writes. */
static char buffer[ESCAPE_SIZE * OPTIONS_LIMIT_DEFAULT];
static size_t used;

/* Returns whether descriptors 1 and 2 are the same socket. */
static bool is_stderr_the_client(void) {
	struct stat out, err;

	return fstat(STDERR_FILENO, &err) == 0 && S_ISSOCK(err.st_mode) && fstat(STDOUT_FILENO, &out) == 0 &&
	       out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

/* A line that cannot be written is dropped. */
static void write_buffer(void) {
	size_t done = 0;

	while (done < used) {
		ssize_t count = write(STDERR_FILENO, buffer + done, used - done);
		struct pollfd screen = {.fd = STDERR_FILENO, .events = POLLOUT};

		if (count >= 0)
			done += (size_t)count;
		else if (errno == EAGAIN)
			(void)poll(&screen, 1, -1);
		else if (errno != EINTR)
			return;
	}
}

/* Sends the buffer. syslog(3) ends each line itself. */
static void flush(void) {
	if (is_stderr_the_client()) {
		size_t length = buffer[used - 1] == '\n' ? used - 1 : used;

		openlog("cmd", LOG_PID, LOG_DAEMON);
		syslog(LOG_INFO, "%.*s", (int)length, buffer);
	} else
		write_buffer();
	used = 0;
}

/* Returns the length of the UTF-8 character of two bytes or more that the bytes begin with; 0 if they do not. */
static size_t utf8_length(const unsigned char *bytes, size_t length) {
	/* The first code points that need so many bytes. U+0080 to U+009F are left out: they are control characters. */
	static const unsigned long lowest[] = {[2] = 0xa0, [3] = 0x800, [4] = 0x10000};
	size_t size = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
	unsigned long code = bytes[0] & (0x7fU >> size);
	size_t i;

	if (bytes[0] < 0xc2 || bytes[0] > 0xf4 || size > length) return 0;
	for (i = 1; i < size; i++) {
		if ((bytes[i] & 0xc0) != 0x80) return 0;
		code = code << 6 | (bytes[i] & 0x3fU);
	}
	return code >= lowest[size] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? size : 0;
}

/* Returns how many bytes at the start are one character that is shown as it is; 0 if the first byte is escaped. */
static size_t printable_length(const unsigned char *bytes, size_t length) {
	if (bytes[0] == '\t' || (bytes[0] >= 0x20 && bytes[0] < 0x7f)) return 1;
	return utf8_length(bytes, length);
}

static void add_escaped(struct text text) {
	static const char hex[] = "0123456789abcdef";
	const unsigned char *position = (const unsigned char *)text.start;
	const unsigned char *end = position + text.length;

	while (position < end) {
		size_t length = printable_length(position, (size_t)(end - position));

		/* One byte is kept for the line feed. */
		if (sizeof buffer - 1 - used < ESCAPE_SIZE) flush();
		if (length > 0) {
			memcpy(buffer + used, position, length);
			used += length;
			position += length;
		} else {
			buffer[used++] = '\\';
			buffer[used++] = 'x';
			buffer[used++] = hex[*position >> 4];
			buffer[used++] = hex[*position & 15];
			position++;
		}
	}
}

/* Shows one line, after `SOURCE: ` unless the source is empty. */
void screen_line(struct text source, struct text line) {
	if (source.length > 0) {
		add_escaped(source);
		add_escaped(text_from_string(": "));
	}
	add_escaped(line);
	buffer[used++] = '\n';
	flush();
}

/* Shows a message of cmd itself, in the format of printf(3). */
void screen_error(const char *format, ...) {
	char message[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	screen_line(text_from_string("cmd"), text_from_string(message));
}

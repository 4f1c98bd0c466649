/* SPDX-License-Identifier: ISC */
/*
 * Writes to the server's screen: stderr, or syslog(3) if stderr is the client's connection (xinetd connects it),
 * because the client must see only replies.
 *
 * Nothing that a client or a program writes may control the operator's terminal. Tab, printable ASCII and valid UTF-8
 * pass; every other byte is shown as \xHH: control bytes, U+0080 to U+009F, bytes that are not UTF-8 by RFC 3629, and marks that
 * change the direction of text.
 * A line is one write(2), so that the lines of many processes on one screen do not mix.
 *
 * A screen that nobody reads (a full pipe, a stopped terminal) does not hold up the session: a line waits for at most
 * SIGNAL_GUARD_MS, and the lines after a lost one do not wait. They are counted, and the count is shown when the screen
 * can be written again.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "cmd.h"

enum {
	ESCAPE_SIZE = 4,        /* bytes that an escaped byte needs */
	SYSLOG_RETRY_MS = 10000 /* how long syslog(3) is not called after it has blocked */
};

/* Has room for a line of the default limit even if every byte is escaped; longer lines need several writes. */
static char buffer[ESCAPE_SIZE * OPTIONS_LIMIT_DEFAULT];
static size_t used;

static enum { UNKNOWN, REGULAR_FILE, STREAM, SYSLOG } kind;
static bool is_lost;         /* a part of this line could not be written */
static bool is_cut;          /* what was written last does not end with a line feed */
static unsigned long lost;   /* how many lines, since the last one that was written */
static long long retry_time; /* of syslog(3) */

static void set_kind(void) {
	struct stat out, err;

	kind = STREAM;
	if (fstat(STDERR_FILENO, &err) == -1) return;
	if (S_ISREG(err.st_mode)) kind = REGULAR_FILE;
	if (!S_ISSOCK(err.st_mode) || fstat(STDOUT_FILENO, &out) == -1) return;
	if (out.st_dev != err.st_dev || out.st_ino != err.st_ino) return;
	kind = SYSLOG;
	openlog("cmd", LOG_PID, LOG_DAEMON);
}

/* Writes the buffer, for at most SIGNAL_GUARD_MS. Returns whether all of it was written. */
static bool write_buffer(void) {
	struct pollfd screen = {.fd = STDERR_FILENO, .events = POLLOUT};
	long long end = signal_clock() + SIGNAL_GUARD_MS;
	size_t done = 0;

	do {
		ssize_t count = write(STDERR_FILENO, buffer + done, used - done);

		if (count >= 0) done += (size_t)count;
		else if (errno == EAGAIN) (void)poll(&screen, 1, SIGNAL_GUARD_MS);
		else if (errno != EINTR) break;
	} while (done < used && signal_clock() < end);
	if (done > 0) is_cut = buffer[done - 1] != '\n';
	return done == used;
}

/* Sends the buffer, unless an earlier part of the line is lost. syslog(3) ends each line itself. */
static void flush(void) {
	size_t length = buffer[used - 1] == '\n' ? used - 1 : used;

	if (!is_lost && kind == SYSLOG) {
		signal_begin_guard();
		syslog(LOG_INFO, "%.*s", (int)length, buffer);
		is_lost = signal_end_guard();
		if (is_lost) retry_time = signal_clock() + SYSLOG_RETRY_MS;
	} else if (!is_lost && kind == STREAM) {
		signal_begin_guard();
		is_lost = !write_buffer();
		signal_end_guard();
	} else if (!is_lost) is_lost = !write_buffer();
	used = 0;
}

/* Returns whether the screen can perhaps be written. Does not wait. */
static bool is_ready(void) {
	struct pollfd screen = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (kind == SYSLOG) return signal_clock() >= retry_time;
	return poll(&screen, 1, 0) == 1;
}

/* Shows how many lines are lost, unless there are none. Returns whether the screen can be written again. */
static bool show_lost(void) {
	if (lost == 0) return true;
	if (!is_ready()) return false;
	is_lost = false;
	used = (size_t)snprintf(buffer, sizeof buffer, "%scmd: %lu screen lines lost\n", is_cut ? "\n" : "", lost);
	flush();
	if (!is_lost) lost = 0;
	return !is_lost;
}

/* Returns the length of the UTF-8 character of two bytes or more that the bytes begin with; 0 if they do not. */
static size_t utf8_length(const unsigned char *bytes, size_t length) {
	/* The first code points that need so many bytes. U+0080 to U+009F are left out: they are control characters. */
	static const unsigned long lowest[] = {[2] = 0xa0, [3] = 0x800, [4] = 0x10000};
	/* What is no character, and marks that change the direction of the text after them. */
	static const unsigned long hidden[][2] = {{0x61c, 0x61c}, {0x200e, 0x200f}, {0x202a, 0x202e}, {0x2066, 0x2069},
	    {0xd800, 0xdfff}, {0x110000, 0x1fffff}};
	size_t size = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
	unsigned long code = bytes[0] & (0x7fU >> size);
	size_t i;

	if (bytes[0] < 0xc2 || bytes[0] > 0xf4 || size > length) return 0;
	for (i = 1; i < size; i++) {
		if ((bytes[i] & 0xc0) != 0x80) return 0;
		code = code << 6 | (bytes[i] & 0x3fU);
	}
	for (i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
		if (code >= hidden[i][0] && code <= hidden[i][1]) return 0;
	return code >= lowest[size] ? size : 0;
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

/* Shows one line, after `SOURCE: ` unless the source is empty. A line that cannot be written in time is lost. */
void screen_line(struct text source, struct text line) {
	if (kind == UNKNOWN) set_kind();
	is_lost = !show_lost();
	if (source.length > 0) {
		add_escaped(source);
		add_escaped(text_from_string(": "));
	}
	add_escaped(line);
	buffer[used++] = '\n';
	flush();
	if (is_lost) lost++;
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

/* At the end of the session. */
void screen_close(void) { show_lost(); }

/*
 * The only writer of the server's screen: stderr, or syslog(3) where stderr is the client's own
 * connection (xinetd puts it there), since a screen that the client can see would break the replies.
 *
 * Nothing that a client or a program chooses may drive the operator's terminal. Tab, printable ASCII and
 * valid UTF-8 pass; every other byte is shown as \xHH: control bytes, the C1 controls (U+0080 to U+009F),
 * and what is not UTF-8 by RFC 3629. A line goes out in one write(2), so that the lines of many
 * processes on one screen do not mix.
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
	SCREEN_ESCAPE_SIZE = 4,
	/* A line of the usual limit fits even where each of its bytes is escaped; longer ones take turns. */
	SCREEN_BUFFER_SIZE = SCREEN_ESCAPE_SIZE * OPTIONS_LIMIT_DEFAULT + 1024,
	SCREEN_MESSAGE_SIZE = 1024
};

LARGE char screen_buffer[SCREEN_BUFFER_SIZE + 1]; /* one more for the NUL that syslog(3) wants */
static size_t used;

/* Tells whether descriptor 2 is the socket that descriptor 1 is. Asked once, when first needed. */
static bool stderr_is_client(void) {
	static bool known, answer;
	struct stat out, err;

	if (known) return answer;
	known = true;
	answer = fstat(STDERR_FILENO, &err) == 0 && S_ISSOCK(err.st_mode) && fstat(STDOUT_FILENO, &out) == 0 &&
		 out.st_dev == err.st_dev && out.st_ino == err.st_ino;
	if (answer) openlog("cmd", LOG_PID, LOG_DAEMON);
	return answer;
}

static void write_buffer(void) {
	size_t done = 0;

	while (done < used) {
		ssize_t count = write(STDERR_FILENO, screen_buffer + done, used - done);
		struct pollfd screen = {.fd = STDERR_FILENO, .events = POLLOUT};

		if (count >= 0)
			done += (size_t)count;
		else if (errno == EAGAIN)
			(void)poll(&screen, 1, -1);
		else if (errno != EINTR)
			return; /* there is no one to tell */
	}
}

static void show_buffer(void) {
	if (stderr_is_client()) {
		screen_buffer[used] = '\0';
		syslog(LOG_INFO, "%s", screen_buffer);
	} else
		write_buffer();
	used = 0;
}

/* The continuation bytes that a lead byte of UTF-8 calls for; 0 where it is no lead byte. */
static size_t continuation_bytes(unsigned char lead) {
	if (lead >= 0xc2 && lead <= 0xdf) return 1;
	if (lead >= 0xe0 && lead <= 0xef) return 2;
	if (lead >= 0xf0 && lead <= 0xf4) return 3;
	return 0;
}

/* Tells whether a lead byte's first continuation is in the range that RFC 3629, section 4, has for it. */
static bool second_byte_fits(unsigned char lead, unsigned char second) {
	unsigned char low = 0x80, high = 0xbf;

	if (lead == 0xe0 || lead == 0xc2)
		low = 0xa0; /* after C2, 80 to 9F would be a C1 control */
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf4)
		high = 0x8f;
	return second >= low && second <= high;
}

/* How many bytes at the start of the text may pass as they are: one character, or 0. */
static size_t printable(const unsigned char *bytes, size_t length) {
	size_t more, i;

	if (bytes[0] == '\t' || (bytes[0] >= 0x20 && bytes[0] < 0x7f)) return 1;
	more = continuation_bytes(bytes[0]);
	if (more == 0 || more >= length || !second_byte_fits(bytes[0], bytes[1])) return 0;
	for (i = 2; i <= more; i++) {
		if ((bytes[i] & 0xc0) != 0x80) return 0;
	}
	return more + 1;
}

static void add_escaped(struct text text) {
	static const char hex[] = "0123456789abcdef";
	const unsigned char *position = (const unsigned char *)text.start;
	const unsigned char *end = position + text.length;

	while (position < end) {
		size_t length = printable(position, (size_t)(end - position));

		/* One byte is kept for the line feed. */
		if (sizeof screen_buffer - 2 - used < SCREEN_ESCAPE_SIZE) show_buffer();
		if (length > 0) {
			memcpy(screen_buffer + used, position, length);
			used += length;
			position += length;
		} else {
			screen_buffer[used++] = '\\';
			screen_buffer[used++] = 'x';
			screen_buffer[used++] = hex[*position >> 4];
			screen_buffer[used++] = hex[*position & 15];
			position++;
		}
	}
}

/* Shows one line, with something before it (or nothing). */
void screen_line(struct text prefix, struct text line) {
	add_escaped(prefix);
	add_escaped(line);
	if (!stderr_is_client()) screen_buffer[used++] = '\n';
	show_buffer();
}

/* Shows a message of cmd's own, `cmd: ` and what printf(3) would make of the rest. */
void screen_error(const char *format, ...) {
	static const struct text prefix = TEXT("cmd: ");
	char message[SCREEN_MESSAGE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	screen_line(prefix, text_from_string(message));
}

/* SPDX-License-Identifier: ISC */
/*
 * Writes replies to stdout. A reply is any number of `out<>LINE` lines, then one line that ends it: `ok`,
 * `ok<>RESULT` or `error<>CODE<>TEXT`. Replies gather in a buffer until the session flushes it or it is full. After a
 * write that failed the client counts as gone: later replies are dropped, and reply_failure() returns the reason.
 *
 * Results, codes and texts must not hold a line feed; they come from one line of input or from cmd itself.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"

static char buffer[65536];
static size_t used;
static int failure; /* errno of the write that failed; 0 while the client is there */
static bool out_line_open;

static void wait_writable(void) {
	struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};

	/* If poll(2) fails, the next write(2) fails too, and with a better reason. */
	(void)poll(&output, 1, -1);
}

/* Sends everything in the buffer. Returns -1 if the client is gone or the write failed. */
int reply_flush(void) {
	size_t done = 0;

	while (failure == 0 && done < used) {
		ssize_t count = write(STDOUT_FILENO, buffer + done, used - done);

		if (count >= 0) done += (size_t)count;
		else if (errno == EAGAIN) wait_writable();
		else if (errno != EINTR) failure = errno;
	}
	used = 0;
	return failure == 0 ? 0 : -1;
}

/* Drops all later replies, because the client is gone. */
void reply_stop(void) {
	if (failure == 0) failure = EPIPE;
}

/* Returns why replies are dropped, as an errno value; 0 while the client is there. */
int reply_failure(void) { return failure; }

/* Adds a text that does not fit into the rest of the buffer. */
static void add_in_pieces(struct text text) {
	while (text.length > 0) {
		size_t room = sizeof buffer - used;
		size_t count = text.length < room ? text.length : room;

		memcpy(buffer + used, text.start, count);
		used += count;
		text.start += count;
		text.length -= count;
		if (used == sizeof buffer) reply_flush();
	}
}

/* Inline, because most texts are short constants, which the compiler copies without a call. */
static inline void add(struct text text) {
	if (text.length >= sizeof buffer - used) {
		add_in_pieces(text);
		return;
	}
	memcpy(buffer + used, text.start, text.length);
	used += text.length;
}

static inline void add_string(const char *string) { add(text_from_string(string)); }

static inline void add_line(const char *mark, struct text text) {
	add_string(mark);
	add(text);
	add_string("\n");
}

/* Adds a string as it is: what -h and -V print. */
void reply_plain(const char *string) { add_string(string); }

void reply_ok(void) { add_string("ok\n"); }

void reply_result(struct text result) { add_line("ok<>", result); }

void reply_error(const char *code, struct text text) {
	add_string("error<>");
	add_string(code);
	add_line("<>", text);
}

void reply_error_number(const char *code, unsigned long number) {
	char digits[24];

	snprintf(digits, sizeof digits, "%lu", number);
	reply_error(code, text_from_string(digits));
}

/*
 * Adds output, in pieces of any size. Each of its lines becomes an `out<>` line; the next piece continues a last line
 * that has no line feed.
 */
void reply_out_bytes(struct text bytes) {
	while (bytes.length > 0) {
		const char *feed = memchr(bytes.start, '\n', bytes.length);
		struct text line = bytes;

		if (feed != NULL) line.length = (size_t)(feed - bytes.start) + 1;
		if (!out_line_open) add_string("out<>");
		add(line);
		out_line_open = feed == NULL;
		bytes.start += line.length;
		bytes.length -= line.length;
	}
}

/* Ends an `out<>` line that is open; the line that ends the reply must not continue it. */
void reply_out_end(void) {
	if (out_line_open) add_string("\n");
	out_line_open = false;
}

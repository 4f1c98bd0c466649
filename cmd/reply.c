/*
 * The only writer of stdout. A reply is any number of `out<>LINE` lines, then one line that ends it:
 * `ok`, `ok<>RESULT` or `error<>CODE<>TEXT`. Replies gather in one buffer and leave when the session
 * flushes it or it is full. Once a write has failed the client counts as gone: what comes after is
 * dropped, and reply_failure() says why.
 *
 * Results, texts and codes must hold no LF; they come from one line of input or from cmd itself.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"

enum { REPLY_BUFFER_SIZE = 65536 };

/* In one struct, so that a short session touches one page. */
LARGE struct {
	size_t used;
	int failure; /* an errno; 0 while the client is there */
	bool out_line_open;
	char bytes[REPLY_BUFFER_SIZE];
} reply;

static void wait_writable(void) {
	struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};

	/* Whatever poll(2) says, the write(2) that follows says it better. */
	(void)poll(&output, 1, -1);
}

/* Sends all that has gathered. Returns -1 when the client is gone or the write failed. */
int reply_flush(void) {
	size_t done = 0;

	while (reply.failure == 0 && done < reply.used) {
		ssize_t count = write(STDOUT_FILENO, reply.bytes + done, reply.used - done);

		if (count >= 0)
			done += (size_t)count;
		else if (errno == EAGAIN)
			wait_writable();
		else if (errno != EINTR)
			reply.failure = errno;
	}
	reply.used = 0;
	return reply.failure == 0 ? 0 : -1;
}

/* Gives the client up for the given reason, an errno value. */
void reply_give_up(int reason) {
	if (reply.failure == 0) reply.failure = reason;
}

/* Why the client was given up, as an errno value; 0 while it is there. */
int reply_failure(void) {
	return reply.failure;
}

/* Adds what does not fit into the buffer as it is. */
static void add_in_pieces(const char *bytes, size_t length) {
	size_t room;

	while ((room = sizeof reply.bytes - reply.used) < length) {
		memcpy(reply.bytes + reply.used, bytes, room);
		reply.used += room;
		bytes += room;
		length -= room;
		reply_flush();
	}
	memcpy(reply.bytes + reply.used, bytes, length);
	reply.used += length;
}

static inline void add(const char *bytes, size_t length) {
	if (length > sizeof reply.bytes - reply.used) {
		add_in_pieces(bytes, length);
		return;
	}
	memcpy(reply.bytes + reply.used, bytes, length);
	reply.used += length;
}

static void add_string(const char *string) {
	add(string, strlen(string));
}

/* Adds a mark, a text and the line's end. */
static inline void add_line(const char *mark, size_t length, struct text text) {
	char *end = reply.bytes + reply.used;

	if (sizeof reply.bytes - reply.used <= length + text.length) {
		add_in_pieces(mark, length);
		add_in_pieces(text.start, text.length);
		add_in_pieces("\n", 1);
		return;
	}
	memcpy(end, mark, length);
	memcpy(end + length, text.start, text.length);
	end[length + text.length] = '\n';
	reply.used += length + text.length + 1;
}

void reply_ok(void) {
	add("ok\n", 3);
}

void reply_result(struct text result) {
	add_line("ok<>", 4, result);
}

void reply_error(const char *code, struct text text) {
	add("error<>", 7);
	add_string(code);
	add_line("<>", 2, text);
}

void reply_error_number(const char *code, unsigned long number) {
	char digits[24];

	snprintf(digits, sizeof digits, "%lu", number);
	reply_error(code, text_from_string(digits));
}

/* How a command is to be used: its name, and its parameters as help shows them. */
void reply_usage(struct text name, const char *parameters) {
	add("error<>usage<>", 14);
	add_line(name.start, name.length, text_from_string(parameters));
}

/*
 * Adds bytes of output, in pieces of any size. Each of their lines becomes an `out<>` line; a line that
 * is not ended stays open for more.
 */
void reply_out_bytes(struct text bytes) {
	const char *position = bytes.start;
	const char *end = bytes.start + bytes.length;

	while (position < end) {
		const char *feed = memchr(position, '\n', (size_t)(end - position));
		const char *next = feed == NULL ? end : feed + 1;

		if (!reply.out_line_open) add("out<>", 5);
		add(position, (size_t)(next - position));
		reply.out_line_open = feed == NULL;
		position = next;
	}
}

/* Ends an `out<>` line that is open, as it must be before another kind of line. */
void reply_out_end(void) {
	if (reply.out_line_open) add("\n", 1);
	reply.out_line_open = false;
}

/* Adds text that is no reply: what -h and -V print. */
void reply_plain(const char *string) {
	add_string(string);
}

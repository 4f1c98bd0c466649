/*
 * The server's bytes to lines, results and errors, as they come: a line of any length is written while it arrives.
 *
 * A reply is any number of `out<>LINE` lines, and then `ok`, `ok<>RESULT` or `error<>CODE<>TEXT`. It is written as
 * it came, or plain: LINE and RESULT to stdout, and an error as `cmdc: CODE: TEXT` to stderr.
 */
#include <string.h>

#include "cmdc.h"

struct reply_kind {
	const char *head;
	enum reply_verdict verdict; /* when the line has ended */
};

static const struct reply_kind kinds[] = {
    {"out<>", REPLY_LINE},
    {"ok\n", REPLY_OK},
    {"ok<>", REPLY_OK},
    {"error<>", REPLY_ERROR},
};

/* Whether the line's first bytes are the beginning of any head; sets kind where they are the whole of it. */
static bool recognise_head(struct reply *reply) {
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strncmp(kinds[i].head, reply->head, reply->head_length) != 0) continue;
		if (reply->head_length == strlen(kinds[i].head)) reply->kind = &kinds[i];
		return true;
	}
	return false;
}

static bool is_plain_error(const struct reply *reply) {
	return reply->plain && reply->kind->verdict == REPLY_ERROR;
}

static void write_head(struct reply *reply) {
	if (!reply->plain) {
		output_write(reply->out, reply->head, reply->head_length);
	} else if (is_plain_error(reply)) {
		output_end_line(reply->out);
		output_flush(reply->out);
		output_text(reply->err, "cmdc: ");
		reply->in_text = reply->half = false;
	}
}

/* The first `<>` becomes `: `; it may come in two pieces. */
static void write_error(struct reply *reply, const char *bytes, size_t length) {
	for (size_t i = 0; i < length; i++) {
		if (reply->in_text) {
			output_write(reply->err, bytes + i, length - i);
			return;
		}
		if (reply->half && bytes[i] == '>') {
			output_text(reply->err, ": ");
			reply->in_text = true;
			reply->half = false;
			continue;
		}
		if (reply->half) output_text(reply->err, "<");
		reply->half = bytes[i] == '<';
		if (!reply->half) output_write(reply->err, bytes + i, 1);
	}
}

static enum reply_verdict finish_line(struct reply *reply) {
	enum reply_verdict verdict = reply->kind->verdict;

	reply->kind = NULL;
	reply->head_length = 0;
	reply->begun = verdict == REPLY_LINE;
	return verdict;
}

static void write_newline(struct reply *reply) {
	if (!is_plain_error(reply)) {
		output_text(reply->out, "\n");
		return;
	}
	output_text(reply->err, reply->half ? "<\n" : "\n");
	output_flush(reply->err);
}

/*
 * Write what the bytes hold, up to the end of the line. Returns the verdict on the line, and how many bytes were
 * taken; after REPLY_BAD, the head and the bytes behind the taken ones are what is not understood.
 */
enum reply_verdict reply_take(struct reply *reply, const char *bytes, size_t length, size_t *taken) {
	*taken = 0;
	while (reply->kind == NULL) {
		if (*taken == length) return REPLY_PART;
		reply->begun = true;
		reply->head[reply->head_length++] = bytes[(*taken)++];
		if (!recognise_head(reply)) return REPLY_BAD;
		if (reply->kind == NULL) continue;
		write_head(reply);
		if (reply->head[reply->head_length - 1] == '\n') return finish_line(reply);
	}

	const char *body = bytes + *taken;
	const char *newline = memchr(body, '\n', length - *taken);
	size_t body_length = newline == NULL ? length - *taken : (size_t)(newline - body);

	if (is_plain_error(reply))
		write_error(reply, body, body_length);
	else
		output_write(reply->out, body, body_length);
	*taken += body_length;
	if (newline == NULL) return REPLY_PART;
	(*taken)++;
	write_newline(reply);
	return finish_line(reply);
}

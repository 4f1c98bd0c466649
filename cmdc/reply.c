/* SPDX-License-Identifier: ISC */
/*
 * Splits the server's bytes into lines, results and errors. A line of any length is written while it arrives.
 *
 * A reply is any number of `out<>LINE` lines, then `ok`, `ok<>RESULT` or `error<>CODE<>TEXT`. It is written unchanged,
 * or plain: LINE and RESULT to stdout, and an error as `cmdc: CODE: TEXT` to stderr.
 */
#include <string.h>

#include "cmdc.h"

struct reply_kind {
	const char *head;
	enum reply_status status; /* when the line has ended */
};

static const struct reply_kind kinds[] = {
    {.head = "out<>", .status = REPLY_LINE},
    {.head = "ok\n", .status = REPLY_OK},
    {.head = "ok<>", .status = REPLY_OK},
    {.head = "error<>", .status = REPLY_ERROR},
};

/* Sets the kind if the head is complete. Returns false if no head begins with these bytes. */
static bool recognise_head(struct reply *reply) {
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strncmp(kinds[i].head, reply->head, reply->head_length) != 0) continue;
		if (reply->head_length == strlen(kinds[i].head)) reply->kind = &kinds[i];
		return true;
	}
	return false;
}

static bool is_plain_error(const struct reply *reply) { return reply->plain && reply->kind->status == REPLY_ERROR; }

static void write_head(struct reply *reply) {
	reply->code_length = 0;
	if (!reply->plain) output_write(&standard_output, reply->head, reply->head_length);
	if (!is_plain_error(reply)) return;
	output_begin_message();
	reply->after_code = reply->after_less_than = false;
}

static void add_to_code(struct reply *reply, const char *bytes, size_t length) {
	for (size_t i = 0; i < length && reply->code_length < sizeof reply->code; i++)
		reply->code[reply->code_length++] = bytes[i];
}

static bool is_idle(const struct reply *reply) {
	return reply->code_length == sizeof reply->code && memcmp(reply->code, "idle<>", sizeof reply->code) == 0;
}

/* Writes `: ` instead of the first separator of an error. It may arrive in two pieces. */
static void write_error(struct reply *reply, const char *bytes, size_t length) {
	size_t i;

	for (i = 0; i < length && !reply->after_code; i++) {
		if (reply->after_less_than) {
			reply->after_code = bytes[i] == '>';
			output_text(&standard_error, reply->after_code ? ": " : "<");
		}
		reply->after_less_than = bytes[i] == '<';
		if (!reply->after_less_than && !reply->after_code) output_write(&standard_error, bytes + i, 1);
	}
	output_write(&standard_error, bytes + i, length - i);
}

static void write_newline(struct reply *reply) {
	if (!is_plain_error(reply)) {
		output_text(&standard_output, "\n");
		return;
	}
	if (reply->after_less_than) output_text(&standard_error, "<");
	output_end_message();
}

static enum reply_status finish_line(struct reply *reply) {
	enum reply_status status = reply->kind->status;

	if (status == REPLY_ERROR && is_idle(reply)) status = REPLY_IDLE;
	reply->kind = NULL;
	reply->head_length = 0;
	reply->begun = status == REPLY_LINE;
	return status;
}

/*
 * Writes the bytes up to the end of the line. Returns the status, and in *taken how many bytes were taken. After
 * REPLY_BAD the head and the bytes after the taken ones are not cmd's protocol.
 */
enum reply_status reply_take(struct reply *reply, const char *bytes, size_t length, size_t *taken) {
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

	if (reply->kind->status == REPLY_ERROR) add_to_code(reply, body, body_length);
	if (is_plain_error(reply)) write_error(reply, body, body_length);
	else output_write(&standard_output, body, body_length);
	*taken += body_length;
	if (newline == NULL) return REPLY_PART;
	(*taken)++;
	write_newline(reply);
	return finish_line(reply);
}

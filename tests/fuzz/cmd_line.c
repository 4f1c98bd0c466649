/* SPDX-License-Identifier: ISC */
/* sources: cmd/line.c cmd/parse.c */
/*
 * The line reader and the parser. The first byte of the input sets the line limit, the second byte seeds the
 * sizes of the pieces in which the rest arrives. The line reader must return the same lines as a simple model,
 * for every division into pieces. The name and the arguments of a line, joined with separators, must be the line.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../../cmd/cmd.h"

/* A small buffer, so that the reader has to move buffered bytes. */
enum { READ_SIZE = 16 };

static void require(bool condition) {
	if (!condition) abort();
}

/* The model: by cmd(7), a line is the bytes before an LF or the end of input, without a CR at their end. */
struct model {
	char *position;
	char *end;
	size_t limit;
};

static enum line_status model_next(struct model *model, struct text *line) {
	char *feed = memchr(model->position, '\n', (size_t)(model->end - model->position));
	char *end = feed == NULL ? model->end : feed;

	line->start = model->position;
	line->length = (size_t)(end - model->position);
	model->position = feed == NULL ? end : feed + 1;
	if (line->length > 0 && line->start[line->length - 1] == '\r') line->length--;
	if (line->length > model->limit) return LINE_TOOLONG;
	return memchr(line->start, '\0', line->length) == NULL ? LINE_WHOLE : LINE_NUL;
}

static void check_arguments(struct text line, size_t max) {
	struct text arguments[PARSE_ARGUMENTS_MAX];
	struct request request;
	const char *position;
	size_t count, i;

	parse_request(line, &request);
	count = parse_arguments(&request, max, arguments);
	require((count > 0) == request.has_arguments);
	require(count <= max || (max == 0 && count == 1));

	position = request.name.start + request.name.length;
	for (i = 0; i < count; i++) {
		position += 2;
		require(arguments[i].start == position);
		position += arguments[i].length;
	}
	require(position == line.start + line.length);
}

static void check_parts(struct text line) {
	struct request request;
	struct text rest, argument;
	size_t max, length;
	bool more;

	parse_request(line, &request);
	require(request.name.start == line.start);
	for (max = 0; max <= PARSE_ARGUMENTS_MAX; max++) check_arguments(line, max);

	length = request.name.length;
	rest = request.arguments;
	for (more = request.has_arguments; more;) {
		more = parse_argument(&rest, &argument);
		require(argument.start == line.start + length + 2);
		require(memcmp(argument.start - 2, "<>", 2) == 0);
		length += 2 + argument.length;
	}
	require(length == line.length);
}

static void check_line(struct model *model, enum line_status status, struct text line) {
	struct text expected_line;

	require(status == model_next(model, &expected_line));
	if (status != LINE_WHOLE) return;
	require(text_equals(line, expected_line));
	check_parts(line);
}

static void drain(struct line_reader *reader, struct model *model) {
	enum line_status status;
	struct text line;

	while ((status = line_next(reader, &line)) != LINE_NONE) check_line(model, status, line);
}

/* The size of the next piece, from a small generator: one byte of input determines all sizes. */
static size_t next_piece_size(unsigned *state, size_t max) {
	*state = *state * 1103515245U + 12345U;
	return 1 + (*state >> 16) % max;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct line_reader reader;
	struct model model;
	struct text line;
	char *buffer;
	size_t limit;
	unsigned state;

	if (size < 2) return 0;
	limit = data[0] % 40 + 1U;
	state = data[1];
	model.position = (char *)data + 2;
	model.end = (char *)data + size;
	model.limit = limit;

	buffer = malloc(limit + 2 + READ_SIZE);
	require(buffer != NULL);
	line_open(&reader, buffer, limit);
	reader.size = limit + 2 + READ_SIZE;
	reader.has_begun = true; /* the model knows no bytes before the first line */

	for (data += 2, size -= 2; size > 0;) {
		size_t space_size, piece;
		char *space = line_space(&reader, &space_size);

		require(space_size >= READ_SIZE);
		piece = next_piece_size(&state, space_size);
		if (piece > size) piece = size;
		memcpy(space, data, piece);
		line_fill(&reader, piece);
		data += piece;
		size -= piece;
		drain(&reader, &model);
	}
	reader.rest_is_line = true;
	drain(&reader, &model);
	require(model.position == model.end);
	require(line_next(&reader, &line) == LINE_NONE);
	free(buffer);
	return 0;
}

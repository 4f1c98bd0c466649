/* sources: cmd/line.c cmd/parse.c */
/*
 * The line reader and the parser. The input's first byte is the limit, the second how the rest is cut
 * into pieces. The lines must come out as a simple reading of the rules says, whatever the pieces; and
 * the parts of a line, joined again, must be the line.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../../cmd/cmd.h"

/* Little room, so that the reader has to move what it has. */
enum { READ_SIZE = 16 };

static void require(bool holds) {
	if (!holds) abort();
}

/* What a line must be, by the rules of cmd(7): the bytes up to an LF or the end, and one CR before it less. */
struct expected {
	const char *position;
	const char *end;
	size_t limit;
};

static enum line_status expect(struct expected *expected, struct text *line) {
	const char *feed = memchr(expected->position, '\n', (size_t)(expected->end - expected->position));
	const char *end = feed == NULL ? expected->end : feed;

	line->start = expected->position;
	line->length = (size_t)(end - expected->position);
	expected->position = feed == NULL ? end : feed + 1;
	if (line->length > 0 && line->start[line->length - 1] == '\r') line->length--;
	if (line->length > expected->limit) return LINE_TOOLONG;
	return memchr(line->start, '\0', line->length) == NULL ? LINE_WHOLE : LINE_NUL;
}

static void check_arguments(struct text line, size_t most) {
	struct text arguments[PARSE_ARGUMENTS_MAX];
	struct request request;
	const char *position;
	size_t count, i;

	parse_request(line, &request);
	count = parse_arguments(&request, most, arguments);
	require((count > 0) == request.has_arguments);
	require(count <= most || (most == 0 && count == 1));

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
	size_t most, length;
	bool more;

	parse_request(line, &request);
	require(request.name.start == line.start);
	for (most = 0; most <= PARSE_ARGUMENTS_MAX; most++) check_arguments(line, most);

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

static void check_line(struct expected *expected, enum line_status status, struct text line) {
	struct text model;

	require(status == expect(expected, &model));
	if (status != LINE_WHOLE) return;
	require(text_equals(line, model));
	check_parts(line);
}

static void drain(struct line_reader *reader, struct expected *expected) {
	enum line_status status;
	struct text line;

	while ((status = line_next(reader, &line)) != LINE_NONE) check_line(expected, status, line);
}

/* The next piece's size: a small generator, so that one byte of input decides on all. */
static size_t next_piece(unsigned *state, size_t most) {
	*state = *state * 1103515245U + 12345U;
	return 1 + (*state >> 16) % most;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct line_reader reader;
	struct expected expected;
	struct text line;
	char *buffer;
	size_t limit;
	unsigned state;

	if (size < 2) return 0;
	limit = data[0] % 40 + 1U;
	state = data[1];
	expected.position = (const char *)data + 2;
	expected.end = (const char *)data + size;
	expected.limit = limit;

	buffer = malloc(limit + 2 + READ_SIZE);
	require(buffer != NULL);
	line_open(&reader, buffer, limit);
	reader.size = limit + 2 + READ_SIZE;

	for (data += 2, size -= 2; size > 0;) {
		size_t room, piece;
		char *space = line_space(&reader, &room);

		require(room >= READ_SIZE);
		piece = next_piece(&state, room);
		if (piece > size) piece = size;
		memcpy(space, data, piece);
		line_fill(&reader, piece);
		data += piece;
		size -= piece;
		drain(&reader, &expected);
	}
	reader.rest_is_line = true;
	drain(&reader, &expected);
	require(expected.position == expected.end);
	require(line_next(&reader, &line) == LINE_NONE);
	free(buffer);
	return 0;
}

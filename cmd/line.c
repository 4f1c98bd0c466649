/*
 * A line reader in constant memory. It reads nothing itself: the caller puts bytes where line_space()
 * says, in pieces of any size, and takes out lines. A line ends at LF; a CR before the LF is dropped,
 * and neither counts for the limit. What is longer than the limit is thrown away as it comes, and
 * reported once its end is there. Every byte is looked at twice, by memchr(3): for LF and for NUL.
 */

#include "cmd.h"

/* The buffer must have LINE_BUFFER_SIZE(limit) bytes. */
void line_open(struct line_reader *reader, char *buffer, size_t limit) {
	memset(reader, 0, sizeof *reader);
	reader->buffer = buffer;
	reader->size = LINE_BUFFER_SIZE(limit);
	reader->limit = limit;
}

/* Says where the next bytes go, and how many may be put there: at least LINE_READ_SIZE. */
char *line_space(struct line_reader *reader, size_t *size) {
	size_t start = reader->start;

	/* An empty buffer starts again at its first page, so a quiet session touches no other. */
	if (start > 0 && (start == reader->end || reader->size - reader->end < LINE_READ_SIZE)) {
		memmove(reader->buffer, reader->buffer + start, reader->end - start);
		reader->searched -= start;
		reader->nul -= start;
		reader->end -= start;
		reader->start = 0;
	}
	*size = reader->size - reader->end;
	return reader->buffer + reader->end;
}

static size_t find_nul(const struct line_reader *reader, size_t from) {
	const char *nul = memchr(reader->buffer + from, '\0', reader->end - from);

	return nul == NULL ? reader->end : (size_t)(nul - reader->buffer);
}

/* Tells the reader that count bytes were put into its space. */
void line_fill(struct line_reader *reader, size_t count) {
	size_t old_end = reader->end;

	reader->end += count;
	if (reader->nul == old_end) reader->nul = find_nul(reader, old_end);
}

static void drop_all(struct line_reader *reader) {
	reader->start = reader->searched = reader->nul = reader->end;
}

/* Hands out the bytes from start to end as a line, and goes on at next. */
static enum line_status take_line(struct line_reader *reader, size_t end, size_t next, struct text *line) {
	bool holds_nul = reader->nul < end;
	bool was_skipping = reader->skipping;

	line->start = reader->buffer + reader->start;
	line->length = end - reader->start;
	if (line->length > 0 && line->start[line->length - 1] == '\r') line->length--;

	reader->start = reader->searched = next;
	reader->skipping = false;
	if (holds_nul) reader->nul = find_nul(reader, next);

	if (was_skipping || line->length > reader->limit) return LINE_TOOLONG;
	return holds_nul ? LINE_NUL : LINE_WHOLE;
}

/*
 * Takes out the next line that has its LF. Only LINE_WHOLE sets *line, which is good until the next
 * line_space(). LINE_NONE asks for more bytes.
 */
enum line_status line_next(struct line_reader *reader, struct text *line) {
	const char *feed = memchr(reader->buffer + reader->searched, '\n', reader->end - reader->searched);

	if (feed != NULL) {
		size_t end = (size_t)(feed - reader->buffer);

		return take_line(reader, end, end + 1, line);
	}
	reader->searched = reader->end;
	/* One more than the limit may still be a CR that does not count. */
	if (reader->end - reader->start > reader->limit + 1) reader->skipping = true;
	if (reader->skipping) drop_all(reader);
	return LINE_NONE;
}

/* Takes out what is left after line_next() has said LINE_NONE, as a line that has no LF. */
enum line_status line_rest(struct line_reader *reader, struct text *line) {
	if (reader->start == reader->end && !reader->skipping) return LINE_NONE;
	return take_line(reader, reader->end, reader->end, line);
}

/* SPDX-License-Identifier: ISC */
/*
 * Splits bytes into lines, in constant memory. The caller puts bytes where line_space() says, in pieces of any size,
 * and takes lines out. A line ends at a line feed; a carriage return before it is dropped, and neither counts for
 * the limit. The bytes of a line that is too long are dropped as they arrive, and the line is reported when it ends.
 */
#include "cmd.h"

/* Prepares a reader; the buffer must have LINE_BUFFER_SIZE(limit) bytes. */
void line_open(struct line_reader *reader, char *buffer, size_t limit) {
	memset(reader, 0, sizeof *reader);
	reader->buffer = buffer;
	reader->size = LINE_BUFFER_SIZE(limit);
	reader->limit = limit;
}

/* Returns where the next bytes go, and in *size how many there is room for: at least LINE_READ_SIZE. */
char *line_space(struct line_reader *reader, size_t *size) {
	size_t start = reader->start;

	/* An empty buffer is filled from its beginning again, so an idle session uses one page of it. */
	if (start > 0 && (start == reader->end || reader->size - reader->end < LINE_READ_SIZE)) {
		memmove(reader->buffer, reader->buffer + start, reader->end - start);
		reader->searched -= start;
		reader->end -= start;
		reader->start = 0;
	}
	*size = reader->size - reader->end;
	return reader->buffer + reader->end;
}

/* Takes over count bytes, which the caller has put where line_space() said. */
void line_fill(struct line_reader *reader, size_t count) { reader->end += count; }

/* Drops all bytes. Returns how many there were. */
size_t line_discard(struct line_reader *reader) {
	size_t count = reader->end - reader->start;

	reader->start = reader->searched = reader->end;
	return count;
}

/*
 * Returns how many bytes at the beginning of the first line are not its text: a byte order mark, and options of telnet (RFC
 * 854), which PuTTY sends first: IAC, WILL to DONT and a byte, or IAC SB ... IAC SE.
 */
static size_t preamble_length(const char *bytes, size_t length) {
	enum { SE = 0xf0, SB = 0xfa, WILL = 0xfb, DONT = 0xfe, IAC = 0xff };
	const unsigned char *at = (const unsigned char *)bytes, *end = at + length;

	for (;;) {
		if (end - at >= 3 &&
		    (memcmp(at, "\xef\xbb\xbf", 3) == 0 || (at[0] == IAC && at[1] >= WILL && at[1] <= DONT)))
			at += 3;
		else if (end - at >= 4 && at[0] == IAC && at[1] == SB) {
			at += 2;
			while (end - at >= 2 && (at[0] != IAC || at[1] != SE)) at++;
			at = end - at >= 2 ? at + 2 : end;
		} else return (size_t)(at - (const unsigned char *)bytes);
	}
}

/* Takes out the bytes up to end as a line; the next line begins at next. */
static enum line_status take_line(struct line_reader *reader, size_t end, size_t next, struct text *line) {
	enum line_status status = LINE_WHOLE;

	line->start = reader->buffer + reader->start;
	line->length = end - reader->start;
	if (!reader->has_begun && !reader->skipping) {
		size_t preamble = preamble_length(line->start, line->length);

		line->start += preamble;
		line->length -= preamble;
	}
	reader->has_begun = true;
	if (line->length > 0 && line->start[line->length - 1] == '\r') line->length--;
	if (reader->skipping || line->length > reader->limit) status = LINE_TOOLONG;
	else if (memchr(line->start, '\0', line->length) != NULL) status = LINE_NUL;
	reader->start = reader->searched = next;
	reader->skipping = false;
	return status;
}

/*
 * Takes out the next line. Sets *line, valid until the next line_space(), with LINE_WHOLE only. LINE_NONE means that
 * more bytes are needed.
 */
enum line_status line_next(struct line_reader *reader, struct text *line) {
	const char *feed = memchr(reader->buffer + reader->searched, '\n', reader->end - reader->searched);
	bool has_rest = reader->start < reader->end || reader->skipping;

	if (feed != NULL) {
		size_t end = (size_t)(feed - reader->buffer);

		return take_line(reader, end, end + 1, line);
	}
	if (reader->rest_is_line && has_rest) return take_line(reader, reader->end, reader->end, line);
	/* One byte more than the limit may be a carriage return, which does not count. */
	if (reader->end - reader->start > reader->limit + 1) reader->skipping = true;
	if (reader->skipping) reader->start = reader->end;
	reader->searched = reader->end;
	return LINE_NONE;
}

/*
 * A line to a request: NAME, or NAME<>ARGUMENT<>ARGUMENT... Nothing is copied, unescaped or trimmed;
 * an empty argument is an argument.
 */
#include "cmd.h"

/* The bytes before the first separator, or all there are. They are few: a loop beats memchr(3). */
static size_t field_length(struct text text) {
	const char *end = text.start + text.length;
	const char *position;

	for (position = text.start; position < end; position++) {
		if (position[0] == '<' && position + 1 < end && position[1] == '>')
			return (size_t)(position - text.start);
	}
	return text.length;
}

/* What follows a field of that length and its separator; an empty text where there is none. */
static struct text text_after(struct text text, size_t length) {
	size_t skip = length < text.length ? length + 2 : length;
	struct text rest = {text.start + skip, text.length - skip};

	return rest;
}

void parse_request(struct text line, struct request *request) {
	size_t length = field_length(line);

	request->name.start = line.start;
	request->name.length = length;
	request->has_arguments = length < line.length;
	request->arguments[0] = text_after(line, length);
}

/* Cuts one argument off *rest. Returns whether another follows. */
bool parse_argument(struct text *rest, struct text *argument) {
	struct text all = *rest;
	size_t length = field_length(all);

	argument->start = all.start;
	argument->length = length;
	*rest = text_after(all, length);
	return length < all.length;
}

/*
 * Splits what follows the name into at most so many arguments, the last of which takes the rest of the
 * line, `<>` and all. Returns how many there are; where most is 0 and there are some, 1, so that the
 * caller sees it.
 */
size_t parse_arguments(struct request *request, size_t most) {
	struct text *last = request->arguments;
	size_t count;

	if (!request->has_arguments) return 0;
	for (count = 1; count < most; count++, last++) {
		last[1] = last[0];
		if (!parse_argument(&last[1], &last[0])) break;
	}
	return count;
}

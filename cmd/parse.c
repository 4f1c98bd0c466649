/* SPDX-License-Identifier: ISC */
/*
 * Splits a line into a name and arguments: NAME, or NAME<>ARGUMENT<>ARGUMENT... Nothing is copied, unescaped or
 * trimmed; an empty argument is an argument.
 */
#include "cmd.h"

/* Returns the number of bytes before the first separator, or of all. A field is short: a loop is faster than memchr. */
static size_t field_length(struct text text) {
	size_t i;

	for (i = 0; i + 1 < text.length; i++) {
		if (text.start[i] == '<' && text.start[i + 1] == '>') return i;
	}
	return text.length;
}

/* Cuts a field and its separator off *rest. Returns whether there was a separator, so that another field follows. */
bool parse_argument(struct text *rest, struct text *argument) {
	size_t length = field_length(*rest);
	bool has_separator = length < rest->length;
	size_t skip = has_separator ? length + 2 : length;

	argument->start = rest->start;
	argument->length = length;
	rest->start += skip;
	rest->length -= skip;
	return has_separator;
}

/* Splits a line into the name and all of its arguments. */
void parse_request(struct text line, struct request *request) {
	request->arguments = line;
	request->has_arguments = parse_argument(&request->arguments, &request->name);
}

/*
 * Splits the arguments into at most so many, the last of which takes the rest of the line, separators and all.
 * Returns how many there are; if most is 0 and there are some, 1.
 */
size_t parse_arguments(const struct request *request, size_t most, struct text *arguments) {
	struct text rest = request->arguments;
	bool more = request->has_arguments;
	size_t count = 0;

	while (more && count + 1 < most) more = parse_argument(&rest, &arguments[count++]);
	if (more) arguments[count++] = rest;
	return count;
}

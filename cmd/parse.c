/*
 * A line to a request: NAME, or NAME<>ARGUMENT<>ARGUMENT... Nothing is copied, unescaped or trimmed;
 * an empty argument is an argument.
 */
#include "cmd.h"

/*
 * Cuts the text up to the first separator off *rest, and returns whether there was one. Where there is
 * none, all of it is cut off. A loop, since what it cuts off is a few bytes long: memchr(3) is slower.
 */
static bool cut(struct text *rest, struct text *part) {
	const char *start = rest->start;
	const char *end = start + rest->length;
	const char *separator;

	part->start = start;
	for (separator = start; end - separator > 1; separator++) {
		if (separator[0] == '<' && separator[1] == '>') {
			part->length = (size_t)(separator - start);
			rest->start = separator + 2;
			rest->length = (size_t)(end - rest->start);
			return true;
		}
	}
	part->length = rest->length;
	rest->start = end;
	rest->length = 0;
	return false;
}

void parse_request(struct text line, struct request *request) {
	request->arguments = line;
	request->has_arguments = cut(&request->arguments, &request->name);
}

/* Cuts one argument off *rest. Returns whether another follows. */
bool parse_argument(struct text *rest, struct text *argument) {
	return cut(rest, argument);
}

/*
 * Splits a request into at most so many arguments, the last of which takes the rest of the line, `<>`
 * and all. Returns how many there are; where most is 0 and there are some, 1, so that the caller sees it.
 */
size_t parse_arguments(const struct request *request, struct text *arguments, size_t most) {
	struct text rest = request->arguments;
	size_t count = 0;

	if (!request->has_arguments) return 0;
	while (count + 1 < most) {
		if (!cut(&rest, &arguments[count++])) return count;
	}
	if (most > 0) arguments[count] = rest;
	return count + 1;
}

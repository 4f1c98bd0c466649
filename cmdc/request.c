/*
 * The arguments of the command line to one request line, or the reason why the protocol cannot say them.
 *
 * The fields of a line are found from the left, so an argument that ends in `<` or begins with `>` is no danger:
 * "a<" and ">b" make `a<<>>b`, in which the first `<>` is ours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmdc.h"

/* Why the argument at place, counted from 0 for NAME, cannot be said; NULL where it can. */
static const char *refusal(const char *argument, size_t place, bool last) {
	size_t length = strlen(argument);

	if (place == 0 && length == 0) return "is empty";
	if (strchr(argument, '\n') != NULL) return "holds a newline, and a request is one line";
	if ((place == 0 || !last) && strstr(argument, SEPARATOR) != NULL)
		return "holds `<>`, which only the last argument may";
	if (last && length > 0 && argument[length - 1] == '\r')
		return "ends in a carriage return, which is dropped at the end of a line";
	return NULL;
}

/*
 * Join NAME and its arguments, NULL at the end, to one line with its newline. Returns the line, from malloc, and
 * its length; NULL where it cannot be said or there is no memory, with the reason.
 */
char *request_build(char *const arguments[], size_t *length, char *reason) {
	size_t size = 1;

	for (size_t i = 0; arguments[i] != NULL; i++) {
		const char *why = refusal(arguments[i], i, arguments[i + 1] == NULL);

		if (why != NULL) {
			if (i == 0)
				snprintf(reason, REASON_SIZE, "NAME %s", why);
			else
				snprintf(reason, REASON_SIZE, "argument %zu %s", i, why);
			return NULL;
		}
		size += strlen(arguments[i]) + strlen(SEPARATOR);
	}

	char *line = malloc(size);

	if (line == NULL) {
		snprintf(reason, REASON_SIZE, "out of memory");
		return NULL;
	}

	char *end = line;

	for (size_t i = 0; arguments[i] != NULL; i++) {
		size_t n = strlen(arguments[i]);

		memcpy(end, arguments[i], n);
		end += n;
		if (arguments[i + 1] != NULL) {
			memcpy(end, SEPARATOR, strlen(SEPARATOR));
			end += strlen(SEPARATOR);
		}
	}
	*end++ = '\n';
	*length = (size_t)(end - line);
	return line;
}

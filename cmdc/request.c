/* SPDX-License-Identifier: ISC */
/*
 * Joins the arguments of the command line to one request line, unless the protocol cannot carry them.
 *
 * The server finds the fields of a line from the left, so an argument may end with `<` or begin with `>`: "a<" and
 * ">b" make `a<<>>b`, in which the first `<>` is the separator.
 */
#include <stdlib.h>
#include <string.h>

#include "cmdc.h"

#define SEPARATOR "<>"

/* Returns why a request cannot carry an argument; NULL if it can. Position 0 is NAME. */
static const char *refusal(const char *argument, size_t position, bool is_last) {
	size_t length = strlen(argument);

	if (position == 0 && length == 0) return "is empty";
	if (strchr(argument, '\n') != NULL) return "holds a newline, and a request is one line";
	if ((position == 0 || !is_last) && strstr(argument, SEPARATOR) != NULL)
		return "holds `<>`, which only the last argument may";
	if (is_last && length > 0 && argument[length - 1] == '\r')
		return "ends in a carriage return, which is dropped at the end of a line";
	return NULL;
}

/* Returns the size of the request line and a NUL byte; 0, after a message, if the protocol cannot carry it. */
static size_t request_size(char *const arguments[]) {
	size_t size = 1;

	for (size_t i = 0; arguments[i] != NULL; i++) {
		const char *reason = refusal(arguments[i], i, arguments[i + 1] == NULL);

		if (reason != NULL) {
			const char *separator = i == 0 ? strstr(arguments[0], SEPARATOR) : NULL;

			if (separator != NULL)
				output_message("NAME %s: is `cmdc %.*s '%s'` meant?", reason,
				    (int)(separator - arguments[0]), arguments[0], separator + strlen(SEPARATOR));
			else if (i == 0) output_message("NAME %s", reason);
			else output_message("argument %zu %s", i, reason);
			return 0;
		}
		size += strlen(arguments[i]) + strlen(SEPARATOR);
	}
	return size;
}

/*
 * Joins NAME and its arguments, with NULL at the end, to one line with its newline. Returns the line, from malloc, and
 * its length; NULL, after a message, if the protocol cannot carry it or there is no memory.
 */
char *request_build(char *const arguments[], size_t *length) {
	size_t size = request_size(arguments);
	char *line, *end;

	if (size == 0) return NULL;
	line = end = malloc(size);
	if (line == NULL) {
		output_message("out of memory");
		return NULL;
	}
	for (size_t i = 0; arguments[i] != NULL; i++) {
		end = stpcpy(end, arguments[i]);
		end = stpcpy(end, arguments[i + 1] == NULL ? "\n" : SEPARATOR);
	}
	*length = (size_t)(end - line);
	return line;
}

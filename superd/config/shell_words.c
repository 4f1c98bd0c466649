/* SPDX-License-Identifier: ISC */
/*
 * shell_words: a value as sh(1) reads a command line: split at blanks, with '...', "..." and \. Nothing is expanded. That of
 * `command` may go on over lines in quotes.
 */
#include "config.h"

#include <strings.h>

static bool is_quote(char byte) { return byte == '\'' || byte == '"'; }

/* Where a line of a file ends: at a newline, and where it sets `command` not at one in quotes. There is a newline at `end`. */
char *shell_find_line_end(char *line, const char *end) {
	char quote = '\0', *at = line + strspn(line, " \t"), *newline = memchr(line, '\n', (size_t)(end - line) + 1);
	if (strncasecmp(at, "command", 7) != 0) return newline;
	for (; at < end && (*at != '\n' || quote != '\0'); at++) {
		if (*at == '\\' && quote != '\'' && at + 1 < end && at[1] != '\n') at++;
		else if (*at == quote) quote = '\0';
		else if (quote == '\0' && is_quote(*at)) quote = *at;
	}
	return quote == '\0' ? at : newline; /* one that nothing closes costs no more than its line */
}

/* Adds the words of a value, up to a comment if it may have one. The text is cut up. Returns 0, or -1 and an error. */
int shell_split(struct arena *arena, struct words *words, char *text, bool takes_comment, struct error *error) {
	while (*(text += strspn(text, " \t\n")) != '\0' && !(takes_comment && *text == '#')) {
		char *from = text, *to = text, quote = '\0';
		for (; *from != '\0' && (quote != '\0' || strchr(" \t\n", *from) == NULL); from++) {
			bool is_escape =
			    *from == '\\' && (quote == '\0' || (quote == '"' && strchr("\\\"$`", from[1]) != NULL));
			if (is_escape && from[1] == '\0') return error_set(error, "nothing follows the last \\");
			if (is_escape) *to++ = *++from;
			else if (*from == quote) quote = '\0';
			else if (quote == '\0' && is_quote(*from)) quote = *from;
			else *to++ = *from;
		}
		if (quote != '\0') return error_set(error, "a quote, %c, is not closed", quote);
		words_add(arena, words, text);
		text = *from == '\0' ? from : from + 1;
		*to = '\0';
	}
	return 0;
}

/* Whether server and server_args, which know no quotes, can say these words. */
bool shell_are_plain(const struct words *words) {
	for (size_t i = 0; i < words->count; i++)
		if (words->word[i][strcspn(words->word[i], " \t\r\n'\"")] != '\0' || *words->word[i] == '\0')
			return false;
	return true;
}

/* Prints a word so that it is read as one, in quotes if need be. */
void shell_print(const char *word, FILE *to) {
	bool is_plain = *word != '\0' && word[strcspn(word, " \t\r\n'\"\\")] == '\0';
	if (!is_plain) fputc('\'', to);
	for (const char *at = word; *at != '\0'; at++)
		if (*at == '\'') fputs("'\\''", to);
		else fputc(*at, to);
	if (!is_plain) fputc('\'', to);
}

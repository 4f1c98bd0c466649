/* SPDX-License-Identifier: ISC */
/*
 * quote: the line of a file that an error is about, with a mark under the wrong word. What is not printable ASCII is shown
 * as \xHH, so that no configuration can control a terminal, and every column stands where it should.
 */
#include "base.h"

#include <sys/stat.h>

enum { QUOTE_WIDTH = 64, LEAD = 16, MOST_QUOTES = 100 };

static const char blanks[] = " \t\r\n";

/* The escape sequence where the terminal shows colours (https://no-color.org), else nothing. */
const char *quote_colour(int fd, const char *sequence) {
	const char *unwanted = getenv("NO_COLOR"), *terminal = getenv("TERM");
	if ((unwanted != NULL && *unwanted != '\0') || terminal == NULL || strcmp(terminal, "dumb") == 0) return "";
	return isatty(fd) == 1 ? sequence : "";
}

/* One byte as it is shown; a tab is one blank. Returns how many columns it takes. */
int quote_byte(char shown[5], char byte) {
	if (byte == '\t') byte = ' ';
	return snprintf(shown, 5, byte >= ' ' && byte <= '~' ? "%c" : "\\x%02x", (unsigned char)byte);
}

/* The text of a line of a file, for the caller to free. NULL where it cannot be read again, as from a pipe. */
static char *read_again(const struct location *location) {
	struct stat about;
	char *line = NULL;
	size_t room = 0;
	bool is_there = stat(location->file, &about) == 0 && S_ISREG(about.st_mode);
	FILE *file = is_there ? fopen(location->file, "r") : NULL;
	if (file == NULL) return NULL;
	for (int number = 0; is_there && number < location->line; number++) is_there = getline(&line, &room, file) > 0;
	fclose(file);
	if (is_there) return line;
	free(line);
	return NULL;
}

/* Whether the `length` bytes stand alone: not as a part of a longer word. The end of the line is a byte of NUL. */
static bool is_word(const char *line, const char *at, size_t length) {
	bool begins = at == line || strchr(" \t=", at[-1]) != NULL;
	return *at == '=' || (begins && strchr(at == line ? " \t=+-" : " \t=", at[length]) != NULL);
}

/*
 * What a message is about: the word of the line that it quotes, else the line's value, else the line. A quoted word may
 * have quotes in it, and not every quoted word is in the line: of those that end where the last one does, the longest.
 */
static const char *find_word(const char *line, const char *message, size_t *length) {
	const char *last = strrchr(message, '\''), *value = line + strcspn(line, "=");
	for (const char *quote = strchr(message, '\''); quote != last; quote = strchr(quote + 1, '\'')) {
		*length = (size_t)(last - quote) - 1;
		for (const char *at = line; *at != '\0'; at++)
			if (*length > 0 && strncmp(at, quote + 1, *length) == 0 && is_word(line, at, *length))
				return at;
	}
	if (*value == '=') value += 1 + strspn(value + 1, blanks);
	if (*value == '\0') value = line;
	*length = strlen(value);
	return value;
}

/*
 * Prints the line of the file that a message is about, and a mark under the word, into `text`. Returns the length: 0
 * where there is no such line, and for all but the first MOST_QUOTES messages, since each reads its file again.
 */
size_t quote_line(char *text, size_t size, const struct location *location, const char *message) {
	static int quotes;
	char shown[QUOTE_WIDTH + 5] = "", mark[QUOTE_WIDTH + 5] = "", *whole;
	if (location->line == 0 || quotes == MOST_QUOTES || (whole = read_again(location)) == NULL) return 0;
	quotes++;
	size_t length, column = 0;
	for (length = strlen(whole); length > 0 && strchr(blanks, whole[length - 1]) != NULL;) whole[--length] = '\0';
	const char *line = whole + strspn(whole, blanks), *word = find_word(line, message, &length), *from = line;
	if (word - line > QUOTE_WIDTH - LEAD)
		for (from = word - LEAD; from < word && strchr(blanks, *from) == NULL;) from++;
	const char *cut = from > line ? "..." : "";
	for (const char *byte = from; *byte != '\0' && column < QUOTE_WIDTH; byte++) {
		size_t width = (size_t)quote_byte(shown + column, *byte);
		if (byte < word + length) memset(mark + column, byte < word ? ' ' : '~', width);
		if (byte == word) mark[column] = '^';
		column += width;
	}
	int used = snprintf(text, size, "%5d | %s%s\n      | %*s%s%s%s\n", location->line, cut, shown, (int)strlen(cut),
	    "", quote_colour(STDERR_FILENO, "\033[1;32m"), mark, quote_colour(STDERR_FILENO, "\033[0m"));
	free(whole);
	return (size_t)used;
}

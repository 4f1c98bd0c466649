/*
 * terminal: what only people see: the table of -t, and the line of the file that an error is about. Used where the
 * stream is a terminal; programs get the plain forms. What is not printable ASCII is shown as \xHH, so that no
 * configuration can drive a terminal, and every column stands where it should.
 */
#include "superd.h"

#include <sys/stat.h>

enum { COLUMNS = 7, QUOTE_WIDTH = 64, LEAD = 16, QUOTES = 100 };

struct row {
	const char *cell[COLUMNS];
};

static const char blanks[] = " \t\r\n";

/* The escape sequence where the terminal is to have colours (https://no-color.org), else nothing. */
static const char *colour(int fd, const char *sequence) {
	const char *unwanted = getenv("NO_COLOR"), *terminal = getenv("TERM");
	if ((unwanted != NULL && *unwanted != '\0') || terminal == NULL || strcmp(terminal, "dumb") == 0) return "";
	return isatty(fd) == 1 ? sequence : "";
}

/* One byte as it is shown. Returns how many columns it takes; a tab is one blank. */
static int show(char shown[5], char byte) {
	if (byte == '\t') byte = ' ';
	return snprintf(shown, 5, byte >= ' ' && byte <= '~' ? "%c" : "\\x%02x", (unsigned char)byte);
}

static const char *show_all(struct arena *arena, const char *text) {
	size_t size = 4 * strlen(text) + 1, length = 0;
	char *shown = mem_alloc(arena, size);
	for (; *text != '\0'; text++) length += (size_t)show(shown + length, *text);
	return shown;
}

/* The text of a line of a file, for the caller to free. NULL where it cannot be read again, as from a pipe. */
static char *read_again(const struct place *place) {
	struct stat about;
	char *line = NULL;
	size_t room = 0;
	bool is_there = stat(place->file, &about) == 0 && S_ISREG(about.st_mode);
	FILE *file = is_there ? fopen(place->file, "r") : NULL;
	if (file == NULL) return NULL;
	for (int number = 0; is_there && number < place->line; number++) is_there = getline(&line, &room, file) > 0;
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
 * where there is no such line, and for all but the first QUOTES messages, since each reads its file again.
 */
size_t terminal_quote(char *text, size_t size, const struct place *place, const char *message) {
	static int quotes;
	char shown[QUOTE_WIDTH + 5] = "", mark[QUOTE_WIDTH + 5] = "", *whole;
	if (place->line == 0 || quotes == QUOTES || (whole = read_again(place)) == NULL) return 0;
	quotes++;
	size_t length, column = 0;
	for (length = strlen(whole); length > 0 && strchr(blanks, whole[length - 1]) != NULL;) whole[--length] = '\0';
	const char *line = whole + strspn(whole, blanks), *word = find_word(line, message, &length), *from = line;
	if (word - line > QUOTE_WIDTH - LEAD)
		for (from = word - LEAD; from < word && strchr(blanks, *from) == NULL;) from++;
	const char *cut = from > line ? "..." : "";
	for (const char *byte = from; *byte != '\0' && column < QUOTE_WIDTH; byte++) {
		size_t width = (size_t)show(shown + column, *byte);
		if (byte < word + length) memset(mark + column, byte < word ? ' ' : '~', width);
		if (byte == word) mark[column] = '^';
		column += width;
	}
	int used = snprintf(text, size, "%5d | %s%s\n      | %*s%s%s%s\n", place->line, cut, shown, (int)strlen(cut),
	    "", colour(STDERR_FILENO, "\033[1;32m"), mark, colour(STDERR_FILENO, "\033[0m"));
	free(whole);
	return (size_t)used;
}

/* The first of several, and how many more there are. */
static const char *describe(struct arena *arena, const char *first, size_t count) {
	return count < 2 ? first : mem_print(arena, "%s +%zu", first, count - 1);
}

static const char *describe_clients(struct arena *arena, const struct service *service) {
	const struct address_list *in = &service->only_from, *out = &service->no_access;
	const char *clients = !in->set ? "anyone" : in->count == 0 ? "nobody" : "";
	if (in->count > 0) clients = describe(arena, in->rules[0].word, in->count);
	if (out->count == 0) return clients;
	return mem_print(arena, "%s but %s", clients, describe(arena, out->rules[0].word, out->count));
}

static const char *describe_program(struct arena *arena, const struct service *service) {
	char program[1000];
	if (service->redirect.host != NULL)
		return mem_print(arena, "to %s port %s", service->redirect.host, service->redirect.port);
	snprintf(program, sizeof program, "%s", service->is_internal ? "superd itself" : service->server);
	for (size_t i = 0; i < service->server_args.count; i++)
		text_add(program, sizeof program, " %s", service->server_args.word[i]);
	return mem_copy(arena, program);
}

static struct row make_row(struct arena *arena, const struct service *service) {
	char address[ADDR_TEXT] = "handed over", instances[24] = "-";
	bool is_unix = service->address_count > 0 && service->addresses[0].at.any.sa_family == AF_UNIX;
	if (service->address_count > 0) addr_format(&service->addresses[0], address);
	if (service->instances != UNLIMITED) snprintf(instances, sizeof instances, "%ld", service->instances);
	struct row row = {{service->id, describe(arena, address, service->address_count),
	    mem_print(arena, "%s%s", is_unix ? "unix" : service->protocol, service->wait ? " wait" : ""),
	    service->user.set ? service->user.word : "superd's", instances, describe_clients(arena, service),
	    describe_program(arena, service)}};
	for (int i = 0; i < COLUMNS; i++) row.cell[i] = show_all(arena, row.cell[i]);
	return row;
}

/* Prints the services as a table, a line each, where superd.conf's own syntax would be too much to look over. */
void terminal_print_services(const struct config *config) {
	int width[COLUMNS] = {0};
	struct row *rows = mem_alloc(config->loading, (config->count + 1) * sizeof *rows);
	rows[0] = (struct row){{"SERVICE", "ADDRESS", "SOCKET", "USER", "INSTANCES", "CLIENTS", "PROGRAM"}};
	for (size_t i = 0; i < config->count; i++) rows[i + 1] = make_row(config->loading, config->services[i]);
	for (size_t i = 0; i <= config->count; i++)
		for (int j = 0; j < COLUMNS - 1; j++) {
			int length = (int)strlen(rows[i].cell[j]);
			if (length > width[j]) width[j] = length;
		}
	fputs(colour(STDOUT_FILENO, "\033[1m"), stdout);
	for (size_t i = 0; i <= config->count; i++) {
		for (int j = 0; j < COLUMNS - 1; j++) printf("%-*s  ", width[j], rows[i].cell[j]);
		printf("%s%s\n", rows[i].cell[COLUMNS - 1], i == 0 ? colour(STDOUT_FILENO, "\033[0m") : "");
	}
}

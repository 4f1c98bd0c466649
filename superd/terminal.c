/* SPDX-License-Identifier: ISC */
/*
 * terminal: the tables of -t and -A, where stdout is a terminal. Programs get the plain forms.
 */
#include "superd.h"

enum { COLUMNS = 7, LEAST_WIDTH = 12 };

struct row {
	const char *cell[COLUMNS];
};

static const char *show_all(struct arena *arena, const char *text) {
	size_t size = 4 * strlen(text) + 1, length = 0;
	char *shown = mem_alloc(arena, size);
	for (; *text != '\0'; text++) length += (size_t)quote_byte(shown + length, *text);
	return shown;
}

/* The first of several, and how many more there are. */
static const char *describe(struct arena *arena, const char *first, size_t count) {
	return count < 2 ? first : mem_print(arena, "%s +%zu", first, count - 1);
}

/* Whether the list has a prefix of every address. */
static bool has_everything(const struct address_list *list) {
	for (size_t i = 0; i < list->count; i++)
		if (list->rules[i].bits == 0) return true;
	return false;
}

static const char *describe_clients(struct arena *arena, const struct service *service) {
	const struct address_list *in = &service->only_from, *out = &service->no_access;
	bool is_anyone = !in->set || has_everything(in);
	const char *clients = is_anyone ? "anyone" : "nobody";
	if (!is_anyone && in->count > 0) clients = describe(arena, in->rules[0].word, in->words);
	if (out->count == 0) return clients;
	return mem_print(arena, "%s but %s", clients, describe(arena, out->rules[0].word, out->words));
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
	if (service->address_count > 0 && addr_is_wildcard(&service->addresses[0]))
		snprintf(address, sizeof address, "*:%u", addr_port(&service->addresses[0]));
	if (service->instances != UNLIMITED) snprintf(instances, sizeof instances, "%ld", service->instances);
	struct row row = {{service->id, describe(arena, address, service->address_count),
	    mem_print(arena, "%s%s", is_unix ? "unix" : service->protocol, service->wait ? " wait" : ""),
	    service->user.set ? service->user.word : "superd's", instances, describe_clients(arena, service),
	    describe_program(arena, service)}};
	for (int i = 0; i < COLUMNS; i++) row.cell[i] = show_all(arena, row.cell[i]);
	return row;
}

/*
 * Prints rows, the first of which is the head. What is longer than `most` in a column, or too long for the `rest` of the line in
 * the last one, ends with `...`.
 */
static void print_rows(const struct row *rows, size_t count, int most, int rest) {
	int width[COLUMNS] = {0}, last = COLUMNS - 1;
	while (rows[0].cell[last] == NULL) last--;
	for (int j = 0; j < last; rest -= width[j++] + 2)
		for (size_t i = 0; i < count && width[j] < most; i++) {
			int length = (int)strlen(rows[i].cell[j]);
			if (length > width[j]) width[j] = length < most ? length : most;
		}
	width[last] = rest > LEAST_WIDTH ? rest : LEAST_WIDTH;
	fputs(quote_colour(STDOUT_FILENO, "\033[1m"), stdout);
	for (size_t i = 0; i < count; i++)
		for (int j = 0; j <= last; j++) {
			bool is_long = (int)strlen(rows[i].cell[j]) > width[j];
			int shown =
			    printf("%.*s%s", is_long ? width[j] - 3 : width[j], rows[i].cell[j], is_long ? "..." : "");
			if (j < last) printf("%*s", width[j] - shown + 2, "");
			else printf("%s\n", i == 0 ? quote_colour(STDOUT_FILENO, "\033[0m") : "");
		}
}

/* Prints the services as a table, a line each, where superd.conf's own syntax would be too much to look over. */
void terminal_print_services(const struct config *config) {
	struct row *rows = mem_alloc(config->loading, (config->count + 1) * sizeof *rows);
	rows[0] = (struct row){{"SERVICE", "ADDRESS", "SOCKET", "USER", "INSTANCES", "CLIENTS", "PROGRAM"}};
	for (size_t i = 0; i < config->count; i++) rows[i + 1] = make_row(config->loading, config->services[i]);
	print_rows(rows, config->count + 1, 32, sys_terminal_width(STDOUT_FILENO));
}

/* Prints the table of attributes, aligned, and with a head. What an attribute means is never cut. */
void terminal_print_attributes(struct arena *arena) {
	char *text = NULL, *line, *cell, *rest_of_line, *rest;
	size_t size = 0, count = 1;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL) return;
	attr_print_table(stream);
	fclose(stream);
	struct row *rows = mem_alloc(arena, (size / 8) * sizeof *rows); /* no line has fewer than 8 bytes */
	rows[0] = (struct row){{"ATTRIBUTE", "OPERATORS", "VALUES", "IN", "DEFAULT", "MEANING"}};
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest), count++)
		for (int column = 0; rows[0].cell[column] != NULL; column++) {
			cell = strtok_r(column == 0 ? line : NULL, "\t", &rest_of_line);
			rows[count].cell[column] = cell != NULL ? cell : "";
		}
	print_rows(rows, count, 20, INT_MAX);
	free(text);
}

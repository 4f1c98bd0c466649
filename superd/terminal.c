/* SPDX-License-Identifier: ISC */
/*
 * terminal: the table of -t, where stdout is a terminal. Programs get the plain form.
 */
#include "superd.h"

enum { COLUMNS = 7 };

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

static const char *describe_clients(struct arena *arena, const struct service *service) {
	const struct address_list *in = &service->only_from, *out = &service->no_access;
	const char *clients = !in->set ? "anyone" : in->count == 0 ? "nobody" : "";
	if (in->count > 0) clients = describe(arena, in->rules[0].word, in->words);
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
	fputs(quote_colour(STDOUT_FILENO, "\033[1m"), stdout);
	for (size_t i = 0; i <= config->count; i++) {
		for (int j = 0; j < COLUMNS - 1; j++) printf("%-*s  ", width[j], rows[i].cell[j]);
		printf("%s%s\n", rows[i].cell[COLUMNS - 1], i == 0 ? quote_colour(STDOUT_FILENO, "\033[0m") : "");
	}
}

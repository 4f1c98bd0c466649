/* SPDX-License-Identifier: ISC */
/*
 * config: from the blocks of a configuration to its services. `defaults` and the -o options are applied once, to a service
 * that all others are copies of at first. An error disables only its service, and every error is logged.
 */
#include "config.h"

#include <setjmp.h>
#include <strings.h>

enum { LISTENER_SIZE = 2048 }; /* about what a service needs when it is served */

/* Applies the assignments of a block. Returns whether there is no error. All are logged; of the command line, the first. */
static bool apply(const struct block *block, struct service *service) {
	bool is_good = !block->is_broken;
	for (struct assignment *assignment = block->assignments; assignment != NULL; assignment = assignment->next)
		if (is_good || !service->from_command_line) is_good &= attr_apply(service, assignment) == 0;
	return is_good;
}

/* The value, of one word, of the block's first assignment to an attribute, or else `word`. */
static const char *find_word(const struct block *block, const char *name, const char *word) {
	const struct attr *attr = attr_find(name);
	const struct assignment *assignment = block->assignments;
	while (assignment != NULL && assignment->attr != attr) assignment = assignment->next;
	return assignment != NULL && assignment->words.count == 1 ? assignment->words.word[0] : word;
}

/* Whether the service is switched off: it is not read, so errors in it do not matter. */
static bool is_switched_off(const struct config *config, const struct block *block) {
	const char *id = find_word(block, "id", block->name);
	return strcasecmp(find_word(block, "disable", "no"), "yes") == 0 ||
	       (config->common->enabled.set && !attr_has_word(config->common, "enabled", id)) ||
	       attr_has_word(config->common, "disabled", id);
}

/* What superd does not do, by design. A service that asks for it is left out, whatever else is wrong with it. */
static const struct {
	const char *name, *word, *service, *text; /* service: only for one of that name */
} unsupported[] = {
    {"type", "RPC", NULL, "type = RPC: superd does not speak to a portmapper"},
    {"type", "TCPMUX", NULL, "type = TCPMUX: superd does not multiplex services on one port"},
    {"type", "TCPMUXPLUS", NULL, "type = TCPMUX: superd does not multiplex services on one port"},
    {"type", "INTERNAL", "tcpmux", "superd does not multiplex services on one port"},
    {"type", "INTERNAL", "servers", "superd tells strangers nothing of its services"},
    {"type", "INTERNAL", "services", "superd tells strangers nothing of its services"},
    {"type", "INTERNAL", "xadmin", "superd tells strangers nothing of its services"},
    {"flags", "IDONLY", NULL, "flags = IDONLY: superd asks no ident server (RFC 1413), whose answer proves nothing"},
    {"flags", "INTERCEPT", NULL, "flags = INTERCEPT: superd does not read what clients send"},
    {"flags", "LABELED", NULL, "flags = LABELED: superd does not change SELinux contexts"},
};

/* Why the assignment has the service left out, or NULL. */
static const char *find_unsupported(const struct block *block, const struct assignment *assignment) {
	for (size_t i = 0; i < LENGTH(unsupported); i++) {
		bool is_meant = unsupported[i].service == NULL || strcasecmp(unsupported[i].service, block->name) == 0;
		if (!is_meant || strcasecmp(unsupported[i].name, assignment->name) != 0) continue;
		for (size_t j = 0; j < assignment->words.count; j++)
			if (strcasecmp(assignment->words.word[j], unsupported[i].word) == 0) return unsupported[i].text;
	}
	return NULL;
}

/* Whether superd leaves the service out by design, which is logged; on the command line it is an error. */
static bool is_left_out(struct config *config, const struct block *block) {
	const struct attr *type = attr_find("type"), *flags = attr_find("flags");
	const char *id = find_word(block, "id", block->name), *text = NULL;
	const struct assignment *by = block->assignments;
	for (; by != NULL; by = by->next)
		if ((by->attr == type || by->attr == flags) && (text = find_unsupported(block, by)) != NULL) break;
	if (text == NULL) return false;
	bool is_option = by->location.line == 0;
	log_write(is_option ? LEVEL_ERROR : LEVEL_WARNING, &by->location, "%s is left out: %s", id, text);
	config->errors += is_option;
	return true;
}

/* Notes the addresses of a service. Returns 0, or -1 if an earlier service has one of them, which is logged. */
static int register_addresses(struct config *config, const struct service *service) {
	const void ***slots = mem_alloc(config->loading, (service->address_count + 1) * sizeof *slots);
	for (size_t i = 0; i < service->address_count; i++) {
		char text[ADDR_TEXT];
		const struct endpoint *address = &service->addresses[i];
		const char *key = mem_print(config->loading, "%ld %d %d %s", service->socket_type,
		    service->protocol_number, address->at.any.sa_family, addr_format(address, text));
		slots[i] = lookup_slot(config, &config->services, key);
		const struct service *other = *slots[i];
		if (other == NULL) continue;
		log_error_at(&service->location, "%.40s has the address and port of %.40s at %.60s:%d", service->id,
		    other->id, other->location.file, other->location.line);
		return -1;
	}
	for (size_t i = 0; i < service->address_count; i++)
		if (service->port != 0 || service->addresses[i].at.any.sa_family == AF_UNIX) *slots[i] = service;
	return 0;
}

/* Makes a service of a block. One in error is noted, so that a reload keeps its running configuration. */
static void read_block(struct config *config, const struct block *block) {
	block_step(config);
	struct service *service = service_new(config->common, block->name, &block->location);
	service->block = block;
	bool is_good = apply(block, service) && !config->defaults_broken;
	is_good = is_good && service_resolve(service) == 0 && register_addresses(config, service) == 0;
	if (service->id == NULL) service->id = service->name;
	const void **last = lookup_slot(config, &config->failed, service->id);
	service->nth = *last != NULL ? ((const struct service *)*last)->nth + 1 : 0;
	*last = service;
	struct service ***list = is_good ? &config->services : &config->failed;
	size_t *count = is_good ? &config->count : &config->failed_count;
	*list = mem_grow(config->loading, *list, *count, sizeof(void *));
	(*list)[(*count)++] = service;
	config->errors += !is_good;
	config->unfinished = NULL;
}

/* Warns of the ids in enabled or disabled that no service has. */
static void check_ids(struct config *config, const char *name, const struct words *ids) {
	static const char table;
	if (ids->count == 0) return;
	for (const struct block *block = config->defaults->next; block != NULL; block = block->next)
		*lookup_slot(config, &table, find_word(block, "id", block->name)) = block;
	for (size_t i = 0; i < ids->count; i++)
		if (*lookup_slot(config, &table, ids->word[i]) == NULL)
			log_warning_at(
			    attr_location(config->common, name), "%s: there is no service '%s'", name, ids->word[i]);
}

static void read_all(const struct options *options, struct config *config) {
	static const struct location none = {"defaults", 0};
	config->loading = mem_arena_new();
	config->common = service_new(NULL, none.file, &none);
	config->common->config = config;
	block_add(config, none.file, &(struct location){NULL, 0});
	if (options->program != NULL) command_read(config);
	for (size_t i = 0; i < options->paths.count; i++) parse_path(config, options->paths.word[i]);
	for (size_t i = 0; i < options->assignments.count && options->program == NULL; i++)
		parse_option(config, config->defaults, options->assignments.word[i]);
	if (config->has_unread && config->defaults->location.file == NULL) {
		log_error("defaults may be in what cannot be read");
		config->defaults->is_broken = true;
	}
	config->defaults_broken = !apply(config->defaults, config->common);
	config->errors += config->defaults_broken;
	check_ids(config, "enabled", &config->common->enabled);
	check_ids(config, "disabled", &config->common->disabled);
	for (const struct block *block = config->defaults->next; block != NULL; block = block->next)
		if (is_switched_off(config, block)) config->disabled++;
		else if (is_left_out(config, block)) config->left_out++;
		else read_block(config, block);
}

/* Frees the configuration, and those of its services that are still in its list. */
void config_free(struct config *config) {
	for (size_t i = 0; i < config->count; i++) service_release(config->services[i]);
	for (size_t i = 0; i < config->failed_count; i++) service_release(config->failed[i]);
	service_release(config->unfinished);
	service_release(config->common);
	if (config->file != NULL) fclose(config->file);
	hash_free(&config->slots);
	mem_arena_free(config->loading);
	sys_trim_memory();
}

static jmp_buf no_memory;

static void end_reading(void) { longjmp(no_memory, 1); }

/*
 * Reads what the options name into `config`. All errors are logged, and counted in it. Where memory runs out, for the
 * reading or for the listeners of so many services, that is one of them, and there are no services. `meanwhile`, which may be
 * NULL, is called again and again for what must not wait so long.
 */
void config_load(const struct options *options, struct config *config, void (*meanwhile)(void)) {
	void (*const exhausted)(void) = mem_exhausted;
	*config = (struct config){.options = options, .last = &config->defaults, .meanwhile = meanwhile};
	mem_exhausted = end_reading;
	if (setjmp(no_memory) == 0) {
		read_all(options, config);
		free(mem_new(config->count * LISTENER_SIZE + 1));
	} else {
		config_free(config);
		*config = (struct config){.options = options, .errors = 1, .broken = true};
		log_error("out of memory while the configuration is read");
	}
	mem_exhausted = exhausted;
}

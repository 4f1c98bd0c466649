/*
 * config: from the blocks of a configuration to its services. `defaults` and the -o options are applied first, then the
 * block's assignments. An error disables only its service, and every error is logged.
 */
#include "config.h"

#include <strings.h>

#define fail(config, location, ...) (log_error_at(location, __VA_ARGS__), (config)->errors++)

static const struct assignment *find_first(const struct block *block, const char *name) {
	const struct assignment *assignment = block->assignments;
	while (assignment != NULL && !attr_is_same(assignment->name, name)) assignment = assignment->next;
	return assignment;
}

/* Whether an earlier assignment to the same attribute is used. One of the command line (-o) replaces it. */
static bool is_repeated(const struct block *block, const struct assignment *assignment) {
	const struct assignment *first = find_first(block, assignment->name);
	if (first == NULL || first == assignment || attr_is_set(assignment->name) || assignment->location.line == 0)
		return false;
	log_warning_at(
	    &assignment->location, "%s: already set at line %d, which is used", assignment->name, first->location.line);
	return true;
}

/* Applies a block. Its errors are logged if `logs_errors`: those of `defaults` once, not once a service. */
static bool apply(struct config *config, const struct block *block, struct service *service, bool logs_errors) {
	struct error error;
	bool is_good = true;
	log_mute_warnings(!logs_errors);
	for (const struct assignment *assignment = block->assignments; assignment != NULL;
	     assignment = assignment->next)
		if (!is_repeated(block, assignment) &&
		    attr_apply(service, assignment, block == config->defaults, &error) < 0) {
			is_good = false;
			if (logs_errors) fail(config, &assignment->location, "%s", error.text);
		}
	log_mute_warnings(false);
	return is_good;
}

/* Adds the -o options to the end of `defaults`, which are made if there are none. */
static void append_options(struct config *config) {
	const struct words *words = &config->options->assignments;
	struct arena *arena = config->loading;
	struct error error;
	if (config->defaults == NULL) {
		config->defaults = mem_alloc(arena, sizeof *config->defaults);
		config->defaults->last = &config->defaults->assignments;
	}
	for (size_t i = 0; i < words->count; i++) {
		struct assignment *assignment = mem_alloc(arena, sizeof *assignment);
		if (command_read_assignment(arena, words->word[i], assignment, &error) < 0) {
			fail(config, &assignment->location, "%s", error.text);
			config->defaults_broken = true;
			continue;
		}
		*config->defaults->last = assignment;
		config->defaults->last = &assignment->next;
	}
}

/* The one `defaults` block, wherever it stands. */
static void find_defaults(struct config *config) {
	for (struct block *block = config->blocks; block != NULL; block = block->next) {
		if (!block->is_defaults) continue;
		config->defaults_broken |= block->broken || config->defaults != NULL;
		if (config->defaults != NULL)
			fail(config, &block->location, "defaults stand already at %s:%d",
			    config->defaults->location.file, config->defaults->location.line);
		else
			config->defaults = block;
	}
	append_options(config);
	config->common = service_new("defaults", &(struct location){"defaults", 0});
	if (!apply(config, config->defaults, config->common, true)) config->defaults_broken = true;
}

/* Whether the service is switched off: it is not read, so errors in it do not matter. */
static bool is_switched_off(const struct config *config, const struct block *block) {
	const struct assignment *disable = find_first(block, "disable"), *id = find_first(block, "id");
	const char *name = id != NULL && id->words.count > 0 ? id->words.word[0] : block->name;
	if (disable != NULL && disable->words.count == 1 && strcasecmp(disable->words.word[0], "yes") == 0) return true;
	if (config->common->enabled.set && !words_contain(&config->common->enabled, name)) return true;
	return words_contain(&config->common->disabled, name);
}

/* Notes that a service has errors, so that a reload keeps its running configuration. */
static void leave_out(struct config *config, struct service *service) {
	const char *id = service->id != NULL ? service->id : service->name;
	words_add(config->loading, &config->failed, mem_copy(config->loading, id));
	service_release(service);
}

static bool shares_address(const struct service *a, const struct service *b) {
	if (a->socket_type != b->socket_type || a->protocol_number != b->protocol_number) return false;
	for (size_t i = 0; i < a->address_count; i++)
		for (size_t j = 0; j < b->address_count; j++)
			if (addr_equal(&a->addresses[i], &b->addresses[j]) &&
			    (a->port != 0 || a->addresses[i].at.any.sa_family == AF_UNIX))
				return true;
	return false;
}

/* Whether an earlier service has the address. */
static bool is_duplicate(struct config *config, const struct service *service) {
	for (size_t i = 0; i < config->count; i++) {
		const struct service *other = config->services[i];
		if (!shares_address(service, other)) continue;
		fail(config, &service->location, "%.40s has the address and port of %.40s at %.60s:%d", service->id,
		    other->id, other->location.file, other->location.line);
		return true;
	}
	return false;
}

static void add_service(struct config *config, struct service *service) {
	config->services = mem_grow(config->loading, (void *)config->services, config->count, sizeof(void *));
	config->services[config->count++] = service;
}

static void read_block(struct config *config, const struct block *block) {
	struct error error;
	struct service *service = service_new(block->name, &block->location);
	bool is_good = apply(config, config->defaults, service, false);
	is_good &= apply(config, block, service, true) && !block->broken;
	int resolved = is_good ? service_resolve(service, config->options->check, &error) : -1;
	if (resolved == SERVICE_LEFT_OUT) {
		log_warning_at(&error.location, "%s is left out: %s", service->id, error.text);
		service_release(service);
		return;
	}
	if (is_good && resolved < 0) fail(config, &error.location, "%s", error.text);
	if (resolved == 0 && !is_duplicate(config, service))
		add_service(config, service);
	else
		leave_out(config, service);
}

static void load_files(struct config *config) {
	for (size_t i = 0; i < config->options->paths.count; i++) parse_path(config, config->options->paths.word[i]);
	find_defaults(config);
	for (const struct block *block = config->blocks; block != NULL; block = block->next)
		if (!block->is_defaults && !is_switched_off(config, block)) read_block(config, block);
	service_release(config->common);
}

static void load_command(struct config *config) {
	struct error error;
	struct service *service = command_service(config->options, &error);
	if (service != NULL)
		add_service(config, service);
	else
		fail(config, NULL, "%s", error.text);
}

/* Reads what the options name into `config`. All errors are logged, and counted in it. */
void config_load(const struct options *options, struct config *config) {
	*config = (struct config){.options = options, .loading = mem_arena_new(), .last = &config->blocks};
	if (options->program != NULL)
		load_command(config);
	else
		load_files(config);
}

/* Frees the configuration, and those of its services that are still in its list. */
void config_free(struct config *config) {
	for (size_t i = 0; i < config->count; i++)
		if (config->services[i] != NULL) service_release(config->services[i]);
	mem_arena_free(config->loading);
}

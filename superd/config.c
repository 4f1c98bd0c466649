/*
 * config: from the blocks of a configuration to its services. `defaults` and the -o options first, then the block's own
 * assignments. One error keeps the one service from running, and every error is said.
 */
#include "superd.h"

#include <strings.h>

#define fail(config, place, ...) (log_error_at(place, __VA_ARGS__), (config)->errors++)

static const struct entry *find_first(const struct block *block, const char *name) {
	const struct entry *entry = block->entries;
	while (entry != NULL && !attr_is_same(entry->name, name)) entry = entry->next;
	return entry;
}

/* Of a scalar that is assigned twice, the first assignment holds, but for what the command line says with -o. */
static bool is_repeated(const struct block *block, const struct entry *entry) {
	const struct entry *first = find_first(block, entry->name);
	if (first == NULL || first == entry || attr_is_set(entry->name) || entry->place.line == 0) return false;
	log_warning_at(&entry->place, "%s: already set at line %d, which is used", entry->name, first->place.line);
	return true;
}

/* Applies a block. What is wrong with it is said where `say` is set: of `defaults` once, not once a service. */
static bool apply(struct config *config, const struct block *block, struct service *service, bool say) {
	struct reason why;
	bool is_good = true;
	log_mute_warnings(!say);
	for (const struct entry *entry = block->entries; entry != NULL; entry = entry->next)
		if (!is_repeated(block, entry) && attr_apply(service, entry, block == config->defaults, &why) < 0) {
			is_good = false;
			if (say) fail(config, &entry->place, "%s", why.text);
		}
	log_mute_warnings(false);
	return is_good;
}

/* Puts the -o options at the end of `defaults`, which are made where there are none. */
static void append_options(struct config *config) {
	const struct words *words = &config->options->assignments;
	struct arena *arena = config->loading;
	struct reason why;
	if (config->defaults == NULL) {
		config->defaults = mem_alloc(arena, sizeof *config->defaults);
		config->defaults->last = &config->defaults->entries;
	}
	for (size_t i = 0; i < words->count; i++) {
		struct entry *entry = mem_alloc(arena, sizeof *entry);
		if (command_read_assignment(arena, words->word[i], entry, &why) < 0) {
			fail(config, &entry->place, "%s", why.text);
			config->defaults_broken = true;
			continue;
		}
		*config->defaults->last = entry;
		config->defaults->last = &entry->next;
	}
}

/* The one `defaults` block, wherever it stands. */
static void find_defaults(struct config *config) {
	for (struct block *block = config->blocks; block != NULL; block = block->next) {
		if (!block->is_defaults) continue;
		config->defaults_broken |= block->broken || config->defaults != NULL;
		if (config->defaults != NULL)
			fail(config, &block->place, "defaults stand already at %s:%d", config->defaults->place.file,
			    config->defaults->place.line);
		else
			config->defaults = block;
	}
	append_options(config);
	config->common = service_new("defaults", &(struct place){"defaults", 0});
	if (!apply(config, config->defaults, config->common, true)) config->defaults_broken = true;
}

/* A service that is switched off is not read at all, so what is wrong with it does not matter. */
static bool is_switched_off(const struct config *config, const struct block *block) {
	const struct entry *disable = find_first(block, "disable"), *id = find_first(block, "id");
	const char *name = id != NULL && id->words.count > 0 ? id->words.word[0] : block->name;
	if (disable != NULL && disable->words.count == 1 && strcasecmp(disable->words.word[0], "yes") == 0) return true;
	if (config->common->enabled.set && !words_contain(&config->common->enabled, name)) return true;
	return words_contain(&config->common->disabled, name);
}

/* Notes that a service is in error, so that at a reload its former self goes on. */
static void leave_out(struct config *config, struct service *service) {
	const char *id = service->id != NULL ? service->id : service->name;
	words_add(config->loading, &config->failed, mem_copy(config->loading, id));
	service_free(service);
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
		fail(config, &service->place, "%.40s has the address and port of %.40s at %.60s:%d", service->id,
		    other->id, other->place.file, other->place.line);
		return true;
	}
	return false;
}

static void add_service(struct config *config, struct service *service) {
	config->services = mem_grow(config->loading, (void *)config->services, config->count, sizeof(void *));
	config->services[config->count++] = service;
}

static void read_block(struct config *config, const struct block *block) {
	struct reason why;
	struct service *service = service_new(block->name, &block->place);
	bool is_good = apply(config, config->defaults, service, false);
	is_good &= apply(config, block, service, true) && !block->broken;
	int resolved = is_good ? service_resolve(service, config->options->check, &why) : -1;
	if (resolved == SERVICE_LEFT_OUT) {
		log_warning_at(&why.place, "%s is left out: %s", service->id, why.text);
		service_free(service);
		return;
	}
	if (is_good && resolved < 0) fail(config, &why.place, "%s", why.text);
	if (resolved == 0 && !is_duplicate(config, service))
		add_service(config, service);
	else
		leave_out(config, service);
}

static void load_files(struct config *config) {
	for (size_t i = 0; i < config->options->paths.count; i++) lex_read_path(config, config->options->paths.word[i]);
	find_defaults(config);
	for (const struct block *block = config->blocks; block != NULL; block = block->next)
		if (!block->is_defaults && !is_switched_off(config, block)) read_block(config, block);
	service_free(config->common);
}

static void load_command(struct config *config) {
	struct reason why;
	struct service *service = command_service(config->options, &why);
	if (service != NULL)
		add_service(config, service);
	else
		fail(config, NULL, "%s", why.text);
}

/* Reads what the options name into `config`. All errors have been said, and are counted in it. */
void config_load(const struct options *options, struct config *config) {
	*config = (struct config){.options = options, .loading = mem_arena_new(), .last = &config->blocks};
	if (options->program != NULL)
		load_command(config);
	else
		load_files(config);
}

/* Frees the list, and those of its services that nobody has taken out of it. */
void config_free(struct config *config) {
	for (size_t i = 0; i < config->count; i++)
		if (config->services[i] != NULL) service_free(config->services[i]);
	mem_arena_free(config->loading);
}

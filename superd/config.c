/*
 * config: from the blocks of a configuration to its services. `defaults` and the -o options first, then the block's own
 * assignments. One error keeps the one service from running, and every error is said.
 */
#include "config.h"

#include <strings.h>

struct loader {
	const struct options *options;
	struct block *defaults;
	struct service *common; /* what defaults alone make: enabled and disabled */
	struct config *config;
};

#define fail(loader, place, ...) (log_error_at(place, __VA_ARGS__), (loader)->config->errors++)

static const struct entry *find_first(const struct block *block, const char *name) {
	const struct entry *entry = block->entries;
	while (entry != NULL && strcasecmp(entry->name, name) != 0) entry = entry->next;
	return entry;
}

/* Of a scalar that is assigned twice, the first assignment holds, but for what the command line says with -o. */
static bool is_repeated(const struct block *block, const struct entry *entry) {
	const struct entry *first = find_first(block, entry->name);
	if (first == entry || attr_is_set(entry->name) || entry->place.line == 0) return false;
	log_warning_at(&entry->place, "%s: set already at line %d, which holds", entry->name, first->place.line);
	return true;
}

/* Applies `defaults`. What is wrong with them is said where `say` is set: once, not once a service. */
static bool apply_defaults(struct loader *loader, struct service *service, bool say) {
	struct reason why;
	bool is_good = true;
	log_mute_warnings(!say);
	for (const struct entry *entry = loader->defaults->entries; entry != NULL; entry = entry->next)
		if (!is_repeated(loader->defaults, entry) && attr_apply(service, entry, true, &why) < 0) {
			is_good = false;
			if (say) fail(loader, &entry->place, "%s", why.text);
		}
	log_mute_warnings(false);
	return is_good;
}

/* Puts the -o options at the end of `defaults`, which are made where there are none. */
static void append_options(struct loader *loader) {
	const struct words *words = &loader->options->assignments;
	struct arena *arena = loader->config->loading;
	struct reason why;
	if (loader->defaults == NULL) {
		loader->defaults = mem_alloc(arena, sizeof *loader->defaults);
		loader->defaults->last = &loader->defaults->entries;
	}
	for (size_t i = 0; i < words->count; i++) {
		struct entry *entry = mem_alloc(arena, sizeof *entry);
		if (command_read_assignment(arena, words->word[i], entry, &why) < 0) {
			fail(loader, &entry->place, "%s", why.text);
			loader->config->defaults_broken = true;
			continue;
		}
		*loader->defaults->last = entry;
		loader->defaults->last = &entry->next;
	}
}

/* The one `defaults` block, wherever it stands. */
static void find_defaults(struct loader *loader) {
	for (struct block *block = loader->config->blocks; block != NULL; block = block->next) {
		if (!block->is_defaults) continue;
		loader->config->defaults_broken |= block->broken || loader->defaults != NULL;
		if (loader->defaults != NULL)
			fail(loader, &block->place, "defaults stand already at %s:%d", loader->defaults->place.file,
			    loader->defaults->place.line);
		else
			loader->defaults = block;
	}
	append_options(loader);
	loader->common = service_new("defaults", &(struct place){"defaults", 0});
	if (!apply_defaults(loader, loader->common, true)) loader->config->defaults_broken = true;
}

/* A service that is switched off is not read at all, so what is wrong with it does not matter. */
static bool is_switched_off(const struct loader *loader, const struct block *block) {
	const struct entry *disable = find_first(block, "disable"), *id = find_first(block, "id");
	const char *name = id != NULL && id->count > 0 ? id->word[0] : block->name;
	if (disable != NULL && disable->count == 1 && strcasecmp(disable->word[0], "yes") == 0) return true;
	if (loader->common->enabled.set && !words_contain(&loader->common->enabled, name)) return true;
	return words_contain(&loader->common->disabled, name);
}

/* Notes that a service is in error, so that at a reload its former self goes on. */
static void leave_out(struct loader *loader, struct service *service) {
	const char *id = service->id != NULL ? service->id : service->name;
	words_add(loader->config->loading, &loader->config->failed, mem_copy(loader->config->loading, id));
	service_free(service);
}

static struct service *read_block(struct loader *loader, const struct block *block) {
	struct reason why;
	struct service *service = service_new(block->name, &block->place);
	bool is_good = apply_defaults(loader, service, false) && !block->broken;
	for (const struct entry *entry = block->entries; entry != NULL; entry = entry->next)
		if (!is_repeated(block, entry) && attr_apply(service, entry, false, &why) < 0) {
			fail(loader, &entry->place, "%s", why.text);
			is_good = false;
		}
	int resolved = is_good ? service_resolve(service, loader->options->check, &why) : -1;
	if (resolved == 0) return service;
	if (resolved == SERVICE_LEFT_OUT) {
		log_warning_at(&why.place, "%s is left out: %s", service->id, why.text);
		service_free(service);
		return NULL;
	}
	if (is_good) fail(loader, &why.place, "%s", why.text);
	leave_out(loader, service);
	return NULL;
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
static bool is_duplicate(struct loader *loader, const struct service *service) {
	for (size_t i = 0; i < loader->config->count; i++) {
		const struct service *other = loader->config->services[i];
		if (!shares_address(service, other)) continue;
		fail(loader, &service->place, "%.40s has the address and port of %.40s at %.60s:%d", service->id,
		    other->id, other->place.file, other->place.line);
		return true;
	}
	return false;
}

static void add_service(struct config *config, struct service *service) {
	config->services = mem_grow(config->loading, (void *)config->services, config->count, sizeof(void *));
	config->services[config->count++] = service;
}

static void load_files(struct loader *loader) {
	for (size_t i = 0; i < loader->options->paths.count; i++)
		lex_read_path(loader->config, loader->options->paths.word[i]);
	find_defaults(loader);
	for (const struct block *block = loader->config->blocks; block != NULL; block = block->next) {
		if (block->is_defaults || is_switched_off(loader, block)) continue;
		struct service *service = read_block(loader, block);
		if (service != NULL && is_duplicate(loader, service))
			leave_out(loader, service);
		else if (service != NULL)
			add_service(loader->config, service);
	}
	service_free(loader->common);
}

static void load_command(struct loader *loader) {
	struct reason why;
	struct service *service = command_service(loader->options, &why);
	if (service != NULL)
		add_service(loader->config, service);
	else
		fail(loader, NULL, "%s", why.text);
}

/* Reads what the options name into `config`. All errors have been said, and are counted in it. */
void config_load(const struct options *options, struct config *config) {
	struct loader loader = {.options = options, .config = config};
	*config = (struct config){.loading = mem_arena_new(), .last = &config->blocks};
	if (options->program != NULL)
		load_command(&loader);
	else
		load_files(&loader);
}

/* Frees the list, and those of its services that nobody has taken out of it. */
void config_free(struct config *config) {
	for (size_t i = 0; i < config->count; i++)
		if (config->services[i] != NULL) service_free(config->services[i]);
	mem_arena_free(config->loading);
}

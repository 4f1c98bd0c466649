/*
 * reload: from a configuration to listeners, at start and at HUP. At a reload, services that have not changed keep
 * everything, changed ones keep their sockets where the address is the same, and no child is touched.
 */
#include "superd.h"

/* How well a new service matches a listener with the same id; 0: the listener already has its service. */
static int match_score(const struct listener *listener, const struct service *service) {
	if (listener->in_new_config) return 0;
	if (listener->service->fingerprint == service->fingerprint) return 3;
	const struct service *previous = listener->service;
	bool has_place = previous->address_count > 0 && service->address_count > 0 &&
			 previous->socket_type == service->socket_type &&
			 addr_equal(&previous->addresses[0], &service->addresses[0]);
	return has_place ? 2 : 1;
}

/* The listener that gets the service: the best match of those with its id. NULL if there is none. */
static struct listener *find_best_match(const struct service *service) {
	struct listener *listener, *previous = NULL;
	int most = 0;
	for (size_t nth = 0; (listener = listener_find(service->id, nth)) != NULL; nth++)
		if (match_score(listener, service) > most) {
			most = match_score(listener, service);
			previous = listener;
		}
	return previous;
}

/* What a reload did, counted. */
struct changes {
	size_t opened, changed, removed, unchanged, failed;
};

/* Returns 0, and the service is the listener's, or -1 and an error. */
static int apply_service(struct service *service, struct changes *changes, struct error *error) {
	struct listener *listener = find_best_match(service);
	if (listener == NULL) {
		if (serve_service(service, error) < 0) return -1;
		changes->opened++;
		return 0;
	}
	listener->in_new_config = true;
	if (listener->service->fingerprint == service->fingerprint) {
		service_release(listener->service);
		listener->service = service;
		changes->unchanged++;
		return 0;
	}
	if (listener_update(listener, service, error) < 0) return -1;
	limits_forget(listener);
	for (struct child *child = child_next(NULL); child != NULL; child = child_next(child))
		if (child->listener == listener) limits_count(listener, child->source, +1);
	log_detail("%s has changed", service->id);
	changes->changed++;
	return 0;
}

/* In two rounds: a service may need an address that another one still has in the first round. */
static void apply_all(struct config *config, struct changes *changes) {
	struct error error;
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < config->count; i++) {
			struct service *service = config->services[i];
			if (service == NULL) continue;
			if (apply_service(service, changes, &error) == 0) {
				config->services[i] = NULL;
			} else if (round == 1) {
				log_error_at(&service->location, "%s: %s", service->id, error.text);
				changes->failed++;
			}
		}
}

/* With -v: which program each service runs, and as which user. */
static void describe_services(void) {
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next) {
		const struct service *service = listener->service;
		log_detail("%s runs %s as %s in %s", service->id,
		    service->is_internal ? "superd itself" : service->path,
		    service->user.set ? service->user.word : "superd's own user", service->directory);
	}
}

static void warn_of_root(const struct options *options) {
	const struct listener *listener = listener_first();
	if (options->program != NULL && geteuid() == 0 && !listener->service->user.set)
		log_warning("%s will run as root; -u USER changes that", listener->service->id);
}

static void warn_of_tcp_wrappers(void) {
	static const char *const paths[] = {"/etc/hosts.allow", "/etc/hosts.deny"};
	for (size_t i = 0; i < LENGTH(paths); i++) {
		FILE *file = fopen(paths[i], "r");
		char line[256];
		bool has_rules = false;
		while (file != NULL && fgets(line, sizeof line, file) != NULL)
			has_rules |= strchr("#", line[strspn(line, " \t\r\n")]) == NULL;
		if (file != NULL) fclose(file);
		if (has_rules)
			log_warning("%s has rules, which superd does not read; only_from and no_access "
				    "control access",
			    paths[i]);
	}
}

/* Whether the services could be opened in place of those of the superd that runs. */
static bool can_take_over(const struct config *config) {
	struct error error;
	if (config->count == 0 && config->errors == 0) log_error("there is no service to run");
	for (size_t i = 0; i < config->count; i++)
		for (size_t j = 0; j < config->services[i]->address_count; j++)
			if (socket_check(config->services[i], &config->services[i]->addresses[j], &error) < 0) {
				log_error_at(
				    &config->services[i]->location, "%s: %s", config->services[i]->id, error.text);
				return false;
			}
	return config->count > 0;
}

/* Reads the configuration and prints it as it would run (-t). Returns the exit status. */
int reload_check(const struct options *options) {
	struct config config;
	config_load(options, &config);
	bool is_table = isatty(STDOUT_FILENO) == 1 && config.count > 0;
	if (is_table) terminal_print_services(&config);
	for (size_t i = 0; i < config.count && !is_table; i++) attr_print_service(config.services[i], stdout);
	bool is_good = config.errors == 0 && fflush(stdout) == 0;
	if (upgrade_is_successor()) is_good &= can_take_over(&config);
	config_free(&config);
	return is_good ? 0 : 1;
}

/* A socket that a supervisor passed and no service uses is a mistake. Returns how many there are, which is logged. */
static int count_unused(void) {
	char text[ADDR_TEXT];
	const struct inherited_socket *passed;
	int count = 0;
	for (size_t i = 0; (passed = inherited_passed(i, NULL)) != NULL; i++) {
		if (passed->is_used) continue;
		log_error("LISTEN_FDS: descriptor %d (%s, %s) belongs to no service", passed->fd,
		    addr_format(&passed->configured, text), passed->name);
		count++;
	}
	return count;
}

/* Reads the configuration and begins to serve. Returns 0, or -1 if superd cannot run; the reason is logged. */
int reload_start(const struct options *options) {
	struct config config;
	struct changes changes = {0};
	config_load(options, &config);
	if (!config.defaults_broken) {
		apply_all(&config, &changes);
		if (listener_first() == NULL && options->program == NULL) log_error("there is no service to run");
	}
	config_free(&config);
	if (listener_first() == NULL || (!upgrade_is_successor() && count_unused() > 0)) return -1;
	describe_services();
	warn_of_root(options);
	if (options->program == NULL) warn_of_tcp_wrappers();
	return 0;
}

/* How many services of the configuration, running or in error, have that id. */
static size_t count_id(const struct config *config, const char *id) {
	size_t count = 0;
	for (size_t i = 0; i < config->count; i++) count += strcmp(config->services[i]->id, id) == 0;
	for (size_t i = 0; i < config->failed.count; i++) count += strcmp(config->failed.word[i], id) == 0;
	return count;
}

/* Retires the listeners of services that are not configured any more: of several with one id, the last ones. */
static void retire_removed(const struct config *config, struct changes *changes) {
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next) {
		listener->in_new_config = false;
		if (listener->retired || listener->nth < count_id(config, listener->service->id)) continue;
		log_notice("%s has been removed", listener->service->id);
		changes->removed++;
		listener_retire(listener);
	}
}

/* Reads the configuration again. */
void reload_again(const struct options *options) {
	struct config config;
	struct changes changes = {0};
	if (options->program != NULL) {
		log_notice("there is no configuration to read again");
		return;
	}
	config_load(options, &config);
	if (config.broken || config.defaults_broken) {
		log_error("the configuration has errors; nothing was changed");
	} else {
		for (size_t i = 0; i < config.failed.count; i++)
			if (listener_find(config.failed.word[i], 0) != NULL)
				log_warning("%s has errors; the running configuration is kept", config.failed.word[i]);
		changes.failed = config.failed.count;
		listener_inherit_all();
		retire_removed(&config, &changes);
		apply_all(&config, &changes);
		inherited_drop(SOCKET_OWN);
		log_notice("reloaded: %zu new, %zu changed, %zu removed, %zu unchanged, %zu with errors",
		    changes.opened, changes.changed, changes.removed, changes.unchanged, changes.failed);
	}
	config_free(&config);
	listener_free_retired();
}

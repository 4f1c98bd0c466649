/* SPDX-License-Identifier: ISC */
/*
 * reload: from a configuration to listeners, at start and at HUP. At a reload, services that have not changed keep
 * everything, changed ones keep their sockets where the address is the same, and no child is touched.
 */
#include "superd.h"

enum { FITTING_SCORE = 3, BEST_SCORE };

static const char nothing_runs[] = "nothing runs, because of the error in defaults";

/* How well a new service matches a listener with the same id; 0: the listener already has its service. */
static int match_score(const struct listener *listener, const struct service *service) {
	if (listener->change != CHANGE_UNDECIDED) return 0;
	if (listener->service->fingerprint == service->fingerprint) return BEST_SCORE;
	for (const struct listening_socket *socket = listener->sockets; socket != NULL; socket = socket->next)
		if (socket_fits(socket, service, &service->addresses[0])) return FITTING_SCORE;
	return listener->nth == service->nth ? 2 : 1;
}

/* The listener that gets the service: the best match, of `least` or more, of those with its id. NULL if there is none. */
static struct listener *find_best_match(const struct service *service, int least) {
	struct listener *listener, *best = NULL;
	int most = least - 1;
	for (size_t nth = 0; most < BEST_SCORE && (listener = listener_find(service->id, nth)) != NULL; nth++) {
		int score = match_score(listener, service);
		if (score <= most) continue;
		most = score;
		best = listener;
	}
	return best;
}

/* A service that is newly in error keeps its running configuration: that of its number, if it is not taken, or another's. */
static void keep_failed(const struct config *config) {
	for (size_t i = 0; i < config->failed_count; i++) {
		const struct service *failed = config->failed[i];
		struct listener *listener = listener_find(failed->id, failed->nth);
		if (listener == NULL || listener->change != CHANGE_UNDECIDED)
			for (size_t nth = 0; (listener = listener_find(failed->id, nth)) != NULL; nth++)
				if (listener->change == CHANGE_UNDECIDED) break;
		if (listener == NULL || !listener->has_service) continue;
		log_warning("%s has errors; the running configuration is kept", failed->id);
		listener->change = CHANGE_KEPT;
	}
}

/* Gives the service to a listener, whose it is from now on. */
static void give(struct listener *listener, struct service *service) {
	bool is_same = listener->has_service && listener->service->fingerprint == service->fingerprint;
	listener->change = is_same ? CHANGE_NONE : listener->has_service ? CHANGE_SERVICE : CHANGE_NEW;
	if (!is_same) {
		listener->next_service = service;
		return;
	}
	service_release(listener->service);
	listener->service = service;
}

/* Gives those services that have none yet a listener with their id that matches so well. */
static void give_matching(struct config *config, int least) {
	for (size_t i = 0; i < config->count; i++) {
		struct listener *listener =
		    config->services[i] != NULL ? find_best_match(config->services[i], least) : NULL;
		if (listener == NULL) continue;
		give(listener, config->services[i]);
		config->services[i] = NULL;
	}
}

/*
 * Decides which listener gets which service of the configuration: first one that has the same or listens there; then, if `keeps`,
 * those in error keep theirs; then any with the id, or a new one.
 */
static void match_services(struct config *config, bool keeps) {
	if (listener_first() != NULL) {
		give_matching(config, FITTING_SCORE);
		if (keeps) keep_failed(config);
		give_matching(config, 1);
	}
	for (size_t i = 0; i < config->count; i++) {
		if (config->services[i] != NULL) give(listener_new(config->services[i]), config->services[i]);
		config->services[i] = NULL;
	}
}

/* Retires the listeners of services that are not configured any more. Returns how many there were. */
static size_t retire_removed(void) {
	size_t removed = 0;
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next) {
		if (listener->retired || listener->change != CHANGE_UNDECIDED) continue;
		if (listener->has_service) log_notice("%s has been removed", listener->service->id);
		removed++;
		listener_retire(listener);
	}
	return removed;
}

/* After the sockets have been opened: counts what has changed, and drops the services that could not be opened. */
static void finish(size_t changes[CHANGES]) {
	for (const struct child *child = child_next(NULL); child != NULL; child = child_next(child))
		if (child->listener != NULL && child->listener->change == CHANGE_SERVICE)
			limits_count(child->listener, child->source, +1);
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next) {
		changes[listener->change]++;
		if (listener->change == CHANGE_SERVICE) log_detail("%s has changed", listener->service->id);
		service_release(listener->next_service);
		if (!listener->retired && !listener->has_service) listener_retire(listener);
		listener->next_service = NULL;
		listener->change = CHANGE_UNDECIDED;
	}
	listener_free_retired();
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

/* What the configuration has come to, in one line. A command line names one service, which needs none. */
static void log_summary(const struct config *config, size_t services, size_t addresses, size_t errors) {
	if (config->options->program != NULL || upgrade_is_successor()) return;
	log_notice("%s%zu service%s at %zu address%s; %zu with errors, %zu left out, %zu disabled",
	    config->options->check ? "superd: " : "", services, services == 1 ? "" : "s", addresses,
	    addresses == 1 ? "" : "es", errors, config->left_out, config->disabled);
}

/* Whether the services could be opened in place of those of the superd that runs. */
static bool can_take_over(struct config *config) {
	if (config->count == 0 && config->errors == 0) log_error("there is no service to run");
	match_services(config, false);
	retire_removed();
	return config->count > 0 && listener_check_all();
}

/* Reads the configuration and prints it as it would run (-t). Returns the exit status. */
int reload_check(const struct options *options) {
	struct config config;
	config_load(options, &config, NULL);
	bool is_good = config.errors == 0;
	if (config.defaults_broken) log_error("%s", nothing_runs);
	if (options->client != NULL) is_good &= explain_services(&config, *options->client);
	else if (isatty(STDOUT_FILENO) == 1 && config.count > 0) terminal_print_services(&config);
	else
		for (size_t i = 0; i < config.count; i++) attr_print_service(config.services[i], stdout);
	is_good &= fflush(stdout) == 0;
	size_t addresses = 0;
	for (size_t i = 0; i < config.count; i++) addresses += config.services[i]->address_count;
	log_summary(&config, config.count, addresses, config.failed_count);
	if (upgrade_is_successor()) is_good &= can_take_over(&config);
	config_free(&config);
	return is_good ? 0 : 1;
}

/* A socket that a supervisor passed and no service uses is a mistake. Returns how many there are, which is logged. */
static int count_unused(void) {
	char text[ADDR_TEXT];
	const struct inherited_socket *passed;
	int count = 0;
	for (size_t i = 0; (passed = inherited_find(i, NULL)) != NULL; i++) {
		if (passed->is_used) continue;
		log_error("LISTEN_FDS: descriptor %d (%s, %s) belongs to no service", passed->fd,
		    addr_format(&passed->address, text), passed->name);
		count++;
	}
	return count;
}

/*
 * Reads the configuration and begins to serve; `meanwhile` (or NULL) is called again and again while it is read. Returns 0, or
 * -1 if superd cannot run; the reason is logged.
 */
int reload_start(const struct options *options, void (*meanwhile)(void)) {
	struct config config;
	size_t changes[CHANGES] = {0};
	config_load(options, &config, meanwhile);
	if (!config.defaults_broken) match_services(&config, false);
	retire_removed();
	serve_open_all();
	finish(changes);
	if (listener_first() == NULL && options->program == NULL)
		log_error("%s", config.defaults_broken ? nothing_runs : "there is no service to run");
	size_t addresses = 0;
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		for (const struct listening_socket *socket = listener->sockets; socket != NULL; socket = socket->next)
			addresses += socket->watch.fd >= 0;
	log_summary(&config, listener_count(), addresses, config.failed_count + changes[CHANGE_FAILED]);
	config_free(&config);
	if (listener_first() == NULL || (!upgrade_is_successor() && count_unused() > 0)) return -1;
	describe_services();
	warn_of_root(options);
	if (options->program == NULL) warn_of_tcp_wrappers();
	return 0;
}

/* Reads the configuration again; `meanwhile` is called again and again, so that clients and signals need not wait. */
void reload_again(const struct options *options, void (*meanwhile)(void)) {
	struct config config;
	size_t changes[CHANGES] = {0};
	config_load(options, &config, meanwhile);
	if (serve_is_stopping()) {
		log_notice("superd stops; the configuration is not used");
	} else if (config.broken || config.defaults_broken) {
		log_error("the configuration has errors; nothing was changed");
	} else {
		match_services(&config, true);
		size_t removed = retire_removed();
		serve_open_all();
		finish(changes);
		log_notice("reloaded: %zu new, %zu changed, %zu removed, %zu unchanged, %zu with errors",
		    changes[CHANGE_NEW], changes[CHANGE_SERVICE], removed, changes[CHANGE_NONE],
		    config.failed_count + changes[CHANGE_FAILED]);
	}
	config_free(&config);
}

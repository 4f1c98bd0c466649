/*
 * reload: from a configuration to listeners, at start and at HUP. At a reload, services that have not changed keep
 * everything, changed ones keep their sockets where the address is the same, and no child is touched.
 */
#include "superd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void count_again(struct conn *conn, void *listener) {
	if (conn->listener == listener)
		limits_count(listener, conn->source, +1);
}

/* Returns 0, or -1 and why; with 0 the service is the listener's. */
static int put_to_work(struct service *service, struct reason *why) {
	struct listener *listener = listener_find(service->id);
	if (listener == NULL)
		return listener_open(service, why);
	if (listener->service->fingerprint != service->fingerprint) {
		if (listener_update(listener, service, why) < 0)
			return -1;
		limits_forget(listener);
		conn_each(count_again, listener);
		log_detail("%s has changed", service->id);
		return 0;
	}
	service_free(listener->service);
	listener->service = service;
	return 0;
}

/* Whoever stands in another's way may not do so any more once that one has moved; so there are two rounds. */
static void put_all_to_work(struct config *config) {
	struct reason why;
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < config->count; i++) {
			struct service *service = config->services[i];
			if (service == NULL)
				continue;
			if (put_to_work(service, &why) == 0)
				config->services[i] = NULL;
			else if (round == 1)
				log_error_at(&service->place, "%s: %s", service->id, why.text);
		}
}

/* With -v: what runs, and as whom. */
static void describe_services(void) {
	for (const struct listener *listener = listener_first(); listener != NULL;
	     listener = listener->next) {
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
			has_rules |= line[strspn(line, " \t\r\n")] != '\0' && line[0] != '#';
		if (file != NULL)
			fclose(file);
		if (has_rules)
			log_warning("%s has rules, which superd does not read; only_from and no_access say "
				    "who may come",
			    paths[i]);
	}
}

/* Reads the configuration and prints it as it would run (-t). Returns the exit status. */
int reload_check(const struct options *options) {
	struct config config;
	config_load(options, &config);
	for (size_t i = 0; i < config.count; i++)
		attr_print_service(config.services[i], stdout);
	bool is_good = config.errors == 0 && fflush(stdout) == 0;
	config_free(&config);
	return is_good ? 0 : 1;
}

static void refuse_unclaimed(int fd, const char *name, bool taken, void *errors) {
	char text[ADDR_TEXT];
	struct endpoint address;
	if (taken)
		return;
	socket_read_address(fd, &address);
	log_error("LISTEN_FDS: descriptor %d (%s, %s) belongs to no service", fd, addr_format(&address, text),
	    name);
	++*(int *)errors;
}

/* Reads the configuration and begins to serve. Returns 0, or -1 if superd cannot run, which has been said. */
int reload_start(const struct options *options) {
	struct config config;
	int unclaimed = 0;
	config_load(options, &config);
	bool is_broken = config.broken;
	if (!is_broken)
		put_all_to_work(&config);
	if (!is_broken && listener_first() == NULL && options->program == NULL)
		log_error("there is no service to run");
	config_free(&config);
	if (is_broken || listener_first() == NULL)
		return -1;
	socket_each_handed(refuse_unclaimed, &unclaimed);
	if (unclaimed > 0)
		return -1;
	describe_services();
	warn_of_root(options);
	if (options->program == NULL)
		warn_of_tcp_wrappers();
	return 0;
}

static bool is_in(const struct config *config, const char *id) {
	for (size_t i = 0; i < config->count; i++)
		if (strcmp(config->services[i]->id, id) == 0)
			return true;
	return words_contain(&config->failed, id);
}

/* Reads the configuration again. */
void reload_again(const struct options *options) {
	struct config config;
	if (options->program != NULL) {
		log_notice("there is no configuration to read again");
		return;
	}
	config_load(options, &config);
	if (config.broken) {
		log_error("the configuration is broken; nothing has changed");
	} else {
		for (size_t i = 0; i < config.failed.count; i++)
			if (listener_find(config.failed.word[i]) != NULL)
				log_warning("%s is in error; it goes on as it was", config.failed.word[i]);
		for (struct listener *listener = listener_first(); listener != NULL;
		     listener = listener->next)
			if (!listener->retired && !is_in(&config, listener->service->id)) {
				log_notice("%s has been removed", listener->service->id);
				listener_retire(listener, true);
			}
		put_all_to_work(&config);
		socket_drop_offers(SOCKET_OWNED);
		log_notice("the configuration has been read again");
	}
	config_free(&config);
	listener_collect();
}

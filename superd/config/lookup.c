/* SPDX-License-Identifier: ISC */
/*
 * lookup: what is found by a text while a configuration is loaded: the words of a set, the addresses of services, and the
 * ports of /etc/services, which is read once, and only if it is needed.
 */
#include "config.h"

struct slot {
	struct hash_link link;
	const void *table, *value;
	const char *text;
};

/*
 * Where the value of a text is kept, NULL until the caller sets it. Each table, named by any address that is its own, has its
 * own texts. The text must stay in memory as long as the configuration is loaded.
 */
const void **lookup_slot(struct config *config, const void *table, const char *text) {
	uint64_t key = hash_bytes((uintptr_t)table, text, strlen(text));
	struct slot *slot;
	for (struct hash_link *link = hash_find(&config->slots, key); link != NULL; link = hash_find_next(link)) {
		slot = CONTAINER(link, struct slot, link);
		if (slot->table == table && strcmp(slot->text, text) == 0) return &slot->value;
	}
	slot = mem_alloc(config->loading, sizeof *slot);
	*slot = (struct slot){.table = table, .text = text};
	hash_add(&config->slots, &slot->link, key);
	return &slot->value;
}

static const void **port_slot(struct config *config, const char *name, const char *protocol) {
	return lookup_slot(config, &config->has_ports, mem_print(config->loading, "%s/%s", name, protocol));
}

/* Reads /etc/services: a name, PORT/PROTOCOL and other names (services(5)). The first line of a name is used. */
static void read_ports(struct config *config) {
	char line[1024];
	FILE *file = config->file = fopen("/etc/services", "r");
	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		struct words words = {0};
		line[strcspn(line, "#")] = '\0';
		words_split(config->loading, &words, line);
		char *protocol = words.count > 1 ? strchr(words.word[1], '/') : NULL;
		if (protocol == NULL) continue;
		*protocol++ = '\0';
		for (size_t i = 0; i < words.count; i++) {
			const void **port = port_slot(config, words.word[i], protocol);
			if (i != 1 && *port == NULL) *port = words.word[1];
		}
	}
	if (file != NULL) fclose(file);
	config->file = NULL;
}

/* The port of that name and protocol in /etc/services, as text, or NULL. */
const char *lookup_port(struct config *config, const char *name, const char *protocol) {
	if (!config->has_ports) read_ports(config);
	config->has_ports = true;
	return *port_slot(config, name, protocol);
}

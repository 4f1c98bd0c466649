/* SPDX-License-Identifier: ISC */
/*
 * domain: a .domain in only_from or no_access, looked up in the DNS by a child: the peer's name by its address, and then,
 * since the owner of an address can give it any name, that name's addresses.
 */
#include "connection.h"

#include <netdb.h>
#include <strings.h>

/* Whether the DNS has to be asked before the lists can admit or refuse the source. */
bool domain_must_ask(const struct service *service, struct source source) {
	if (addr_is_uid(source)) return false; /* it has no name */
	return service->no_access.domains != NULL ||
	       (service->only_from.domains != NULL && !addr_list_matches(&service->only_from, source));
}

static bool is_within(const struct address_list *list, const char *name) {
	size_t length = strlen(name);
	for (size_t i = 0; list->domains != NULL && i < list->domains->count; i++) {
		const char *word = list->domains->word[i];
		if (strlen(word) < length && strcasecmp(name + length - strlen(word), word) == 0) return true;
	}
	return false;
}

/* The peer's name, if that name's addresses have the peer's among them. */
static bool find_name(const struct endpoint *peer, char *name, size_t size) {
	struct arena *arena = mem_arena_new();
	struct endpoint *found;
	struct error error = {.text = ""};
	int count = 0;
	bool is_confirmed = false;
	if (getnameinfo(&peer->at.any, peer->length, name, (socklen_t)size, NULL, 0, NI_NAMEREQD) == 0)
		count = addr_resolve(arena, name, NULL, &found, &error);
	for (int i = 0; i < count; i++)
		is_confirmed |= addr_source_equal(addr_source(&found[i], 0), addr_source(peer, 0));
	mem_arena_free(arena);
	return is_confirmed;
}

/* Whether the lists admit the peer, by the name that it has in the DNS. Waits for the DNS: for a child only. */
bool domain_admits(const struct service *service, const struct endpoint *peer, struct source source) {
	char name[256];
	bool has_name = find_name(peer, name, sizeof name);
	if (has_name && is_within(&service->no_access, name)) return false;
	return service->only_from.domains == NULL || addr_list_matches(&service->only_from, source) ||
	       (has_name && is_within(&service->only_from, name));
}

/* SPDX-License-Identifier: ISC */
/*
 * inherited: the sockets that a supervisor passed. They are never closed.
 */
#include "base.h"

static struct inherited_socket *first, **last = &first;

/* Adds a socket, under the supervisor's name for it, or "". */
void inherited_add(int fd, const char *name) {
	struct inherited_socket *inherited = calloc(1, sizeof *inherited);
	socklen_t length = sizeof inherited->type;
	if (inherited == NULL) return;
	inherited->fd = fd;
	snprintf(inherited->name, sizeof inherited->name, "%s", name);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &inherited->type, &length);
	addr_read_local(fd, &inherited->address);
	*last = inherited;
	last = &inherited->next;
}

/* The nth, from 0, of the sockets, or of those with that name; NULL past the last. */
const struct inherited_socket *inherited_find(size_t nth, const char *name) {
	for (const struct inherited_socket *inherited = first; inherited != NULL; inherited = inherited->next)
		if ((name == NULL || strcmp(inherited->name, name) == 0) && nth-- == 0) return inherited;
	return NULL;
}

/*
 * The socket of that type for a service at the address: the one at the address, or else, for a service on every interface of one
 * family, one on every interface of the other at the same port. NULL if there is none.
 */
struct inherited_socket *inherited_at(const struct endpoint *address, int type) {
	struct inherited_socket *other = NULL;
	for (struct inherited_socket *inherited = first; inherited != NULL; inherited = inherited->next) {
		bool both_wild = addr_is_wildcard(&inherited->address) && addr_is_wildcard(address);
		if (inherited->type != type) continue;
		if (addr_equal(&inherited->address, address)) return inherited;
		if (both_wild && addr_port(&inherited->address) == addr_port(address)) other = inherited;
	}
	return other;
}

/* No service uses one of the sockets, until it says so. */
void inherited_release(void) {
	for (struct inherited_socket *inherited = first; inherited != NULL; inherited = inherited->next)
		inherited->is_used = false;
}

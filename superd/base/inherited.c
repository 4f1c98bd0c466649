/*
 * inherited: the sockets that this process did not open for what it now does: those that a supervisor or an earlier superd
 * handed over, and, during a reload, those of the running services. A list that does nothing by itself.
 */
#include "base.h"

static struct inherited_socket *first;

/* The first of the list, which goes on at `next`, or NULL. */
struct inherited_socket *inherited_first(void) {
	return first;
}

/* Adds a socket: under the address that it was configured with, or NULL for the one it has, and a name or "". */
void inherited_add(int fd, enum socket_owner owner, const struct endpoint *configured, const char *name) {
	struct inherited_socket *inherited = calloc(1, sizeof *inherited);
	socklen_t length = sizeof inherited->type;
	if (inherited == NULL) return;
	*inherited = (struct inherited_socket){.next = first, .fd = fd, .owner = owner};
	snprintf(inherited->name, sizeof inherited->name, "%s", name);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &inherited->type, &length);
	if (configured != NULL)
		inherited->configured = *configured;
	else
		addr_read_local(fd, &inherited->configured);
	first = inherited;
}

/* Takes a socket out of the list, and leaves it open. */
void inherited_remove(struct inherited_socket *inherited) {
	struct inherited_socket **link = &first;
	while (*link != inherited) link = &(*link)->next;
	*link = inherited->next;
	free(inherited);
}

/* Takes all of that owner's out of the list; superd's own are closed. */
void inherited_drop(enum socket_owner owner) {
	for (struct inherited_socket *inherited = first, *next; inherited != NULL; inherited = next) {
		next = inherited->next;
		if (inherited->owner != owner) continue;
		if (owner == SOCKET_OWN) close(inherited->fd);
		inherited_remove(inherited);
	}
}

/* The nth, from 0, of the sockets that a supervisor passed, or of those with that name; NULL past the last. */
const struct inherited_socket *inherited_passed(size_t nth, const char *name) {
	for (const struct inherited_socket *inherited = first; inherited != NULL; inherited = inherited->next)
		if (inherited->owner == SOCKET_PASSED && (name == NULL || strcmp(inherited->name, name) == 0) &&
		    nth-- == 0)
			return inherited;
	return NULL;
}

/* Whether a supervisor passed a socket at that address, whose path is then the supervisor's. */
bool inherited_is_passed(const struct endpoint *address) {
	for (const struct inherited_socket *inherited = first; inherited != NULL; inherited = inherited->next)
		if (inherited->owner == SOCKET_PASSED && addr_equal(&inherited->configured, address)) return true;
	return false;
}

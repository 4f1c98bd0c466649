/*
 * listener: a service at work: its sockets are opened, paused, replaced at a reload, closed. What arrives at a socket is
 * serve.c's.
 */
#include "server.h"

#include <fcntl.h>

enum { PORT_TRIES = 20, ADDRESS_RETRY_S = 5 };

static struct listener *first, **last = &first;

static struct hash by_id;

/* The first of the listeners, in a list; retired ones stay in it while they have children. */
struct listener *listener_first(void) {
	return first;
}

static uint64_t hash_of(const char *id) {
	return hash_bytes(0, id, strlen(id));
}

/* The nth, from 0, of the listeners with that id that are not retired, or NULL. */
struct listener *listener_find(const char *id, size_t nth) {
	struct hash_link *link = hash_find(&by_id, hash_of(id));
	for (; link != NULL; link = hash_find_next(link)) {
		struct listener *listener = CONTAINER(link, struct listener, link);
		if (listener->nth == nth && strcmp(listener->service->id, id) == 0) return listener;
	}
	return NULL;
}

/* Adds a listener to the list; only one that can be found by its id has a place among those with the same id. */
static void add(struct listener *listener) {
	*last = listener;
	last = &listener->next;
	if (listener->retired) return;
	while (listener_find(listener->service->id, listener->nth) != NULL) listener->nth++;
	hash_add(&by_id, &listener->link, hash_of(listener->service->id));
}

/*
 * The listener that goes on with what an earlier superd had accepted for a service: one without sockets, if the service is
 * not configured any more. NULL for want of memory.
 */
struct listener *listener_of_earlier(const char *id, size_t nth) {
	struct listener *listener = listener_find(id, nth);
	if (listener != NULL || (listener = calloc(1, sizeof *listener)) == NULL) return listener;
	listener->service = service_new(NULL, id, &(struct location){"an earlier configuration", 0});
	listener->service->id = listener->service->name;
	listener->service->log_on_success = LOG_ITEM_PID | LOG_ITEM_EXIT | LOG_ITEM_DURATION;
	listener->retired = true;
	add(listener);
	return listener;
}

/* Closes the sockets and frees the array. */
static void close_sockets(struct listening_socket *sockets, size_t count) {
	for (size_t i = 0; i < count; i++)
		if (sockets[i].watch.fd >= 0) close(sockets[i].watch.fd);
	free(sockets);
}

/* Closes an inherited socket at that port of a service that is not configured any more. Returns whether there was one. */
static bool close_conflicting(unsigned port) {
	struct inherited_socket *inherited = inherited_first();
	for (; inherited != NULL; inherited = inherited->next)
		if (inherited->owner == SOCKET_OWN && port != 0 && addr_port(&inherited->configured) == port &&
		    listener_find(inherited->name, 0) == NULL)
			break;
	if (inherited == NULL) return false;
	close(inherited->fd);
	inherited_remove(inherited);
	return true;
}

/* Returns the descriptor, or -1 with errno and an error. */
static int open_socket(
    struct listening_socket *socket, const struct service *service, unsigned port, struct error *error) {
	unsigned wanted = addr_port(&socket->configured) != 0 ? addr_port(&socket->configured) : port;
	do socket->watch.fd = socket_open(service, &socket->configured, port, error);
	while (socket->watch.fd < 0 && errno == EADDRINUSE && close_conflicting(wanted));
	if (socket->watch.fd >= 0) addr_read_local(socket->watch.fd, &socket->address);
	return socket->watch.fd;
}

/*
 * Opens all addresses of a service, on one port if the kernel is to choose it. An address that is not there (yet) is
 * skipped for the command line's loopback, and left without a descriptor for a service from a file. Returns the array and
 * its length, or NULL and an error; errno is EADDRINUSE where another port may do.
 */
static struct listening_socket *open_all(const struct service *service, size_t *count, struct error *error) {
	unsigned chosen = 0;
	struct listening_socket *sockets = calloc(service->address_count, sizeof *sockets);
	*count = 0;
	if (sockets == NULL) error_set(error, "out of memory");
	for (size_t i = 0; i < service->address_count && sockets != NULL; i++) {
		struct listening_socket *socket = &sockets[*count];
		socket->configured = socket->address = service->addresses[i];
		if (open_socket(socket, service, chosen, error) >= 0) {
			chosen = chosen ? chosen : addr_port(&socket->address);
		} else if ((errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT) && service->any_loopback &&
			   (*count > 0 || i + 1 < service->address_count)) {
			continue;
		} else if (errno == EADDRNOTAVAIL && !service->from_command_line) {
			log_warning_at(&service->location, "%s: %s; retrying every %d s", service->id, error->text,
			    ADDRESS_RETRY_S);
		} else {
			int saved = errno;
			close_sockets(sockets, *count);
			errno = chosen != 0 && service->port == 0 ? saved : 0;
			return NULL;
		}
		++*count;
	}
	return sockets;
}

/*
 * The same for a service that replaces the listener's. If it fails, those of the listener's sockets that conflict are shut
 * down, and it is tried once more. On failure the listener's sockets listen as before.
 */
static struct listening_socket *open_replacing(
    const struct listener *listener, const struct service *service, size_t *count, struct error *error) {
	struct listening_socket *sockets = open_all(service, count, error);
	bool has_shut_down = false;
	int saved = errno;
	for (size_t i = 0; i < listener->socket_count && sockets == NULL; i++)
		has_shut_down |= socket_shutdown_conflicting(
		    listener->sockets[i].watch.fd, &listener->sockets[i].configured, service);
	errno = saved;
	if (!has_shut_down || (sockets = open_all(service, count, error)) != NULL) return sockets;
	for (size_t i = 0; i < listener->socket_count; i++)
		listen(listener->sockets[i].watch.fd, (int)listener->service->backlog);
	errno = 0;
	return NULL;
}

static void log_listening(const struct listener *listener, const struct listening_socket *socket) {
	char text[ADDR_TEXT];
	if (socket->watch.fd >= 0)
		log_notice("listening %s %s", listener->service->id, addr_format(&socket->address, text));
}

static const struct listening_socket *find_socket(const struct listener *listener, const struct endpoint *address) {
	for (size_t i = 0; i < listener->socket_count; i++)
		if (addr_equal(&listener->sockets[i].address, address) && listener->sockets[i].watch.fd >= 0)
			return &listener->sockets[i];
	return NULL;
}

/* Replaces the listener's sockets by the new ones. Returns 0, or -1 and an error, and nothing has changed. */
static int replace_sockets(
    struct listener *listener, struct listening_socket *sockets, size_t count, struct error *error) {
	for (size_t i = 0; i < count; i++) {
		sockets[i].listener = listener;
		sockets[i].watch.ready = listener->readable;
		if (loop_watch(&sockets[i].watch) == 0) continue;
		error_set(error, "cannot poll the socket: %s", strerror(errno));
		while (i-- > 0) loop_unwatch(&sockets[i].watch);
		return -1;
	}
	for (size_t i = 0; i < count; i++)
		if (find_socket(listener, &sockets[i].address) == NULL) log_listening(listener, &sockets[i]);
	for (size_t i = 0; i < listener->socket_count; i++) loop_unwatch(&listener->sockets[i].watch);
	struct listening_socket *old = listener->sockets;
	size_t old_count = listener->socket_count;
	listener->sockets = sockets;
	listener->socket_count = count;
	for (size_t i = 0; i < old_count; i++) /* a path is removed with its socket, unless it is used again */
		if (old[i].address.at.any.sa_family == AF_UNIX && find_socket(listener, &old[i].address) == NULL &&
		    !inherited_is_passed(&old[i].address))
			unlink(old[i].address.at.un.sun_path);
	close_sockets(old, old_count);
	listener->paused = false;
	listener->changed(listener);
	return 0;
}

/*
 * Gives a listener a service, its first or another one: opens the sockets, and then releases the previous service. On
 * failure nothing has changed, and the service is still the caller's. Returns 0, or -1 and an error.
 */
static int set_service(struct listener *listener, struct service *service, struct error *error) {
	size_t count;
	struct listening_socket *sockets = open_replacing(listener, service, &count, error);
	for (int tries = 1; tries < PORT_TRIES && sockets == NULL && errno == EADDRINUSE; tries++)
		sockets = open_all(service, &count, error);
	if (sockets == NULL) return -1;
	struct service *previous = listener->service;
	listener->service = service;
	if (replace_sockets(listener, sockets, count, error) < 0) {
		close_sockets(sockets, count);
		listener->service = previous;
		return -1;
	}
	if (previous != NULL) service_release(previous);
	return 0;
}

/* Tries again the addresses that were not there. */
static void retry_addresses(struct timer *timer) {
	struct error error;
	for (struct listener *listener = first; listener != NULL; listener = listener->next)
		for (size_t i = 0; i < listener->socket_count; i++) {
			struct listening_socket *socket = &listener->sockets[i];
			if (socket->watch.fd >= 0) continue;
			unsigned port = addr_port(&listener->sockets[0].address);
			if (open_socket(socket, listener->service, port, &error) < 0) {
				loop_set_timer(timer, loop_now() + ADDRESS_RETRY_S * INT64_C(1000));
				continue;
			}
			if (!listener->paused) loop_watch(&socket->watch);
			log_listening(listener, socket);
		}
}

static void retry_addresses_later(const struct listener *listener) {
	static struct timer timer = {.due = retry_addresses};
	bool is_missing = false;
	for (size_t i = 0; i < listener->socket_count; i++) is_missing |= listener->sockets[i].watch.fd < 0;
	if (is_missing && !loop_timer_is_set(&timer))
		loop_set_timer(&timer, loop_now() + ADDRESS_RETRY_S * INT64_C(1000));
}

/*
 * Opens the sockets of a service and begins to serve it: `readable` is called for a socket at which a client has arrived,
 * `changed` after the sockets have changed. Returns the listener, or NULL and an error.
 */
struct listener *listener_new(struct service *service, void (*readable)(struct watch *),
    void (*changed)(struct listener *), struct error *error) {
	struct listener *listener = calloc(1, sizeof *listener);
	if (listener == NULL) {
		error_set(error, "out of memory");
		return NULL;
	}
	listener->readable = readable;
	listener->changed = changed;
	if (set_service(listener, service, error) < 0) {
		free(listener);
		return NULL;
	}
	listener->in_new_config = true;
	add(listener);
	retry_addresses_later(listener);
	return listener;
}

/* Gives a listener its changed service. Sockets at the same address are kept. Returns 0, or -1 and an error. */
int listener_update(struct listener *listener, struct service *service, struct error *error) {
	for (size_t i = 0; i < listener->socket_count; i++)
		if (listener->sockets[i].watch.fd >= 0)
			inherited_add(listener->sockets[i].watch.fd, SOCKET_OF_LISTENER,
			    &listener->sockets[i].configured, listener->service->id);
	int updated = set_service(listener, service, error);
	inherited_drop(SOCKET_OF_LISTENER);
	retry_addresses_later(listener);
	return updated;
}

/* Stops polling the sockets, so that new connections wait in the backlog, or polls them again. */
void listener_set_paused(struct listener *listener, bool paused) {
	if (listener->paused == paused) return;
	listener->paused = paused;
	for (size_t i = 0; i < listener->socket_count; i++)
		if (paused)
			loop_unwatch(&listener->sockets[i].watch);
		else
			loop_watch(&listener->sockets[i].watch);
}

/* Closes the sockets, for good. */
void listener_close(struct listener *listener) {
	struct error error;
	replace_sockets(listener, NULL, 0, &error);
}

/* Closes the sockets of a service that is not configured any more. The listener stays for its children alone. */
void listener_retire(struct listener *listener) {
	hash_remove(&by_id, &listener->link);
	listener->retired = true;
	listener_close(listener);
}

/* Adds copies of all sockets to the inherited ones, for services that exchange their addresses. */
void listener_inherit_all(void) {
	for (const struct listener *listener = first; listener != NULL; listener = listener->next)
		for (size_t i = 0; i < listener->socket_count; i++) {
			const struct listening_socket *socket = &listener->sockets[i];
			bool is_path =
			    socket->address.at.any.sa_family == AF_UNIX; /* which is removed with its socket */
			int fd = is_path ? -1 : fcntl(socket->watch.fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
			if (fd >= 0) inherited_add(fd, SOCKET_OWN, &socket->configured, listener->service->id);
		}
}

/* Whether nothing of the listener's is left that has been accepted. */
bool listener_is_idle(const struct listener *listener) {
	return listener->running + listener->questions + listener->pending == 0 && listener->headers.count == 0 &&
	       listener->lingering.count == 0;
}

/* Frees the retired listeners that have no children left. */
void listener_free_retired(void) {
	for (struct listener **link = &first; *link != NULL;) {
		struct listener *listener = *link;
		if (!listener->retired || !listener_is_idle(listener)) {
			link = &listener->next;
			continue;
		}
		*link = listener->next;
		if (*link == NULL) last = link;
		limits_forget(listener);
		loop_cancel_timer(&listener->accept_timer);
		loop_cancel_timer(&listener->refusal_timer);
		service_release(listener->service);
		free(listener);
	}
}

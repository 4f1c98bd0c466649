/*
 * listener: a service at work: its sockets opened, paused, replaced at a reload, closed. What comes in at one is
 * serve.c's.
 */
#include "superd.h"

#include <fcntl.h>

enum { PORT_TRIES = 20, ADDRESS_RETRY = 5000 };

static struct listener *first;

/* The first of the listeners, in a list; retired ones stay in it while they have children. */
struct listener *listener_first(void) {
	return first;
}

/* The nth, from 0, of the listeners at work that have that id, or NULL. */
struct listener *listener_find(const char *id, size_t nth) {
	for (struct listener *listener = first; listener != NULL; listener = listener->next)
		if (!listener->retired && strcmp(listener->service->id, id) == 0 && nth-- == 0) return listener;
	return NULL;
}

/* How many listeners at work have the same id and stand before this one. */
size_t listener_nth(const struct listener *listener) {
	const struct listener *namesake;
	size_t nth = 0;
	while ((namesake = listener_find(listener->service->id, nth)) != NULL && namesake != listener) nth++;
	return nth;
}

static void add(struct listener *listener) {
	struct listener **last = &first;
	while (*last != NULL) last = &(*last)->next;
	*last = listener;
}

/* A listener without sockets, for children of a service that is there no more. NULL for want of memory. */
struct listener *listener_make_retired(const char *id) {
	struct listener *listener = calloc(1, sizeof *listener);
	if (listener == NULL) return NULL;
	listener->service = service_new(id, &(struct place){"an earlier configuration", 0});
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

/* Returns the descriptor, or -1 with errno and why. */
static int open_socket(
    struct listening_socket *socket, const struct service *service, unsigned port, struct reason *why) {
	socket->watch.fd = socket_open(service, &socket->configured, port, why);
	if (socket->watch.fd >= 0) socket_read_address(socket->watch.fd, &socket->address);
	return socket->watch.fd;
}

/*
 * Opens all addresses of a service, on one port if the kernel is to choose it. An address that is not there (yet) is
 * passed over for the command line's loopback, and left without a descriptor for a service from a file. Returns the
 * array and its length, or NULL and why; errno is EADDRINUSE where another port may do.
 */
static struct listening_socket *open_all(const struct service *service, size_t *count, struct reason *why) {
	unsigned chosen = 0;
	struct listening_socket *sockets = calloc(service->address_count, sizeof *sockets);
	*count = 0;
	if (sockets == NULL) reason_set(why, "out of memory");
	for (size_t i = 0; i < service->address_count && sockets != NULL; i++) {
		struct listening_socket *socket = &sockets[*count];
		socket->configured = socket->address = service->addresses[i];
		if (open_socket(socket, service, chosen, why) >= 0) {
			chosen = chosen ? chosen : addr_port(&socket->address);
		} else if ((errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT) && service->any_loopback &&
			   (*count > 0 || i + 1 < service->address_count)) {
			continue;
		} else if (errno == EADDRNOTAVAIL && !service->from_command_line) {
			log_warning_at(&service->place, "%s: %s; retrying every %d s", service->id, why->text,
			    ADDRESS_RETRY / 1000);
		} else {
			int error = errno;
			close_sockets(sockets, *count);
			errno = chosen != 0 && service->port == 0 ? error : 0;
			return NULL;
		}
		++*count;
	}
	return sockets;
}

/*
 * The same for a service that a listener has in another way so far: where it cannot be, once more after what it will
 * have no more has made way. On failure those listen again.
 */
static struct listening_socket *open_anew(
    const struct listener *listener, const struct service *service, size_t *count, struct reason *why) {
	struct listening_socket *sockets = open_all(service, count, why);
	bool made_way = false;
	int error = errno;
	for (size_t i = 0; i < listener->socket_count && sockets == NULL; i++)
		made_way |= socket_make_way(listener->sockets[i].watch.fd, &listener->sockets[i].configured, service);
	errno = error;
	if (!made_way || (sockets = open_all(service, count, why)) != NULL) return sockets;
	for (size_t i = 0; i < listener->socket_count; i++)
		listen(listener->sockets[i].watch.fd, (int)listener->service->backlog);
	errno = 0;
	return NULL;
}

static void say_listening(const struct listener *listener, const struct listening_socket *socket) {
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

/* Puts new sockets in the old ones' place. */
static int replace_sockets(struct listener *listener, struct listening_socket *sockets, size_t count) {
	for (size_t i = 0; i < count; i++) {
		sockets[i].listener = listener;
		sockets[i].watch.ready = serve_comer;
		if (loop_watch(&sockets[i].watch) == 0) continue;
		while (i-- > 0) loop_unwatch(&sockets[i].watch);
		return -1;
	}
	for (size_t i = 0; i < count; i++)
		if (find_socket(listener, &sockets[i].address) == NULL) say_listening(listener, &sockets[i]);
	for (size_t i = 0; i < listener->socket_count; i++) loop_unwatch(&listener->sockets[i].watch);
	struct listening_socket *old = listener->sockets;
	size_t old_count = listener->socket_count;
	listener->sockets = sockets;
	listener->socket_count = count;
	for (size_t i = 0; i < old_count; i++) /* a path goes with its socket, unless another or a supervisor has it */
		if (old[i].address.at.any.sa_family == AF_UNIX && find_socket(listener, &old[i].address) == NULL &&
		    !socket_is_handed(&old[i].address))
			unlink(old[i].address.at.un.sun_path);
	close_sockets(old, old_count);
	listener->paused = false;
	loop_wake_at(loop_now());
	return 0;
}

/*
 * Gives a listener a service, its first or another one: opens the sockets, and then lets the former go. On failure
 * all stays as it was, and the service is still the caller's. Returns 0, or -1 and why.
 */
static int set_service(struct listener *listener, struct service *service, struct reason *why) {
	size_t count;
	struct listening_socket *sockets = open_anew(listener, service, &count, why);
	for (int tries = 1; tries < PORT_TRIES && sockets == NULL && errno == EADDRINUSE; tries++)
		sockets = open_all(service, &count, why);
	if (sockets == NULL) return -1;
	struct service *former = listener->service;
	listener->service = service;
	if (replace_sockets(listener, sockets, count) < 0) {
		close_sockets(sockets, count);
		listener->service = former;
		return reason_set(why, "out of memory");
	}
	if (former != NULL) service_free(former);
	return 0;
}

/* Opens the sockets of a service and begins to serve it. Returns 0, or -1 and why. */
int listener_open(struct service *service, struct reason *why) {
	struct listener *listener = calloc(1, sizeof *listener);
	if (listener == NULL) return reason_set(why, "out of memory");
	if (set_service(listener, service, why) < 0) {
		free(listener);
		return -1;
	}
	listener->claimed = true;
	add(listener);
	return 0;
}

/* Gives a listener its service as it now is. Sockets at the same address are kept. Returns 0, or -1 and why. */
int listener_update(struct listener *listener, struct service *service, struct reason *why) {
	for (size_t i = 0; i < listener->socket_count; i++)
		if (listener->sockets[i].watch.fd >= 0)
			socket_offer(listener->sockets[i].watch.fd, SOCKET_BORROWED, &listener->sockets[i].configured,
			    listener->service->id);
	int updated = set_service(listener, service, why);
	socket_drop_offers(SOCKET_BORROWED);
	return updated;
}

/* Looks away from the sockets, so that who comes waits in the backlog, or looks again. */
void listener_pause(struct listener *listener, bool paused) {
	if (listener->paused == paused) return;
	listener->paused = paused;
	for (size_t i = 0; i < listener->socket_count; i++) loop_pause(&listener->sockets[i].watch, paused);
}

/* Closes the sockets, for good. The listener stays for its children. */
void listener_close(struct listener *listener) {
	replace_sockets(listener, NULL, 0);
}

/* Leaves copies of all sockets at hand, for services that exchange their ports or take over another's. */
void listener_offer_all(void) {
	for (const struct listener *listener = first; listener != NULL; listener = listener->next)
		for (size_t i = 0; i < listener->socket_count; i++) {
			const struct listening_socket *socket = &listener->sockets[i];
			bool is_path = socket->address.at.any.sa_family == AF_UNIX; /* which goes with its socket */
			int fd = is_path ? -1 : fcntl(socket->watch.fd, F_DUPFD_CLOEXEC, 3);
			if (fd >= 0) socket_offer(fd, SOCKET_OWNED, &socket->configured, listener->service->id);
		}
}

/* Frees the retired listeners that have no children left. */
void listener_collect(void) {
	for (struct listener **link = &first; *link != NULL;) {
		struct listener *listener = *link;
		if (!listener->retired || listener->running + listener->waiting > 0) {
			link = &listener->next;
			continue;
		}
		*link = listener->next;
		limits_forget(listener);
		service_free(listener->service);
		free(listener);
	}
}

/* Tries again the addresses that were not there. */
void listener_tick(void) {
	struct reason why;
	for (struct listener *listener = first; listener != NULL; listener = listener->next)
		for (size_t i = 0; i < listener->socket_count; i++) {
			struct listening_socket *socket = &listener->sockets[i];
			if (socket->watch.fd >= 0) continue;
			unsigned port = addr_port(&listener->sockets[0].address);
			if (open_socket(socket, listener->service, port, &why) < 0) {
				loop_wake_at(loop_now() + ADDRESS_RETRY);
				continue;
			}
			loop_pause(&socket->watch, listener->paused);
			say_listening(listener, socket);
		}
}

/* SPDX-License-Identifier: ISC */
/*
 * listener: a service at work, with its sockets. What arrives at a socket is serve.c's.
 *
 * In one reload services may exchange addresses in any way. listener_open_all first takes the sockets from all listeners that
 * change or are retired. Then each new service gets those at its addresses, whichever service had them, and opens what is
 * missing. At the end, sockets that no service has claimed are closed.
 */
#include "server.h"

enum { PORT_TRIES = 20, ADDRESS_RETRY_MS = 5000, EARLIER_LINGER = 10 };

static struct listener *first, **last = &first;

static struct hash by_name; /* those that are not retired, by their id and number */

/* Of an earlier configuration, what its services are copies of; NULL: there are none yet. */
static struct service *nameless;

/* During a reload: the sockets that no new service has claimed (yet). */
static struct listening_socket *unclaimed;

/* Called for a socket at which a client has arrived, and for a listener whose sockets have changed. */
static void (*on_readable)(struct watch *);
static void (*on_changed)(struct listener *);

static void retry_addresses(struct timer *timer);

static struct timer retry_timer = {.due = retry_addresses};

/* The first of the listeners, in a list; retired ones stay in it while they have children. */
struct listener *listener_first(void) {
	return first;
}

/* How many are not retired. */
size_t listener_count(void) { return by_name.count; }

static uint64_t key_of(const char *id, size_t nth) { return hash_bytes(nth, id, strlen(id)); }

/* The nth, from 0, of the listeners with that id that are not retired, or NULL. */
struct listener *listener_find(const char *id, size_t nth) {
	struct hash_link *link = hash_find(&by_name, key_of(id, nth));
	for (; link != NULL; link = hash_find_next(link)) {
		struct listener *listener = CONTAINER(link, struct listener, link);
		if (listener->nth == nth && strcmp(listener->service->id, id) == 0) return listener;
	}
	return NULL;
}

/* How many listeners have that id: their numbers have no gap, so that the end is found by halves. */
static size_t count_named(const char *id) {
	size_t from = 0, to = by_name.count;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (listener_find(id, middle) != NULL) from = middle + 1;
		else to = middle;
	}
	return from;
}

static void set_number(struct listener *listener, size_t nth) {
	listener->nth = nth;
	hash_add(&by_name, &listener->link, key_of(listener->service->id, nth));
}

/* A listener without sockets, for a service that listener_open_all will give it. Until then that is only its id. */
struct listener *listener_new(struct service *service) {
	struct listener *listener = mem_new(sizeof *listener);
	listener->service = service_retain(service);
	listener->earlier_nth = SIZE_MAX;
	set_number(listener, count_named(service->id));
	*last = listener;
	last = &listener->next;
	return listener;
}

/* A listener with a service that has nothing but an id. All of them share memory, which is free once they have theirs. */
static struct listener *new_without_service(const char *id) {
	if (nameless == NULL) {
		nameless = service_new(NULL, "", &(struct location){"an earlier configuration", 0});
		nameless->linger = EARLIER_LINGER;
		nameless->log_on_failure = LOG_ITEM_HOST;
		nameless->log_on_success = LOG_ITEM_PID | LOG_ITEM_EXIT | LOG_ITEM_DURATION;
	}
	struct service *service = service_copy(nameless, id);
	struct listener *listener = listener_new(service);
	listener->earlier_nth = listener->nth;
	service_release(service);
	return listener;
}

/* The service is not configured any more. The listener stays for its children; listener_open_all closes its sockets. */
void listener_retire(struct listener *listener) {
	struct listener *later;
	size_t nth = listener->nth;
	hash_remove(&by_name, &listener->link);
	while ((later = listener_find(listener->service->id, nth + 1)) != NULL) {
		hash_remove(&by_name, &later->link);
		set_number(later, nth++);
	}
	listener->retired = true;
	listener->nth = SIZE_MAX;
}

/*
 * The listener of what was the nth with that id in an earlier superd, or NULL. Where some have been retired since, the number of
 * the others is lower, but their order is the same.
 */
struct listener *listener_find_earlier(const char *id, size_t nth) {
	if (nth == SIZE_MAX) return NULL;
	for (size_t i = nth < by_name.count ? nth + 1 : by_name.count; i > 0; i--) {
		struct listener *listener = listener_find(id, i - 1);
		if (listener != NULL && listener->earlier_nth == nth) return listener;
	}
	return NULL;
}

/* The listener that goes on with what an earlier superd had accepted for a service, which may not be configured any more. */
struct listener *listener_of_earlier(const char *id, size_t nth) {
	struct listener *listener = listener_find_earlier(id, nth);
	if (listener == NULL) {
		listener = new_without_service(id);
		listener_retire(listener);
	}
	return listener;
}

/* The nth listener with that id, which has no service yet, for the sockets and counters of an earlier superd. */
struct listener *listener_restore(const char *id, size_t nth) {
	struct listener *listener;
	while ((listener = listener_find(id, nth)) == NULL) new_without_service(id);
	return listener;
}

static void push(struct listening_socket **list, struct listening_socket *socket) {
	socket->next = *list;
	*list = socket;
}

static struct listening_socket *pop(struct listening_socket **list) {
	struct listening_socket *socket = *list;
	if (socket != NULL) *list = socket->next;
	return socket;
}

static void close_sockets(struct listening_socket **list) {
	for (struct listening_socket *socket; (socket = pop(list)) != NULL; free(socket)) socket_close(socket);
}

/* Gives a listener a socket of an earlier superd. */
void listener_restore_socket(struct listener *listener, const struct listening_socket *restored) {
	struct listening_socket *socket = mem_new(sizeof *socket);
	*socket = *restored;
	socket->listener = listener;
	socket_identify(socket);
	push(&listener->sockets, socket);
}

static bool is_changing(const struct listener *listener) {
	return listener->next_service != NULL && listener->change != CHANGE_FAILED;
}

/* Gives the next service a socket for each address: an unclaimed one that fits, or a new one. */
static void claim_sockets(struct listener *listener) {
	const struct service *service = listener->next_service;
	struct listening_socket **end = &listener->sockets;
	for (size_t i = 0; i < service->address_count; i++) {
		struct listening_socket **link = &unclaimed;
		while (*link != NULL && !socket_fits(*link, service, &service->addresses[i])) link = &(*link)->next;
		*end = *link != NULL ? pop(link) : socket_new(service, &service->addresses[i]);
		end = &(*end)->next;
	}
	*end = NULL;
}

/* Takes the sockets from all listeners that change or are retired, and gives the next services those that fit. */
static void share_sockets(void) {
	struct listening_socket **end = &unclaimed;
	inherited_release();
	for (struct listener *listener = first; listener != NULL; listener = listener->next) {
		if (!listener->retired && !is_changing(listener)) {
			socket_keep_all(listener->sockets);
			continue;
		}
		*end = listener->sockets;
		listener->sockets = NULL;
		while (*end != NULL) end = &(*end)->next;
	}
	for (struct listener *listener = first; listener != NULL; listener = listener->next)
		if (is_changing(listener)) claim_sockets(listener);
}

/* The port that the kernel chose for an address of the listener, for its other addresses; 0: none yet. */
static unsigned chosen_port(const struct listener *listener) {
	unsigned port = 0;
	for (const struct listening_socket *socket = listener->sockets; socket != NULL && port == 0;
	     socket = socket->next)
		port = addr_port(&socket->address);
	return port;
}

/* An unclaimed socket because of which the address is in use: it has the same one, or one of the two is a wildcard. */
static struct listening_socket *find_conflicting(const struct endpoint *address) {
	struct listening_socket *socket = unclaimed;
	for (; socket != NULL; socket = socket->next) {
		bool has_port = addr_port(address) != 0 && addr_port(&socket->address) == addr_port(address);
		bool is_wider = has_port && (addr_is_wildcard(address) || addr_is_wildcard(&socket->address));
		bool is_same = addr_equal(&socket->address, address) && (has_port || socket_has_path(socket));
		if (socket->watch.fd >= 0 && socket->passed == NULL && (is_wider || is_same)) break;
	}
	return socket;
}

/* Opens a socket of the listener, in place of unclaimed ones. Returns 0, or -1 with errno and an error. */
static int open_socket(
    struct listener *listener, const struct service *service, struct listening_socket *socket, struct error *error) {
	if (addr_port(&socket->address) == 0) addr_set_port(&socket->address, chosen_port(listener));
	while (socket_open(socket, service, error) < 0) {
		struct listening_socket *conflicting = errno == EADDRINUSE ? find_conflicting(&socket->address) : NULL;
		if (conflicting == NULL) return -1;
		socket_make_way(conflicting, socket);
	}
	return 0;
}

/* Whether superd's accept could wait: a program of an earlier service with wait = yes may have the supervisor's socket. */
static bool may_block(const struct listening_socket *socket, const struct service *service, struct error *error) {
	if (socket->passed == NULL || !socket->is_shared || service->wait) return false;
	error_set(error, "wait: a program may still have the supervisor's socket; restart superd to change it");
	errno = EBUSY;
	return true;
}

static void retry_later(void) {
	if (!loop_timer_is_set(&retry_timer)) loop_set_timer(&retry_timer, loop_now() + ADDRESS_RETRY_MS);
}

static bool is_chosen_port(const struct listening_socket *socket) {
	return socket->listener == NULL && addr_port(&socket->address) != addr_port(&socket->configured);
}

/* Closes what has been opened at a port that the kernel chose, so that it chooses again. */
static void forget_port(struct listener *listener) {
	for (struct listening_socket *socket = listener->sockets; socket != NULL; socket = socket->next) {
		if (!is_chosen_port(socket)) continue;
		socket_close(socket);
		socket->address = socket->configured;
	}
}

/*
 * Opens those of the listener's sockets that are not open. An address that is not there (yet) is left out for the command
 * line's loopback, and tried again later for a service from a file. A port that the kernel chose for one address may be in
 * use at another: then it chooses again. Returns 0, or -1 and an error.
 */
static int open_missing(struct listener *listener, const struct service *service, struct error *error) {
	struct listening_socket **link = &listener->sockets, *socket;
	int tries = PORT_TRIES;
	while ((socket = *link) != NULL) {
		bool is_only = socket == listener->sockets && socket->next == NULL;
		if (may_block(socket, service, error)) return -1;
		if (socket->watch.fd >= 0 || open_socket(listener, service, socket, error) == 0) {
			link = &socket->next;
		} else if ((errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT) && service->any_loopback && !is_only) {
			free(pop(link));
		} else if (errno == EADDRNOTAVAIL && !service->from_command_line) {
			if (socket->listener != listener)
				log_warning_at(&service->location, "%s: %s; retrying every %d s", service->id,
				    error->text, ADDRESS_RETRY_MS / 1000);
			retry_later();
			link = &socket->next;
		} else if (errno == EADDRINUSE && is_chosen_port(socket) && --tries > 0) {
			forget_port(listener);
			link = &listener->sockets;
		} else return -1;
	}
	return 0;
}

/* Gives up the sockets of the next service: new ones are closed, others are unclaimed again. */
static void give_up_sockets(struct listener *listener) {
	struct listening_socket *new = NULL;
	for (struct listening_socket *socket; (socket = pop(&listener->sockets)) != NULL;)
		push(socket->listener == NULL ? &new : &unclaimed, socket);
	close_sockets(&new);
}

/* The next service cannot be opened. Returns whether the listener goes on with the service that it has. */
static bool fail(struct listener *listener, const struct error *error) {
	log_error_at(&listener->next_service->location, "%s: %s", listener->next_service->id, error->text);
	listener->change = CHANGE_FAILED;
	if (!listener->has_service) give_up_sockets(listener);
	return listener->has_service;
}

/* Gives every listener the sockets back that it had, and opens again what those need that go on with their service. */
static void take_back_sockets(void) {
	struct error error;
	for (struct listener *listener = first; listener != NULL; listener = listener->next)
		if (listener->next_service != NULL) give_up_sockets(listener);
	for (struct listening_socket *socket; (socket = pop(&unclaimed)) != NULL;)
		push(&socket->listener->sockets, socket);
	for (struct listener *listener = first; listener != NULL; listener = listener->next)
		if (listener->next_service != NULL && listener->change == CHANGE_FAILED &&
		    open_missing(listener, listener->service, &error) < 0)
			retry_later();
}

/* Begins to poll a socket, now or later. The kernel limits how many descriptors a user may poll. */
static void poll_socket(const struct listener *listener, struct listening_socket *socket) {
	if (loop_watch(&socket->watch) == 0) return;
	log_warning(
	    "%s: epoll: %s; retrying every %d s", listener->service->id, strerror(errno), ADDRESS_RETRY_MS / 1000);
	retry_later();
}

/* The socket cannot be set up as the service needs it; at a path, for example, it may admit users that the service does not. */
static void close_failed(const struct listener *listener, struct listening_socket *socket, const char *address) {
	log_error("%s: %s: %s; retrying every %d s", listener->service->id, address, strerror(errno),
	    ADDRESS_RETRY_MS / 1000);
	socket_close(socket);
	retry_later();
}

/* Serves at all sockets of the listener that are open. */
static void start(struct listener *listener) {
	char text[ADDR_TEXT];
	listener->paused = false;
	for (struct listening_socket *socket = listener->sockets; socket != NULL; socket = socket->next) {
		bool is_new = socket->listener != listener || socket->watch.ready == NULL;
		socket->listener = listener;
		if (socket->watch.fd < 0) continue;
		addr_format(&socket->address, text);
		if (socket_set_up(socket, listener->service) < 0) {
			close_failed(listener, socket, text);
			continue;
		}
		if (is_new) log_notice("listening %s %s", listener->service->id, text);
		socket->watch.ready = on_readable;
		socket->is_shared |= listener->service->wait;
		poll_socket(listener, socket);
	}
	on_changed(listener);
}

/*
 * Gives each listener its next service, if it has one, and closes the sockets of retired listeners. Where that fails, which
 * is logged, the listener keeps its service, if it has one, with its own sockets; its change is then CHANGE_FAILED, and the
 * next service is still the caller's. From now on `readable` is called for a socket at which a client has arrived, and
 * `changed` after a listener's sockets have changed.
 */
void listener_open_all(void (*readable)(struct watch *), void (*changed)(struct listener *)) {
	struct error error;
	bool is_again;
	on_readable = readable;
	on_changed = changed;
	do {
		is_again = false;
		share_sockets();
		for (struct listener *listener = first; listener != NULL; listener = listener->next)
			if (is_changing(listener) && open_missing(listener, listener->next_service, &error) < 0)
				is_again |= fail(listener, &error);
		if (is_again) take_back_sockets();
	} while (is_again);
	for (struct listener *listener = first; listener != NULL; listener = listener->next) {
		if (listener->next_service == NULL) continue;
		if (is_changing(listener)) {
			service_release(listener->service);
			listener->service = listener->next_service;
			listener->next_service = NULL;
			listener->has_service = true;
			if (listener->sockets != NULL && listener->sockets->listener != listener) listener->holder = 0;
			limits_forget(listener);
		}
		start(listener);
	}
	close_sockets(&unclaimed);
	service_release(nameless);
	nameless = NULL;
}

/*
 * Whether listener_open_all would succeed, for a superd that only checks whether it could take over. What would fail is
 * logged, and no socket of the superd that runs is touched.
 */
bool listener_check_all(void) {
	struct error error;
	share_sockets();
	for (struct listener *listener = first; listener != NULL; listener = listener->next)
		for (struct listening_socket *socket = listener->sockets; socket != NULL; socket = socket->next) {
			bool is_open = socket->watch.fd >= 0 || find_conflicting(&socket->address) != NULL;
			if (is_open ? !may_block(socket, listener->next_service, &error)
				    : socket_check(socket, listener->next_service, &error) == 0)
				continue;
			fail(listener, &error);
			return false;
		}
	return true;
}

/* Tries again the addresses that were not there, and the sockets that could not be polled. */
static void retry_addresses(struct timer *timer) {
	struct error error;
	(void)timer;
	for (struct listener *listener = first; listener != NULL; listener = listener->next) {
		const struct listening_socket *missing = listener->sockets;
		while (missing != NULL && missing->watch.fd >= 0 && (listener->paused || missing->watch.is_polled))
			missing = missing->next;
		if (missing == NULL) continue;
		if (open_missing(listener, listener->service, &error) < 0) retry_later();
		start(listener);
	}
}

/* Stops polling the sockets, so that new connections wait in the backlog, or polls them again. */
void listener_set_paused(struct listener *listener, bool paused) {
	if (listener->paused == paused) return;
	listener->paused = paused;
	for (struct listening_socket *socket = listener->sockets; socket != NULL; socket = socket->next)
		if (paused) loop_unwatch(&socket->watch);
		else poll_socket(listener, socket);
}

/* Closes the sockets, for good. */
void listener_close(struct listener *listener) { close_sockets(&listener->sockets); }

/* Whether nothing of the listener's is left that has been accepted. */
bool listener_is_idle(const struct listener *listener) {
	return listener->running + listener->questions + listener->pending == 0 && listener->headers.count == 0 &&
	       listener->lingering.count == 0;
}

/* Frees the retired listeners that have nothing left. */
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

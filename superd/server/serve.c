/* SPDX-License-Identifier: ISC */
/*
 * serve: one connection, from accept to the child's end. What the other files decide about a client, this one does.
 */
#include "server.h"

#include <sys/wait.h>

enum {
	DNS_TIMEOUT_MS = 10 * 1000,
	MIN_RUNTIME_MS = 1000,
	MAX_ACCEPT = 8, /* at one time, of one service */
	MAX_ACCEPT_AT_STOP = 4096,
	MAX_WAITING = 256 /* lingering connections, and questions to the DNS, of one service */
};

static int64_t stop_began = INT64_MAX;

static bool is_drained; /* the stop does not wait any more */

static void accept_again(struct timer *timer);

static void start_child(const struct client *client);

/* Whether a child can be started now for a client that is pending. */
static bool has_room(const struct listener *listener) {
	return !limits_is_full(listener, listener->running) && !shortage_is_on(listener);
}

/* Works out whether new connections have to wait, and until when; the sockets are polled accordingly. */
static void update_accepting(struct listener *listener) {
	const struct service *service = listener->service;
	bool is_closed = (service->on_limit == ON_LIMIT_WAIT || service->wait) && loop_now() < listener->closed_until;
	bool is_handed_out = service->wait && listener->holder > 0;
	int64_t again = is_closed ? listener->closed_until : INT64_MAX;
	if (loop_now() < listener->shortage.until && listener->shortage.until < again) again = listener->shortage.until;
	if (listener->pending > 0 && has_room(listener)) again = loop_now();
	listener->accept_timer.due = accept_again;
	loop_set_timer(&listener->accept_timer, again);
	listener_set_paused(listener, shortage_is_on(listener) || is_closed || is_handed_out ||
					  limits_is_full(listener, listener->running + listener->pending));
}

/* The verdict on an admitted client that has waited: others of its source, or of its service, may have got programs meanwhile. */
static enum verdict check_again(struct client *client) {
	enum verdict verdict = access_check_again(client);
	return verdict == VERDICT_ALLOW ? limits_check_room(client) : verdict;
}

/* Whether the DNS has to be asked before the client is admitted. */
static bool must_ask(const struct client *client) {
	return !client->is_confirmed && domain_must_ask(client->listener->service, client->source);
}

/* Clients that are pending have been accepted before those that wait in the backlog. */
static void accept_again(struct timer *timer) {
	struct listener *listener = CONTAINER(timer, struct listener, accept_timer);
	struct client client;
	while (has_room(listener) && pending_take(listener, &client)) {
		enum verdict verdict = check_again(&client);
		if (verdict == VERDICT_ALLOW) start_child(&client);
		else refuse_client(&client, verdict);
	}
	update_accepting(listener);
}

static void update_all_accepting(struct timer *timer) {
	(void)timer;
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		update_accepting(listener);
}

/* Delays new connections for a shortage: of that listener, or (NULL) of superd itself. */
static void delay(struct listener *listener, const struct task_failure *failure) {
	static struct timer timer = {.due = update_all_accepting};
	int64_t until = shortage_begin(listener, failure);
	if (listener != NULL) {
		update_accepting(listener);
		return;
	}
	loop_set_timer(&timer, until);
	update_all_accepting(NULL);
}

/* Drops what has been prepared for a child that could not be started: the client is queued, or refused. */
static void start_failed(const struct client *client, const struct task_failure *failure) {
	struct listener *listener = client->listener;
	const struct service *service = listener->service;
	listener->spawn_failures++;
	if (shortage_is(failure->error_number) && !(service->flags & FLAG_NORETRY)) {
		bool is_own = strcmp(failure->step, "fork") == 0 || strcmp(failure->step, "memory") == 0;
		delay(is_own ? NULL : listener, failure);
		if (!client->is_accepted || pending_add(client) == 0) return;
	}
	if (listener->refusal_runs[VERDICT_FORK].refused == 0) log_start_failure(service, failure);
	refuse_client(client, VERDICT_FORK);
}

/* A child of a listener has been started (+1), or has ended (-1). A question to the DNS is none of the service's instances. */
static void count_child(const struct child *child, int change) {
	*(child->asking != NULL ? &child->listener->questions : &child->listener->running) += change;
	limits_count(child->listener, child->source, change);
	if (change < 0 && child->pid == child->listener->holder) child->listener->holder = 0;
	metrics_touch();
}

/* The child has started; or it could not, and has never run. */
static void child_started(const struct client *client, struct child *child, const struct task_failure *failure) {
	struct listener *listener = client->listener;
	if (failure != NULL) {
		count_child(child, -1);
		free(child->asking);
		child_forget(child);
		start_failed(client, failure);
		update_accepting(listener);
	} else if (child->asking == NULL) {
		if (!client->is_accepted) listener->accepted++; /* only now: it is tried again in a shortage */
		shortage_end(listener);
		log_start(listener->service, client, child->pid);
	}
}

/* Whether a client still waits at one of the listener's sockets. */
static bool is_readable(const struct listener *listener) {
	const struct listening_socket *socket = listener->sockets;
	while (socket != NULL && !socket_is_readable(socket)) socket = socket->next;
	return socket != NULL;
}

/*
 * A program with wait = yes that fails at once, or exits at once and leaves its client where it was, would be started again at
 * once, for ever. An internal service leaves what it does not answer in one go, and cps bounds it.
 */
static void back_off(struct listener *listener, const struct child *child, int status) {
	bool is_quick = loop_now() - child->began <= MIN_RUNTIME_MS && !listener->service->is_internal;
	if (!is_quick || (status == 0 && !is_readable(listener))) {
		listener->quick_exits = 0;
		return;
	}
	int64_t pause = MIN_RUNTIME_MS / 10 << (listener->quick_exits < 7 ? listener->quick_exits : 7);
	if (listener->quick_exits++ == 0) return; /* once is an accident */
	if (listener->quick_exits == 2)
		log_warning("%s: the program exits at once; restarting it with growing delays", listener->service->id);
	listener->closed_until = loop_now() + pause;
}

/* The end of drain_time, once superd stops; else never. */
static int64_t stop_deadline(const struct listener *listener) {
	if (stop_began == INT64_MAX || is_drained) return stop_began;
	return stop_began + (listener != NULL ? listener->service->drain_time * INT64_C(1000) : 0);
}

static void linger(struct listener *listener, int fd, int64_t deadline) {
	long most = listener->service->instances == UNLIMITED ? MAX_WAITING : listener->service->instances;
	int64_t stop = stop_deadline(listener);
	linger_begin(&listener->lingering, (size_t)most, fd, deadline < stop ? deadline : stop);
}

static void program_ended(struct child *child, int status) {
	struct listener *listener = child->listener;
	const struct service *service = listener->service;
	enum result result = child_hit_time_limit(child) ? RESULT_TIME_LIMIT
			     : WIFSIGNALED(status)       ? RESULT_SIGNAL
			     : status != 0               ? RESULT_ERROR
							 : RESULT_OK;
	count_child(child, -1);
	listener->exits[result]++;
	log_exit(service, child, status);
	if (child->linger_fd >= 0) linger(listener, child->linger_fd, loop_now() + service->linger * INT64_C(1000));
	if (service->wait) back_off(listener, child, status);
	update_accepting(listener);
}

/* Sends an admitted client its banner, and starts its program. */
static void admit(const struct client *client) {
	const struct banner *banner = &client->listener->service->banner_success;
	if (client->is_accepted) sys_send_nonblocking(client->fd, banner->text, banner->length);
	start_child(client);
}

/* The DNS has admitted the client, or not; after a reload, it may have to be asked for something else. */
static void question_ended(struct child *child, int status) {
	struct client *client = child->asking;
	count_child(child, -1);
	client->is_confirmed = true;
	enum verdict verdict = status == 0 ? check_again(client) : VERDICT_ADDRESS;
	if (verdict != VERDICT_ALLOW) refuse_client(client, verdict);
	else if (must_ask(client)) start_child(client);
	else admit(client);
	free(client);
	update_accepting(child->listener);
}

static void register_child(struct child *child, bool is_holder) {
	child_add(child);
	child_limit(child, stop_deadline(child->listener));
	count_child(child, +1);
	if (is_holder) child->listener->holder = child->pid;
}

/* Starts a child for the client, if there is memory for all that it needs. Returns 0, or -1 and the failure. */
static int start(const struct client *client, bool asks, struct task_failure *failure) {
	struct service *service = client->listener->service;
	int64_t span = asks ? DNS_TIMEOUT_MS : service->time_limit * INT64_C(1000);
	struct client *asking = asks ? malloc(sizeof *asking) : NULL;
	struct child *child = malloc(sizeof *child);
	*failure = (struct task_failure){"memory", ENOMEM};
	if (child != NULL && (asking != NULL || !asks)) {
		*child = (struct child){.listener = client->listener,
		    .linger_fd = service->linger > 0 && !service->wait && !asks ? client->fd : -1,
		    .asking = asking,
		    .began = loop_now(),
		    .deadline = span > 0 ? loop_now() + span : INT64_MAX,
		    .source = client->source,
		    .started = child_started,
		    .ended = asks ? question_ended : program_ended};
		if (asking != NULL) *asking = *client;
		if (spawn_start(service, client, child, failure) == 0) {
			register_child(child, !client->is_accepted);
			return 0;
		}
	}
	free(asking);
	free(child);
	return -1;
}

/*
 * Starts the program of an admitted client, now or after it was pending; or a child that asks the DNS whether the client is
 * admitted, and whose answer question_ended gets.
 */
static void start_child(const struct client *client) {
	struct listener *listener = client->listener;
	const struct service *service = listener->service;
	struct task_failure failure;
	bool can_serve = listener->has_service && client->is_accepted != service->wait;
	if (!can_serve) { /* a reload has changed that, or the service is of an earlier superd alone */
		refuse_client(client, VERDICT_FORK);
		return;
	}
	bool asks = must_ask(client), is_alone = child_count() == 0;
	bool may_wait = !asks && !service->wait && !(service->flags & FLAG_NORETRY);
	if (may_wait && !has_room(listener) && pending_add(client) == 0) return;
	int result;
	do result = start(client, asks, &failure);
	while (result < 0 && shortage_free_descriptors(failure.error_number));
	if (result < 0) start_failed(client, &failure);
	else if (is_alone) spawn_wait();
}

static enum verdict check_admission(const struct client *client, bool asks) {
	enum verdict verdict = limits_check_rate(client);
	if (verdict == VERDICT_ALLOW) verdict = access_check(client);
	if (verdict == VERDICT_ALLOW) verdict = limits_check_room(client);
	bool are_too_many = asks && client->listener->questions >= MAX_WAITING;
	return verdict == VERDICT_ALLOW && are_too_many ? VERDICT_SERVICE_LIMIT : verdict;
}

/* Admits a client, or refuses it. A client that superd has not accepted is sent no banner. */
static void handle_client(const struct client *client) {
	const struct service *service = client->listener->service;
	bool asks = must_ask(client);
	if (client->is_accepted) sys_send_nonblocking(client->fd, service->banner.text, service->banner.length);
	enum verdict verdict = check_admission(client, asks);
	if (verdict != VERDICT_ALLOW) refuse_client(client, verdict);
	else if (asks) start_child(client);
	else admit(client);
}

static void header_done(struct client *client, enum header_result result) {
	if (result == HEADER_GOOD && access_check_header(client) != VERDICT_ALLOW) result = HEADER_BAD;
	if (result == HEADER_GOOD) {
		handle_client(client);
	} else if (result == HEADER_BAD) {
		refuse_client(client, VERDICT_PROXY);
	} else {
		client->listener->refused[VERDICT_PROXY]++;
		loop_limit_waits();
		close(client->fd);
	}
	update_accepting(client->listener);
}

/* Accepts a connection, and notes its addresses. Returns 0, or -1 if there is none. */
static int accept_client(struct client *client) {
	int fd = sys_accept(client->fd, &client->peer);
	if (fd < 0 && shortage_free_descriptors(errno)) fd = sys_accept(client->fd, &client->peer);
	client->fd = fd;
	client->is_accepted = true;
	if (fd >= 0) spawn_note_client(fd);
	if (client->fd < 0) {
		struct task_failure failure = {"accept", errno};
		bool is_none = errno == EAGAIN || errno == EWOULDBLOCK || errno == ECONNABORTED || errno == EINTR;
		if (!is_none) delay(shortage_is(errno) ? NULL : client->listener, &failure);
		return -1;
	}
	if (addr_is_wildcard(&client->local)) addr_read_local(client->fd, &client->local);
	if (client->local.at.any.sa_family == AF_UNIX) {
		client->peer.at.any.sa_family = AF_UNIX;
		client->uid = sys_peer_uid(client->fd);
	}
	client->source = addr_source(&client->peer, client->uid);
	return 0;
}

/* Serves one client. Returns whether a connection was accepted, so that another may be waiting. */
static bool serve_one(const struct listening_socket *socket) {
	struct listener *listener = socket->listener;
	const struct service *service = listener->service;
	struct client client = {.fd = socket->watch.fd,
	    .listener = listener,
	    .local = socket->address,
	    .uid = (uid_t)-1,
	    .path_inode = socket->inode,
	    .admitted_by = service->fingerprint,
	    .is_refused = access_refuses_answer};
	if (limits_is_too_fast(listener)) {
		log_detail("%s: cps is reached; new connections wait %ld s", service->id, service->cps.seconds);
		update_accepting(listener);
		return false;
	}
	int result = service->wait ? socket_peek(&client) : accept_client(&client);
	if (result < 0) {
		update_accepting(listener);
		return false;
	}
	if (!service->wait) listener->accepted++;
	metrics_touch();
	if (!service->wait && addr_list_matches(&service->proxy_from, client.source))
		proxy_read_header(&listener->headers, &(struct header){.client = client}, header_done);
	else handle_client(&client);
	update_accepting(listener);
	return !service->wait;
}

/* A listening socket is readable. While other clients are served, more than one is likely to be there. */
static void serve_readable(struct watch *watch) {
	const struct listening_socket *socket = CONTAINER(watch, struct listening_socket, watch);
	int most = child_count() > 0 ? MAX_ACCEPT : 1;
	for (int i = 0; i < most && !socket->listener->paused && serve_one(socket); i++)
		;
}

/* The listener's sockets have changed. */
static void listener_changed(struct listener *listener) {
	access_note_ports(listener);
	update_accepting(listener);
}

/* Begins to serve the listeners' next services, as listener_open_all has it. */
void serve_open_all(void) {
	listener_open_all(serve_readable, listener_changed);
	access_forget_ports();
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		access_note_ports(listener);
}

/* Goes on counting a child that an earlier superd has started, if it is a child of this process. */
void serve_restore_child(struct listener *listener, const struct child *restored, bool is_holder) {
	siginfo_t about;
	struct child *child = malloc(sizeof *child);
	if (child == NULL || restored->pid <= 1 ||
	    waitid(P_PID, (id_t)restored->pid, &about, WEXITED | WNOHANG | WNOWAIT) < 0) {
		free(child);
		return;
	}
	*child = *restored;
	child->listener = listener;
	child->ended = child->asking != NULL ? question_ended : program_ended;
	register_child(child, is_holder);
	update_accepting(listener);
}

/* Queues a client that an earlier superd had admitted. */
void serve_restore_pending(const struct client *client) {
	if (pending_add(client) < 0) refuse_client(client, VERDICT_FORK);
	update_accepting(client->listener);
}

/* Goes on reading the PROXY header of a client that an earlier superd had accepted. */
void serve_restore_header(const struct header *header) {
	proxy_read_header(&header->client.listener->headers, header, header_done);
}

/* Lets a connection linger whose program an earlier superd had started. */
void serve_restore_lingering(struct listener *listener, int fd, int64_t deadline) { linger(listener, fd, deadline); }

/* Whether nothing that has been accepted is left. */
bool serve_is_idle(void) {
	const struct listener *listener = listener_first();
	while (listener != NULL && listener_is_idle(listener)) listener = listener->next;
	return (listener == NULL && child_count() == 0) || (child_count() > 0 && child_all_lost());
}

bool serve_is_stopping(void) { return stop_began != INT64_MAX; }

/* The longest drain_time of all services, in seconds. */
long serve_drain_time(void) {
	long longest = 0;
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		if (listener->service->drain_time > longest) longest = listener->service->drain_time;
	return longest;
}

/* Accepts the connections that are already in the backlog, as far as there is room: to close a socket resets them. */
static void empty_backlog(const struct listener *listener) {
	for (const struct listening_socket *socket = listener->sockets; socket != NULL; socket = socket->next)
		for (int most = MAX_ACCEPT_AT_STOP; most > 0 && !listener->paused; most--)
			if (socket->watch.fd < 0 || !serve_one(socket)) break;
}

/* The time for pending clients and PROXY headers is over. */
static void end_pending(struct timer *timer) {
	struct client client;
	(void)timer;
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next) {
		while (pending_take(listener, &client)) refuse_client(&client, VERDICT_FORK);
		waiting_end(&listener->headers, 0);
	}
}

/*
 * Stops listening. Programs may run, and connections linger, for their service's drain_time, and pending clients still get a
 * program, if that is possible within the longest drain_time; with `at_once`, that time is over.
 */
void serve_stop(bool at_once) {
	static struct timer timer = {.due = end_pending};
	is_drained = at_once;
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next) {
		if (listener->retired) continue;
		if (!at_once && !listener->service->wait) empty_backlog(listener);
		listener_close(listener);
	}
	if (stop_began == INT64_MAX) stop_began = loop_now();
	for (struct child *child = child_next(NULL); child != NULL; child = child_next(child))
		child_limit(child, stop_deadline(child->listener));
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		waiting_limit(&listener->lingering, stop_deadline(listener));
	loop_set_timer(&timer, loop_now() + (at_once ? 0 : serve_drain_time() * INT64_C(1000)));
}

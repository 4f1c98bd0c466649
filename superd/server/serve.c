/*
 * serve: one connection, from accept to the child's end. What the other files decide about a client, this one does.
 */
#include "server.h"

#include <sys/wait.h>

enum {
	REFUSAL_RUN_GAP_MS = 1000,
	UNREAD_SIZE = 65536,
	DNS_TIMEOUT_MS = 10 * 1000,
	MIN_RUNTIME_MS = 1000,
	MAX_ACCEPT = 8, /* at one time, of one service */
	MAX_ACCEPT_AT_STOP = 4096,
	RETRY_MS = 200
};

/* Nothing is accepted while superd prepares an upgrade. */
static bool is_paused;

static bool is_stopping, is_drained; /* superd stops; the time for programs is over */

/* Questions to the DNS that have not been answered. */
static size_t questions;

static void accept_again(struct timer *timer);

/* Works out whether new connections have to wait; the sockets are polled accordingly. */
static void update_accepting(struct listener *listener) {
	const struct service *service = listener->service;
	bool is_closed = (service->on_limit == ON_LIMIT_WAIT || service->wait) && loop_now() < listener->closed_until;
	bool is_handed_out = service->wait && listener->running > 0;
	int64_t again = is_closed ? listener->closed_until : INT64_MAX;
	if (loop_now() < listener->shortage.until && listener->shortage.until < again) again = listener->shortage.until;
	listener->accept_timer.due = accept_again;
	if (again != INT64_MAX) loop_set_timer(&listener->accept_timer, again);
	listener_set_paused(
	    listener, is_paused || shortage_is_on(listener) || is_closed || is_handed_out || limits_is_full(listener));
}

static void accept_again(struct timer *timer) {
	update_accepting(CONTAINER(timer, struct listener, accept_timer));
}

static void update_all_accepting(void) {
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		update_accepting(listener);
}

/* Closes a connection so that what was sent arrives: unread data would reset it. */
static void close_gently(int fd) {
	static char unread[UNREAD_SIZE];
	shutdown(fd, SHUT_WR);
	sys_receive_nonblocking(fd, unread, sizeof unread);
	close(fd);
}

/* Logs the runs of refusals that have ended, and looks again when the next one may have. */
static void end_refusal_runs(struct timer *timer) {
	struct listener *listener = CONTAINER(timer, struct listener, refusal_timer);
	int64_t again = INT64_MAX;
	for (enum verdict verdict = VERDICT_ALLOW; verdict < VERDICTS; verdict++) {
		struct refusal_run *run = &listener->refusal_runs[verdict];
		if (run->refused == 0) continue;
		int64_t over = run->last + REFUSAL_RUN_GAP_MS;
		if (verdict == VERDICT_CPS && over < listener->closed_until) over = listener->closed_until;
		if (loop_now() >= over) {
			log_refusal_run(listener->service, verdict, run->refused, run->last - run->began);
			run->refused = 0;
		} else if (over < again)
			again = over;
	}
	loop_set_timer(timer, again);
}

static void count_refusal(const struct client *client, enum verdict verdict) {
	struct listener *listener = client->listener;
	struct refusal_run *run = &listener->refusal_runs[verdict];
	listener->refused[verdict]++;
	if (verdict_kinds[verdict].logged_each_time || run->refused == 0) log_fail(listener->service, client, verdict);
	if (verdict_kinds[verdict].logged_each_time) return;
	if (run->refused++ == 0) run->began = loop_now();
	run->last = loop_now();
	listener->refusal_timer.due = end_refusal_runs;
	if (!loop_timer_is_set(&listener->refusal_timer))
		loop_set_timer(&listener->refusal_timer, run->last + REFUSAL_RUN_GAP_MS);
}

/*
 * Refuses a client. If the program accepts by itself, superd cannot: a datagram is read and discarded, and a connection waits
 * in the backlog, unless a stop has closed the socket, whose descriptor may have been reused.
 */
static void refuse(const struct client *client, enum verdict verdict) {
	struct listener *listener = client->listener;
	const struct service *service = listener->service;
	char unread;
	count_refusal(client, verdict);
	if (!service->wait) {
		sys_send_nonblocking(client->fd, service->banner_fail.text, service->banner_fail.length);
		close_gently(client->fd);
	} else if (listener->socket_count > 0 && service->socket_type == SOCK_DGRAM) {
		sys_receive_nonblocking(client->fd, &unread, sizeof unread);
	} else {
		listener->closed_until = loop_now() + MIN_RUNTIME_MS;
	}
}

static void start_child(const struct client *client);

static void reject_pending(const struct client *client) {
	refuse(client, VERDICT_FORK);
}

static void retry_pending(struct timer *timer) {
	pending_retry(start_child, reject_pending);
	update_all_accepting();
	if (pending_first() != NULL || shortage_is_on(NULL)) loop_set_timer(timer, loop_now() + RETRY_MS);
}

static struct timer retry_timer = {.due = retry_pending};

/* Delays new connections for a shortage: of that listener, or (NULL) of superd itself. */
static void delay(struct listener *listener, const struct task_failure *failure) {
	shortage_begin(listener, failure);
	if (!loop_timer_is_set(&retry_timer)) loop_set_timer(&retry_timer, loop_now() + RETRY_MS);
	if (listener == NULL)
		update_all_accepting();
	else
		update_accepting(listener);
}

/* Drops what has been prepared for a child that could not be started: the client is queued, or refused. */
static void start_failed(const struct client *client, const struct task_failure *failure) {
	struct listener *listener = client->listener;
	const struct service *service = listener->service;
	listener->spawn_failures++;
	if (shortage_is(failure->error_number) && !(service->flags & FLAG_NORETRY)) {
		bool is_own = strcmp(failure->step, "fork") == 0 || strcmp(failure->step, "memory") == 0;
		delay(is_own ? NULL : listener, failure);
		if (service->wait || pending_add(client) == 0) return;
	}
	if (listener->refusal_runs[VERDICT_FORK].refused == 0) {
		bool is_exec = strcmp(failure->step, "exec") == 0;
		log_error("%s: %s%s%s: %s", service->id, failure->step, is_exec ? " " : "",
		    is_exec ? service->path : "", strerror(failure->error_number));
	}
	refuse(client, VERDICT_FORK);
}

/* A child of the listener has been started (+1), or has ended (-1). */
static void count_child(struct listener *listener, struct source source, int change) {
	listener->running += change;
	limits_count(listener, source, change);
	metrics_touch();
}

/* The child has started; or it could not, and has never run. */
static void child_started(const struct client *client, struct child *child, const struct task_failure *failure) {
	struct listener *listener = client->listener;
	bool is_question = child->asking != NULL;
	if (failure != NULL) {
		questions -= is_question;
		free(child->asking);
		child_forget(child);
		count_child(listener, client->source, -1);
		start_failed(client, failure);
		update_accepting(listener);
	} else if (!is_question) {
		shortage_end(listener);
		log_start(listener->service, client, child->pid);
	}
}

/* A program that exits at once and has wait = yes would be started again at once, for ever. */
static void back_off(struct listener *listener, const struct child *child, int status) {
	if (status == 0 || loop_now() - child->began > MIN_RUNTIME_MS) {
		listener->quick_exits = 0;
		return;
	}
	int64_t pause = MIN_RUNTIME_MS / 10 << (listener->quick_exits < 7 ? listener->quick_exits : 7);
	if (listener->quick_exits++ == 0) return; /* once is an accident */
	if (listener->quick_exits == 2)
		log_warning("%s: the program exits at once; restarting it with growing delays", listener->service->id);
	listener->closed_until = loop_now() + pause;
}

static void program_ended(struct child *child, int status) {
	struct listener *listener = child->listener;
	const struct service *service = listener->service;
	count_child(listener, child->source, -1);
	log_exit(service, child, status);
	if (child->linger_fd >= 0) linger_begin(child->linger_fd, loop_now() + service->linger * INT64_C(1000));
	if (service->wait) back_off(listener, child, status);
	update_accepting(listener);
}

/* What a client is sent before its program writes; after a question to the DNS, if one is needed. */
static void send_banner(const struct client *client) {
	const struct banner *banner = &client->listener->service->banner_success;
	sys_send_nonblocking(client->fd, banner->text, banner->length);
}

static void question_ended(struct child *child, int status) {
	struct client *client = child->asking;
	questions--;
	count_child(child->listener, child->source, -1);
	if (status == 0) {
		client->is_confirmed = true;
		send_banner(client);
		start_child(client);
	} else {
		refuse(client, VERDICT_ADDRESS);
	}
	free(client);
	update_accepting(child->listener);
}

/* The time of a stop until which a child of the listener may run; INT64_MAX if superd is not stopping. */
static int64_t stop_deadline(const struct listener *listener) {
	if (!is_stopping) return INT64_MAX;
	long drain_time = is_drained || listener == NULL ? 0 : listener->service->drain_time;
	return loop_now() + drain_time * INT64_C(1000);
}

static void register_child(struct child *child) {
	child_add(child);
	child_limit(child, stop_deadline(child->listener));
	count_child(child->listener, child->source, +1);
}

/* Starts a child for the client, if there is memory for all that it needs. Returns 0, or -1 and the failure. */
static int start(const struct client *client, bool must_ask, struct task_failure *failure) {
	struct service *service = client->listener->service;
	int64_t span = must_ask ? DNS_TIMEOUT_MS : service->time_limit * INT64_C(1000);
	struct client *asking = must_ask ? malloc(sizeof *asking) : NULL;
	struct child *child = malloc(sizeof *child);
	*failure = (struct task_failure){"memory", ENOMEM};
	if (child != NULL && (asking != NULL || !must_ask)) {
		*child = (struct child){.listener = client->listener,
		    .linger_fd = service->linger > 0 && !service->wait && !must_ask ? client->fd : -1,
		    .asking = asking,
		    .began = loop_now(),
		    .deadline = span > 0 ? loop_now() + span : INT64_MAX,
		    .source = client->source,
		    .ended = must_ask ? question_ended : program_ended};
		if (asking != NULL) *asking = *client;
		spawn_wait_for_slot();
		if ((must_ask ? spawn_question : spawn_program)(service, client, child, child_started, failure) == 0) {
			questions += must_ask;
			register_child(child);
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
	struct task_failure failure;
	bool must_ask = !client->is_confirmed && domain_must_ask(client->listener->service, client->source);
	bool is_alone = child_count() == 0;
	if (start(client, must_ask, &failure) < 0)
		start_failed(client, &failure);
	else if (is_alone)
		spawn_wait();
}

static enum verdict check_admission(const struct client *client) {
	enum verdict verdict = limits_check_rate(client);
	if (verdict == VERDICT_ALLOW) verdict = access_check(client);
	if (verdict == VERDICT_ALLOW) verdict = limits_check_room(client);
	return verdict;
}

/* Admits a client, or refuses it. A client that superd has not accepted is sent no banner. */
static void handle_client(const struct client *client) {
	const struct service *service = client->listener->service;
	if (!service->wait) sys_send_nonblocking(client->fd, service->banner.text, service->banner.length);
	enum verdict verdict = check_admission(client);
	if (verdict != VERDICT_ALLOW) {
		refuse(client, verdict);
		return;
	}
	if (!service->wait && !domain_must_ask(service, client->source)) send_banner(client);
	start_child(client);
}

static void header_done(struct client *client, bool is_good) {
	client->listener->pending--;
	if (is_good)
		handle_client(client);
	else
		refuse(client, VERDICT_PROXY);
	update_accepting(client->listener);
}

/* Accepts a connection, and notes its addresses. Returns 0, or -1 if there is none. */
static int accept_client(struct client *client) {
	client->fd = sys_accept(client->fd, &client->peer);
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

/* Whether an internal service of this superd answers at that port. */
static bool is_internal_port(unsigned port) {
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		for (size_t i = 0; i < listener->socket_count && listener->service->internal != INTERNAL_NONE; i++)
			if (addr_port(&listener->sockets[i].address) == port) return true;
	return false;
}

/*
 * Whether the peer may answer an answer, so that a forged datagram could set two services on each other for ever: at a
 * well-known port, or at that of an internal service of this superd.
 */
static bool is_reflector(const struct endpoint *peer) {
	return addr_port(peer) < IPPORT_RESERVED || is_internal_port(addr_port(peer));
}

/* The program gets the socket itself. The sender of a datagram is known, that of a connection is not. */
static void peek_client(struct client *client) {
	if (client->listener->service->socket_type != SOCK_DGRAM) return;
	sys_peek_sender(client->fd, &client->peer);
	client->source = addr_source(&client->peer, client->uid);
}

/* Serves one client. Returns whether a connection was accepted, so that another may be waiting. */
static bool serve_one(const struct listening_socket *socket) {
	struct listener *listener = socket->listener;
	const struct service *service = listener->service;
	struct client client = {.fd = socket->watch.fd,
	    .listener = listener,
	    .local = socket->address,
	    .uid = (uid_t)-1,
	    .is_reflector = is_reflector};
	if (limits_is_too_fast(listener)) {
		log_detail("%s: cps is reached; new connections wait %ld s", service->id, service->cps.seconds);
		update_accepting(listener);
		return false;
	}
	if (service->wait)
		peek_client(&client);
	else if (accept_client(&client) < 0)
		return false;
	listener->accepted++;
	metrics_touch();
	if (!service->wait && addr_list_matches(&service->proxy_from, client.source)) {
		listener->pending++;
		proxy_read_header(&client, header_done);
	} else
		handle_client(&client);
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

/* Begins to serve a service. Returns 0, or -1 and an error. */
int serve_service(struct service *service, struct error *error) {
	return listener_new(service, serve_readable, update_accepting, error) != NULL ? 0 : -1;
}

/* Whether something is under way that cannot be handed over to another superd: a PROXY header, a question to the DNS. */
bool serve_is_waiting(void) {
	return proxy_pending() > 0 || questions > 0;
}

/* With `paused`, new connections wait in the backlog. */
void serve_set_paused(bool paused) {
	is_paused = paused;
	update_all_accepting();
}

/* Goes on counting a child that an earlier superd has started, if it is a child of this process. */
void serve_restore_child(const char *id, size_t nth, const struct child *restored) {
	siginfo_t about;
	if (restored->pid <= 1 || waitid(P_PID, (id_t)restored->pid, &about, WEXITED | WNOHANG | WNOWAIT) < 0) return;
	struct listener *listener = listener_find(id, nth);
	if (listener == NULL) listener = listener_make_retired(id);
	struct child *child = listener != NULL ? malloc(sizeof *child) : NULL;
	if (child == NULL) return;
	*child = *restored;
	child->listener = listener;
	child->ended = program_ended;
	register_child(child);
	update_accepting(listener);
}

/* Queues a client that an earlier superd had accepted. Returns 0, or -1 for want of memory. */
int serve_restore_pending(const struct client *client) {
	loop_set_timer(&retry_timer, loop_now());
	return pending_add(client);
}

/* The longest drain_time of all services, in seconds. */
long serve_drain_time(void) {
	long longest = 0;
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		if (listener->service->drain_time > longest) longest = listener->service->drain_time;
	return longest;
}

/* Accepts the connections that are already in the backlog, as far as there is room: to close a socket resets them. */
static void empty_backlog(const struct listener *listener) {
	for (size_t i = 0; i < listener->socket_count; i++)
		for (int most = MAX_ACCEPT_AT_STOP; most > 0 && !listener->paused; most--)
			if (listener->sockets[i].watch.fd < 0 || !serve_one(&listener->sockets[i])) break;
}

/*
 * Stops listening. Programs may run for their service's drain_time, and pending clients still get one, if that is possible
 * within the longest drain_time; with `at_once`, that time is over.
 */
void serve_stop(bool at_once) {
	is_drained = at_once;
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next) {
		if (listener->retired) continue;
		if (!at_once && !listener->service->wait) empty_backlog(listener);
		listener_close(listener);
	}
	is_stopping = true;
	for (struct child *child = child_next(NULL); child != NULL; child = child_next(child))
		child_limit(child, stop_deadline(child->listener));
	pending_set_deadline(loop_now() + (at_once ? 0 : serve_drain_time() * INT64_C(1000)));
	loop_set_timer(&retry_timer, loop_now());
}

/*
 * serve: one comer, from accept to the child, and the child's end. What each module says of a comer, this one does.
 */
#include "superd.h"

/* PATIENCE is how many short sleeps a comer's place among those on their way is waited for. */
enum { EPISODE_QUIET = 1000, DRAIN_SIZE = 65536, DNS_PATIENCE = 10, QUICK = 1000, BACKLOG = 4096, PATIENCE = 100 };

/* Nothing is accepted while superd gets ready to be replaced. */
static bool is_paused;

/* Whether new connections have to wait, from all that speaks for it; the sockets follow. */
static void review(struct listener *listener) {
	const struct service *service = listener->service;
	bool shut = (service->on_limit == ON_LIMIT_WAIT || service->wait) && loop_now() < listener->closed_until;
	if (shut) loop_wake_at(listener->closed_until);
	bool is_away = service->wait && listener->running > 0;
	listener_pause(listener, is_paused || hold_is_short(listener) || shut || is_away || limits_is_full(listener));
}

static void review_all(void) {
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		review(listener);
}

/* Closes a connection so that what was sent arrives: what has come in and was not read would reset it. */
static void close_gently(int fd) {
	static char unread[DRAIN_SIZE];
	shutdown(fd, SHUT_WR);
	sys_receive_unblocked(fd, unread, sizeof unread);
	close(fd);
}

static void note_refusal(const struct client *client, enum verdict verdict) {
	struct listener *listener = client->listener;
	struct episode *episode = &listener->episodes[verdict];
	listener->refused[verdict]++;
	bool is_said_once = verdict == VERDICT_SERVICE_LIMIT || verdict == VERDICT_CPS || verdict == VERDICT_LOAD ||
			    verdict == VERDICT_FORK;
	if (episode->refused == 0 || !is_said_once) log_fail(client, verdict);
	if (!is_said_once) return;
	if (episode->refused++ == 0) episode->began = loop_now();
	episode->last = loop_now();
	loop_wake_at(episode->last + EPISODE_QUIET);
}

/* Who comes to a program that takes the socket itself was not accepted: a datagram is read off, a connection waits. */
static void pass_over(const struct client *client) {
	struct listener *listener = client->listener;
	char unread;
	if (listener->socket_count == 0) return; /* closed by a stop: the number may be another's by now */
	if (listener->service->socket_type == SOCK_DGRAM)
		sys_receive_unblocked(client->fd, &unread, sizeof unread);
	else
		listener->closed_until = loop_now() + QUICK;
}

static void refuse(const struct client *client, enum verdict verdict) {
	const struct banner *banner = &client->listener->service->banner_fail;
	note_refusal(client, verdict);
	if (client->listener->service->wait) {
		pass_over(client);
		return;
	}
	sys_send_unblocked(client->fd, banner->text, banner->length);
	close_gently(client->fd);
}

static void note_child(struct conn *conn, const struct client *client, pid_t pid, struct client *asking) {
	struct listener *listener = client->listener;
	const struct service *service = listener->service;
	bool lingers = service->linger > 0 && !service->wait;
	long seconds = asking != NULL ? DNS_PATIENCE : service->time_limit;
	*conn = (struct conn){.listener = listener,
	    .pid = pid,
	    .linger_fd = lingers && asking == NULL ? client->fd : -1,
	    .asking = asking,
	    .began = loop_now(),
	    .deadline = seconds > 0 ? loop_now() + seconds * 1000 : INT64_MAX,
	    .source = client->source};
	conn_add(conn);
	listener->running++;
	limits_count(listener, client->source, +1);
}

static void cannot_start(const struct client *client, const struct spawn_failure *failure) {
	struct listener *listener = client->listener;
	const struct service *service = listener->service;
	listener->spawn_failures++;
	bool may_wait = hold_is_shortage(failure->error) && !(service->flags & FLAG_NORETRY);
	if (may_wait && hold_client(client, failure) == 0) {
		review_all();
		return;
	}
	if (listener->episodes[VERDICT_FORK].refused == 0)
		log_error("%s: %s %s: %s", service->id, failure->step, service->path ? service->path : "",
		    strerror(failure->error));
	refuse(client, VERDICT_FORK);
}

/* A child is where it was sent: it has executed its program, or could not. */
static void started(const struct client *client, pid_t pid, const struct spawn_failure *failure) {
	struct listener *listener = client->listener;
	const struct service *service = listener->service;
	if (failure != NULL) {
		conn_forget(pid);
		listener->running--;
		limits_count(listener, client->source, -1);
		cannot_start(client, failure);
		review(listener);
		return;
	}
	hold_over(listener);
	log_start(client, pid);
	if (service->linger == 0 && !service->wait) close(client->fd);
}

/* Does what is to do for children that have come to their programs, and waits for others, as spawn_settle does. */
bool serve_settle(size_t most, int sleeps) {
	return spawn_settle(most, sleeps, started);
}

/*
 * Takes the next step for a client that the checks let in, be it the first time or after it was held: starts its
 * program, or a child that asks the DNS whether it may come, and whose answer serve_ended hears.
 */
static void proceed(const struct client *client) {
	struct spawn_failure failure = {"memory", ENOMEM};
	bool must_ask = !client->is_confirmed && domain_must_ask(client->listener->service, client->source);
	struct client *asking = must_ask ? malloc(sizeof *asking) : NULL;
	struct conn *conn = malloc(sizeof *conn);
	pid_t pid = -1;
	bool is_alone = conn_count() == 0;
	if (!must_ask && !serve_settle(SPAWN_MOST - 1, PATIENCE))
		failure = (struct spawn_failure){"fork", EAGAIN};
	else if (conn != NULL && must_ask == (asking != NULL))
		pid = must_ask ? spawn_question(client, &failure) : spawn_program(client, is_alone, &failure);
	if (pid < 0) {
		free(asking);
		free(conn);
		cannot_start(client, &failure);
		return;
	}
	if (asking != NULL) *asking = *client;
	note_child(conn, client, pid, asking);
	if (is_alone) serve_settle(0, 1);
}

static void give_up(const struct client *client) {
	refuse(client, VERDICT_FORK);
}

static enum verdict judge(const struct client *client) {
	enum verdict verdict = limits_check_rate(client);
	if (verdict == VERDICT_WELCOME) verdict = access_check(client);
	if (verdict == VERDICT_WELCOME) verdict = limits_check_room(client);
	return verdict;
}

/* What the client is told before its program speaks; one whose name is still to be asked for, when that is known. */
static void greet(const struct client *client) {
	const struct banner *banner = &client->listener->service->banner_success;
	sys_send_unblocked(client->fd, banner->text, banner->length);
}

/* Lets a client in, or not. One that was not accepted by us is not spoken to. */
static void admit(const struct client *client) {
	const struct service *service = client->listener->service;
	if (!service->wait) sys_send_unblocked(client->fd, service->banner.text, service->banner.length);
	enum verdict verdict = judge(client);
	if (verdict != VERDICT_WELCOME) {
		refuse(client, verdict);
		return;
	}
	if (!service->wait && !domain_must_ask(service, client->source)) greet(client);
	proceed(client);
}

/* Accepts a connection: who the client is, and which of our addresses it came to. Returns 0, or -1 if there is none. */
static int accept_client(struct client *client) {
	client->fd = sys_accept(client->fd, &client->peer);
	if (client->fd < 0) {
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ECONNABORTED && errno != EINTR) {
			hold_all("accept", errno);
			review_all();
		}
		return -1;
	}
	if (addr_is_wildcard(&client->local)) {
		client->local.length = sizeof client->local.at;
		getsockname(client->fd, &client->local.at.any, &client->local.length);
	}
	if (client->local.at.any.sa_family == AF_UNIX) {
		client->peer.at.any.sa_family = AF_UNIX;
		client->uid = sys_peer_uid(client->fd);
	}
	client->source = addr_source(&client->peer, client->uid);
	return 0;
}

/* The program gets the socket itself. Of a datagram it can be told whose it is, of a connection not. */
static void peek_client(struct client *client) {
	if (client->listener->service->socket_type != SOCK_DGRAM) return;
	sys_peek_sender(client->fd, &client->peer);
	client->source = addr_source(&client->peer, client->uid);
}

/* One comer. Returns whether a connection was accepted, so that another may be waiting. */
static bool serve_one(const struct listening_socket *socket) {
	struct listener *listener = socket->listener;
	const struct service *service = listener->service;
	struct client client = {
	    .fd = socket->watch.fd, .listener = listener, .local = socket->address, .uid = (uid_t)-1};
	if (limits_is_too_fast(listener)) {
		log_detail("%s: too fast; who comes waits %ld s", service->id, service->cps.seconds);
		review(listener);
		return false;
	}
	if (service->wait)
		peek_client(&client);
	else if (accept_client(&client) < 0)
		return false;
	listener->accepted++;
	metrics_touch();
	if (!service->wait && addr_list_matches(&service->proxy_from, client.source))
		proxy_greet(&client);
	else
		admit(&client);
	review(listener);
	return !service->wait;
}

/* Someone knocks at a listening socket. Where others are being served, it is likely that more than one does. */
void serve_comer(struct watch *watch) {
	const struct listening_socket *socket = (struct listening_socket *)(void *)watch;
	int most = conn_count() > 0 ? SPAWN_MOST : 1;
	for (int i = 0; i < most && !socket->listener->paused && serve_one(socket); i++)
		;
}

/* The client's PROXY header has been read, or was none. */
void serve_greeted(const struct client *client, bool is_good) {
	if (is_good)
		admit(client);
	else
		refuse(client, VERDICT_PROXY);
	review(client->listener);
}

/* A program that had the socket and fails at once would be started again at once, for ever. */
static void back_off(struct listener *listener, const struct conn *conn, int status) {
	if (status == 0 || loop_now() - conn->began > QUICK) {
		listener->failures = 0;
		return;
	}
	int64_t pause = QUICK / 10 << (listener->failures < 7 ? listener->failures : 7);
	if (listener->failures++ == 0) return; /* once is an accident */
	if (listener->failures == 2)
		log_warning("%s: the program exits at once; restarting it with growing delays", listener->service->id);
	listener->closed_until = loop_now() + pause;
}

/* A child has ended: a program, or a question to the DNS. */
void serve_ended(struct conn *conn, int status) {
	struct listener *listener = conn->listener;
	const struct service *service = listener->service;
	listener->running--;
	limits_count(listener, conn->source, -1);
	metrics_touch();
	if (conn->asking == NULL) {
		log_exit(conn, status);
	} else if (status == 0) {
		conn->asking->is_confirmed = true;
		greet(conn->asking);
		proceed(conn->asking);
	} else {
		refuse(conn->asking, VERDICT_ADDRESS);
	}
	free(conn->asking);
	if (conn->linger_fd >= 0) linger_begin(conn->linger_fd, service->linger * INT64_C(1000));
	if (service->wait) back_off(listener, conn, status);
	review(listener);
}

static void end_episodes(struct listener *listener) {
	for (enum verdict verdict = VERDICT_WELCOME; verdict < VERDICTS; verdict++) {
		struct episode *episode = &listener->episodes[verdict];
		if (episode->refused == 0) continue;
		int64_t over = episode->last + EPISODE_QUIET;
		if (verdict == VERDICT_CPS && over < listener->closed_until) over = listener->closed_until;
		if (loop_now() < over) {
			loop_wake_at(over);
			continue;
		}
		log_episode(listener->service, verdict, episode->refused, episode->last - episode->began);
		episode->refused = 0;
	}
}

/* What is due: the end of a shortage, of an overload, of a time to stay shut. */
void serve_tick(void) {
	hold_tick(proceed, give_up);
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		end_episodes(listener);
	review_all();
}

/* Goes on counting a child that an earlier image of superd started. */
void serve_adopt(const char *id, size_t nth, const struct conn *child) {
	struct listener *listener = listener_find(id, nth);
	if (listener == NULL) listener = listener_make_retired(id);
	struct conn *conn = listener != NULL ? malloc(sizeof *conn) : NULL;
	if (conn == NULL) return;
	*conn = *child;
	conn->listener = listener;
	listener->running++;
	limits_count(listener, conn->source, +1);
	conn_add(conn);
	review(listener);
}

/* Lets whoever comes wait in the backlog, or no more. */
void serve_pause(bool paused) {
	is_paused = paused;
	review_all();
}

/* As a row of a table where `width` is that of the ids, and not 0. */
static void log_listener_state(const struct listener *listener, int width) {
	char refused[400] = "";
	unsigned long total = 0;
	for (enum verdict verdict = VERDICT_WELCOME + 1; verdict < VERDICTS; verdict++) {
		total += listener->refused[verdict];
		if (listener->refused[verdict] > 0)
			text_add(
			    refused, sizeof refused, " %s=%lu", log_verdict_word(verdict), listener->refused[verdict]);
	}
	const char *state = listener->retired ? "retired" : listener->paused ? "paused" : "listening";
	log_always(width > 0 ? "%-*s  %-9s  %7ld  %8lu  %7lu  %14lu%s"
			     : "STATE: %*s %s running=%ld accepted=%lu refused=%lu spawn_failures=%lu%s",
	    width, listener->service->id, state, listener->running, listener->accepted, total, listener->spawn_failures,
	    refused);
}

/* Says the state of every service (USR1); on a terminal as a table. */
void serve_log_state(void) {
	int width = log_is_terminal() ? (int)strlen("SERVICE") : 0;
	for (const struct listener *listener = listener_first(); width > 0 && listener; listener = listener->next)
		if (strlen(listener->service->id) > (size_t)width) width = (int)strlen(listener->service->id);
	if (width > 0) log_always("%-*s  STATE      RUNNING  ACCEPTED  REFUSED  SPAWN_FAILURES", width, "SERVICE");
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		log_listener_state(listener, width);
}

/* Lets in who has already connected, as far as there is room: to close a socket resets all who wait at it. */
static void empty_backlog(const struct listener *listener) {
	for (size_t i = 0; i < listener->socket_count; i++)
		for (int most = BACKLOG; most > 0 && !listener->paused && listener->sockets[i].watch.fd >= 0; most--)
			if (!serve_one(&listener->sockets[i])) break;
}

/* The longest drain_time of all services, in seconds. */
long serve_drain_time(void) {
	long longest = 0;
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		if (listener->service->drain_time > longest) longest = listener->service->drain_time;
	return longest;
}

/* Stops listening. Who is held still gets a program, if that can be had before the longest drain_time is over. */
void serve_stop(bool at_once) {
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next) {
		if (!at_once && !listener->service->wait) empty_backlog(listener);
		listener_close(listener);
	}
	hold_give_up_at(loop_now() + (at_once ? 0 : serve_drain_time() * INT64_C(1000)));
}

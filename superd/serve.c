/*
 * serve: one comer, from accept to the child, and the child's end. Where there are no descriptors, processes or memory
 * left, whom superd has accepted is held, the rest wait in the backlog, and it is tried again a little later.
 */
#include "superd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHORTAGE_RETRY = 200, EPISODE_QUIET = 1000, DRAIN_SIZE = 65536 };

/* One shortage at a time: while it lasts nothing is accepted, so there is at most one client to hold. */
static struct {
	bool paused, said, holding;
	int64_t began, retry_at;
	struct client held;
} shortage;

/* Whether new connections have to wait, from all that speaks for it; the sockets follow. */
static void review(struct listener *listener) {
	bool shut = listener->service->on_limit == ON_LIMIT_WAIT && loop_now() < listener->closed_until;
	if (shut)
		loop_wake_at(listener->closed_until);
	listener_pause(listener, shortage.paused || shut || limits_is_full(listener));
}

static void review_all(void) {
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		if (!listener->retired)
			review(listener);
}

static void begin_shortage(const char *step, int error) {
	if (!shortage.said) {
		log_error("%s: %s; new connections wait", step, strerror(error));
		shortage.began = loop_now();
	}
	shortage.said = shortage.paused = true;
	shortage.retry_at = loop_now() + SHORTAGE_RETRY;
	loop_wake_at(shortage.retry_at);
	review_all();
}

static void end_shortage(void) {
	log_warning("the shortage has ended after %ld s", (long)((loop_now() - shortage.began) / 1000));
	shortage.said = false;
}

/* Whether the same may well succeed a little later. A program that is being written is soon whole again. */
static bool is_shortage(int error) {
	return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE || error == ENOBUFS ||
	       error == ETXTBSY;
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
	bool is_said_once = verdict == VERDICT_SERVICE_LIMIT || verdict == VERDICT_CPS ||
			    verdict == VERDICT_LOAD || verdict == VERDICT_FORK;
	if (episode->refused == 0 || !is_said_once)
		log_fail(client, verdict);
	if (!is_said_once)
		return;
	if (episode->refused++ == 0)
		episode->began = loop_now();
	episode->last = loop_now();
	loop_wake_at(episode->last + EPISODE_QUIET);
}

static void refuse(const struct client *client, enum verdict verdict) {
	const struct banner *banner = &client->listener->service->banner_fail;
	note_refusal(client, verdict);
	sys_send_unblocked(client->fd, banner->text, banner->length);
	close_gently(client->fd);
}

static void note_child(const struct client *client, pid_t pid) {
	struct listener *listener = client->listener;
	const struct service *service = listener->service;
	bool lingers = service->linger > 0;
	conn_add(&(struct conn){.listener = listener,
	    .pid = pid,
	    .linger_fd = lingers ? client->fd : -1,
	    .began = loop_now(),
	    .deadline = service->time_limit > 0 ? loop_now() + service->time_limit * 1000 : INT64_MAX,
	    .source = client->source});
	listener->running++;
	limits_count(listener, client->source, +1);
	log_start(client, pid);
	if (!lingers)
		close(client->fd);
}

/* Starts the program for a client that is welcome, or holds the client until that is possible. */
static void start(const struct client *client) {
	struct spawn_failure failure = {"memory", ENOMEM};
	struct listener *listener = client->listener;
	pid_t pid = conn_reserve() < 0 ? -1 : spawn_program(client, &failure);
	shortage.holding = false;
	if (pid > 0) {
		if (shortage.said)
			end_shortage();
		note_child(client, pid);
		review(listener);
		return;
	}
	listener->spawn_failures++;
	if (is_shortage(failure.error) && !(listener->service->flags & FLAG_NORETRY)) {
		shortage.held = *client;
		shortage.holding = true;
		begin_shortage(failure.step, failure.error);
		return;
	}
	if (listener->episodes[VERDICT_FORK].refused == 0)
		log_error("%s: %s %s: %s", listener->service->id, failure.step, listener->service->path,
		    strerror(failure.error));
	refuse(client, VERDICT_FORK);
}

static enum verdict judge(const struct client *client) {
	enum verdict verdict = limits_check_rate(client);
	if (verdict == VERDICT_WELCOME)
		verdict = access_check(client);
	if (verdict == VERDICT_WELCOME)
		verdict = limits_check_room(client);
	return verdict;
}

/* Lets a client in, or not. */
static void admit(const struct client *client) {
	const struct service *service = client->listener->service;
	sys_send_unblocked(client->fd, service->banner.text, service->banner.length);
	enum verdict verdict = judge(client);
	if (verdict != VERDICT_WELCOME) {
		refuse(client, verdict);
		return;
	}
	sys_send_unblocked(client->fd, service->banner_success.text, service->banner_success.length);
	start(client);
}

/* Who the client is, and which of our addresses it came to. */
static void identify(struct client *client, const struct listening_socket *socket) {
	client->local = socket->address;
	if (socket->wildcard) {
		client->local.length = sizeof client->local.at;
		getsockname(client->fd, &client->local.at.any, &client->local.length);
	}
	client->uid = (uid_t)-1;
	if (socket->address.at.any.sa_family == AF_UNIX) {
		client->peer.at.any.sa_family = AF_UNIX;
		client->uid = sys_peer_uid(client->fd);
	}
	client->source = addr_source(&client->peer, client->uid);
}

/* Someone knocks at a listening socket. */
void serve_comer(struct watch *watch) {
	struct listening_socket *socket = (struct listening_socket *)(void *)watch;
	struct client client = {.listener = socket->listener};
	if (limits_is_too_fast(client.listener)) {
		review(client.listener);
		return;
	}
	client.fd = sys_accept(watch->fd, &client.peer);
	if (client.fd < 0) {
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ECONNABORTED && errno != EINTR)
			begin_shortage("accept", errno);
		return;
	}
	client.listener->accepted++;
	identify(&client, socket);
	admit(&client);
}

/* A child has ended. */
void serve_ended(struct conn *conn, int status) {
	struct listener *listener = conn->listener;
	listener->running--;
	limits_count(listener, conn->source, -1);
	log_exit(conn, status);
	if (!listener->retired)
		review(listener);
}

static void end_episodes(struct listener *listener) {
	for (enum verdict verdict = VERDICT_WELCOME; verdict < VERDICTS; verdict++) {
		struct episode *episode = &listener->episodes[verdict];
		if (episode->refused == 0)
			continue;
		int64_t over = episode->last + EPISODE_QUIET;
		if (verdict == VERDICT_CPS && over < listener->closed_until)
			over = listener->closed_until;
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
	if (shortage.paused && loop_now() < shortage.retry_at)
		loop_wake_at(shortage.retry_at);
	else if (shortage.paused) {
		shortage.paused = false;
		if (shortage.holding)
			start(&shortage.held);
	}
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		end_episodes(listener);
	review_all();
}

/* Whether a client is held that no child has been started for yet. */
bool serve_is_holding(void) {
	return shortage.holding;
}

static void log_listener_state(const struct listener *listener) {
	char refused[400] = "";
	size_t length = 0;
	unsigned long total = 0;
	for (enum verdict verdict = VERDICT_WELCOME + 1; verdict < VERDICTS; verdict++) {
		total += listener->refused[verdict];
		if (listener->refused[verdict] > 0)
			length += (size_t)snprintf(refused + length, sizeof refused - length, " %s=%lu",
			    log_verdict_word(verdict), listener->refused[verdict]);
	}
	const char *state = listener->retired ? "retired" : listener->paused ? "paused" : "listening";
	log_always("STATE: %s %s running=%ld accepted=%lu refused=%lu spawn_failures=%lu%s",
	    listener->service->id, state, listener->running, listener->accepted, total,
	    listener->spawn_failures, refused);
}

/* Says the state of every service (USR1). */
void serve_log_state(void) {
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		log_listener_state(listener);
}

/* Stops listening; who is held still gets its program. */
void serve_stop(void) {
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		if (!listener->retired)
			listener_retire(listener, false);
}

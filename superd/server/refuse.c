/* SPDX-License-Identifier: ISC */
/*
 * refuse: a client is refused: counted, logged, and its connection closed. Of a run of refusals for one reason, the begin and
 * the end are logged, where xinetd's log would have a line for each.
 */
#include "server.h"

enum { RUN_GAP_MS = 1000, RETRY_MS = 1000, UNREAD_SIZE = 65536 };

/* xinetd's words, where xinetd has one. */
const struct verdict_kind verdict_kinds[VERDICTS] = {
    [VERDICT_ADDRESS] = {.word = "address", .logged_each_time = true},
    [VERDICT_TIME] = {.word = "time", .logged_each_time = true},
    [VERDICT_LOAD] = {.word = "load"},
    [VERDICT_SERVICE_LIMIT] = {.word = "service_limit"},
    [VERDICT_PER_SOURCE_LIMIT] = {.word = "per_source_limit", .logged_each_time = true},
    [VERDICT_CPS] = {.word = "cps"},
    [VERDICT_PER_SOURCE_CPS] = {.word = "per_source_cps", .logged_each_time = true},
    [VERDICT_SENSOR] = {.word = "sensor", .logged_each_time = true},
    [VERDICT_PROXY] = {.word = "proxy", .logged_each_time = true},
    [VERDICT_FORK] = {.word = "fork"},
};

/* Closes a connection so that what was sent arrives: unread data would reset it. */
static void close_gently(int fd) {
	static char unread[UNREAD_SIZE];
	loop_limit_waits();
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
		int64_t over = run->last + RUN_GAP_MS;
		if (verdict == VERDICT_CPS && over < listener->closed_until) over = listener->closed_until;
		if (loop_now() >= over) {
			log_refusal_run(
			    listener->service, verdict_kinds[verdict].word, run->refused, run->last - run->began);
			run->refused = 0;
		} else if (over < again) again = over;
	}
	loop_set_timer(timer, again);
}

static void count_refusal(const struct client *client, enum verdict verdict) {
	struct listener *listener = client->listener;
	const struct verdict_kind *kind = &verdict_kinds[verdict];
	struct refusal_run *run = &listener->refusal_runs[verdict];
	listener->refused[verdict]++;
	if (addr_list_matches(&listener->service->no_log_from, client->source)) return;
	if (kind->logged_each_time || run->refused == 0) log_fail(listener->service, client, kind->word);
	if (kind->logged_each_time) return;
	if (run->refused++ == 0) run->began = loop_now();
	run->last = loop_now();
	listener->refusal_timer.due = end_refusal_runs;
	if (!loop_timer_is_set(&listener->refusal_timer))
		loop_set_timer(&listener->refusal_timer, run->last + RUN_GAP_MS);
}

/* A reload or a stop may have closed the socket that the client has come by, and its number may be another's. */
static bool has_socket(const struct listener *listener, int fd) {
	const struct listening_socket *socket = listener->sockets;
	while (socket != NULL && socket->watch.fd != fd) socket = socket->next;
	return socket != NULL;
}

/*
 * Refuses a client. If the program accepts by itself, superd cannot: a datagram is read and discarded, and a connection waits
 * in the backlog.
 */
void refuse_client(const struct client *client, enum verdict verdict) {
	struct listener *listener = client->listener;
	const struct service *service = listener->service;
	char unread;
	count_refusal(client, verdict);
	if (client->is_accepted) {
		sys_send_nonblocking(client->fd, service->banner_fail.text, service->banner_fail.length);
		close_gently(client->fd);
	} else {
		loop_limit_waits();
		bool is_dgram = service->socket_type == SOCK_DGRAM && has_socket(listener, client->fd);
		bool is_read = is_dgram && sys_receive_nonblocking(client->fd, &unread, sizeof unread) > 0;
		bool was_there = is_read || (is_dgram && client->peer.length > 0); /* a datagram may be empty */
		if (!was_there) listener->closed_until = loop_now() + RETRY_MS;
	}
}

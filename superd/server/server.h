/* SPDX-License-Identifier: ISC */
/*
 * server: the services at work: listening, admission, limits, shortages, counters. A `listener` runs and counts for one
 * service of the configuration.
 */
#ifndef SERVER_H
#define SERVER_H

#include "../connection/connection.h"

/* The result of the admission checks. */
/* clang-format off */
enum verdict {
	VERDICT_ALLOW, VERDICT_ADDRESS, VERDICT_TIME, VERDICT_LOAD, VERDICT_SERVICE_LIMIT, VERDICT_PER_SOURCE_LIMIT,
	VERDICT_CPS, VERDICT_PER_SOURCE_CPS, VERDICT_SENSOR, VERDICT_PROXY, VERDICT_FORK, VERDICTS
};
/* clang-format on */

/* FAIL's word, which is the metrics' reason too; and whether it is logged each time, or once for a run of refusals. */
struct verdict_kind {
	const char *word;
	bool logged_each_time;
};
extern const struct verdict_kind verdict_kinds[VERDICTS];

/* How a program has ended. */
enum result { RESULT_OK, RESULT_ERROR, RESULT_SIGNAL, RESULT_TIME_LIMIT, RESULTS };
extern const char *const result_words[RESULTS];

struct listening_socket {
	struct watch watch; /* fd -1: the address is not there yet */
	struct listening_socket *next;
	struct listener *listener;           /* NULL: none has had it so far */
	struct endpoint configured, address; /* as configured, and as it is: the kernel may have chosen the port */
	struct inherited_socket *passed;     /* the supervisor's, of which it is a copy, or NULL */
	bool is_shared;                      /* a program with wait = yes has got it, and may have a copy */
	bool is_replacing;                   /* another one at its address, of which a program may have a copy */
	dev_t device;                        /* with inode: of the path that superd bound */
	ino_t inode;                         /* 0: there is no such path */
};

/* A run of refusals for one reason, logged at its begin and end. */
struct refusal_run {
	unsigned long refused; /* 0: there is none */
	int64_t began, last;
};

/* A shortage of resources: since when (0: there is none), and until when nothing is tried. */
struct shortage {
	int64_t began, until;
};

/* What a reload does with a listener's service. KEPT: its configuration has errors; FAILED: it could not be opened. */
enum change { CHANGE_UNDECIDED, CHANGE_NONE, CHANGE_KEPT, CHANGE_NEW, CHANGE_SERVICE, CHANGE_FAILED, CHANGES };

struct listener {
	struct listener *next;
	struct hash_link link;                  /* by id and number */
	size_t nth;                             /* of the listeners with the same id, from 0; retired: SIZE_MAX */
	size_t earlier_nth;                     /* the same in an earlier superd; SIZE_MAX: it had none */
	struct service *service, *next_service; /* next_service: from a reload, until it is served */
	enum change change;
	struct listening_socket *sockets;
	pid_t holder;                                 /* the program that has the listening socket (wait = yes), or 0 */
	bool has_service;                             /* `service` has been served: it is more than an id */
	bool retired, paused;                         /* retired: without sockets, until its last child has ended */
	long running, questions;                      /* children that run the program; that ask the DNS */
	struct client *pending_first, **pending_last; /* admitted clients for which no child could be started yet */
	long pending;
	struct waiting_list headers, lingering;
	long accepted, spawn_failures, refused[VERDICTS], exits[RESULTS];
	struct refusal_run refusal_runs[VERDICTS];
	struct shortage shortage;
	long second_count; /* of connections in this second, for cps */
	int64_t second_began, closed_until;
	int quick_exits; /* of a program with wait = yes, one after the other */
	int empty_wakes; /* of a datagram socket, one after the other: it was readable, and there was no datagram */
	struct timer accept_timer, refusal_timer;
};

/* A source that a sensor has seen: every service refuses it for a while. */
struct denied_source {
	struct hash_link link; /* by source */
	struct source source;
	int64_t until;
};

/* socket.c: one socket */
void socket_identify(struct listening_socket *socket);
bool socket_fits(
    const struct listening_socket *socket, const struct service *service, const struct endpoint *configured);
void socket_keep_all(const struct listening_socket *socket);
struct listening_socket *socket_new(const struct service *service, const struct endpoint *configured);
int socket_set_up(const struct listening_socket *socket, const struct service *service);
int socket_open(struct listening_socket *socket, const struct service *service, struct error *error);
int socket_check(const struct listening_socket *socket, const struct service *service, struct error *error);
bool socket_is_readable(const struct listening_socket *socket);
int socket_peek(struct client *client);
bool socket_has_path(const struct listening_socket *socket);
void socket_close(struct listening_socket *socket);
void socket_make_way(struct listening_socket *socket, struct listening_socket *next);

/* listener.c: a service at work */
struct listener *listener_first(void);
size_t listener_count(void);
struct listener *listener_find(const char *id, size_t nth);
struct listener *listener_new(struct service *service);
struct listener *listener_find_earlier(const char *id, size_t nth);
struct listener *listener_of_earlier(const char *id, size_t nth);
struct listener *listener_restore(const char *id, size_t nth);
void listener_restore_socket(struct listener *listener, const struct listening_socket *restored);
void listener_retire(struct listener *listener);
void listener_open_all(void (*readable)(struct watch *), void (*changed)(struct listener *));
bool listener_check_all(void);
void listener_set_paused(struct listener *listener, bool paused);
void listener_close(struct listener *listener);
bool listener_is_idle(const struct listener *listener);
void listener_free_retired(void);

/* serve.c: one connection, from accept to the child's end */
void serve_open_all(void);
void serve_restore_child(struct listener *listener, const struct child *child, bool is_holder);
void serve_restore_pending(const struct client *client);
void serve_restore_header(const struct header *header);
void serve_restore_lingering(struct listener *listener, int fd, int64_t deadline);
bool serve_is_idle(void);
bool serve_is_stopping(void);
long serve_drain_time(void);
void serve_stop(bool at_once);

/* refuse.c: how a client is refused */
void refuse_client(const struct client *client, enum verdict verdict);

/* pending.c: shortages */
bool shortage_is(int error_number);
int64_t shortage_begin(struct listener *listener, const struct task_failure *failure);
bool shortage_is_on(const struct listener *listener);
void shortage_end(struct listener *listener);
bool shortage_free_descriptors(int error_number);
int pending_add(const struct client *client);
bool pending_take(struct listener *listener, struct client *client);

/* access.c, limits.c: the verdicts */
bool access_is_open(const struct times *times);
enum verdict access_check(const struct client *client);
enum verdict access_check_header(struct client *client);
enum verdict access_check_again(struct client *client);
void access_deny(struct source source, int64_t until);
void access_note_ports(const struct listener *listener);
void access_forget_ports(void);
bool access_refuses_answer(const struct endpoint *peer);
const struct denied_source *access_denied(size_t nth);
enum verdict limits_check_rate(const struct client *client);
enum verdict limits_check_room(const struct client *client);
bool limits_is_too_fast(struct listener *listener);
bool limits_is_full(const struct listener *listener, long clients);
void limits_count(struct listener *listener, struct source source, int change);
void limits_forget(const struct listener *listener);

/* metrics.c: the counters, as a file for Prometheus and as lines of the log */
struct totals {
	long long start_time, reloads, upgrades;
};
extern struct totals metrics_totals;
void metrics_open(const char *path);
void metrics_touch(void);
void metrics_write(void);
void metrics_log_state(void);
void metrics_close(void);

#endif

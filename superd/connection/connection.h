/* SPDX-License-Identifier: ISC */
/*
 * connection: one client, from the PROXY header to the end of its program. It knows the service, and of the listener only
 * that there is one: what the server does next, it learns through the functions that the structs carry.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "../config/config.h"

struct listener;

/* A client, from accept to the child. */
struct client {
	struct client *next; /* of those that are pending */
	int fd;
	struct listener *listener;
	struct endpoint peer, local;
	struct source source;
	uid_t uid;
	ino_t path_inode;                                /* of the UNIX-domain socket that it has come by; 0: none */
	uint64_t admitted_by;                            /* the fingerprint of the service that it has come to */
	bool is_accepted;                                /* else the program gets the listening socket (wait = yes) */
	bool is_confirmed;                               /* the DNS has confirmed that it is admitted */
	bool (*is_refused)(const struct endpoint *peer); /* for datagrams: whether the sender gets no answer */
};

struct child;
struct launch;

/* Called when a child has started, or with its failure. */
typedef void spawn_started(const struct client *client, struct child *child, const struct task_failure *failure);

/* A child: a program, a question to the DNS, or the check before an upgrade. */
struct child {
	struct hash_link link; /* by pid */
	struct timer timer;
	struct listener *listener; /* NULL: of no service */
	struct launch *launch;     /* spawn.c's, until the child has started */
	pid_t pid;
	int linger_fd;
	struct client *asking;   /* the client of a question to the DNS, or NULL */
	int64_t began, deadline; /* at the deadline TERM is sent, and KILL_GRACE_MS later KILL */
	int64_t killed;          /* when KILL was sent first; 0: not yet */
	bool is_hurried;         /* the deadline is a stop's, and not time_limit's */
	bool term_sent, exited;  /* exited: others of its process group have not */
	struct source source;
	spawn_started *started;
	void (*ended)(struct child *child, int status); /* NULL: nobody hears of it */
};

/* Whether it was sent TERM because of its service's time_limit. */
static inline bool child_hit_time_limit(const struct child *child) { return child->term_sent && !child->is_hurried; }

/* waiting.c: connections that wait for their client */
struct waiting {
	struct watch watch;
	struct waiting *next, *previous;
	struct waiting_list *list;
};
struct waiting_list {
	struct waiting *first, *last; /* the oldest first */
	size_t count;
};
int waiting_add(struct waiting_list *list, size_t most, struct waiting *waiting, int64_t deadline);
void waiting_remove(struct waiting *waiting);
void waiting_end(struct waiting_list *list, size_t most);
void waiting_limit(struct waiting_list *list, int64_t deadline);

/* proxy.c: the PROXY protocol header. One that ends before its first byte is none: a probe. */
enum header_result { HEADER_GOOD, HEADER_BAD, HEADER_NONE };
enum { HEADER_BYTES = 107 }; /* a line of version 1; of version 2, all that is used */
struct header {
	struct client client; /* that has connected */
	int64_t deadline;     /* 0: not set yet */
	size_t length;        /* read so far, and perhaps more than are here */
	char bytes[HEADER_BYTES];
};
void proxy_read_header(struct waiting_list *list, const struct header *header,
    void (*done)(struct client *client, enum header_result result));
const struct header *proxy_header(const struct waiting *waiting);

/* spawn.c: from a client to its program */
int spawn_start(
    struct service *service, const struct client *client, struct child *child, struct task_failure *failure);
void spawn_note_client(int fd);
size_t spawn_starting(void);
void spawn_collect(void);
void spawn_wait(void);
void spawn_note_end(struct child *child);
void spawn_hand_over(struct child *child, int *waits);

/* child.c: the running children */
void child_add(struct child *child);
void child_limit(struct child *child, int64_t deadline);
void child_forget(struct child *child);
void child_end_groups(void);
bool child_all_lost(void);
size_t child_count(void);
struct child *child_next(const struct child *last);
void child_reap(pid_t known);

/* linger.c, domain.c, builtin.c, redirect.c: after the program, and instead of one */
void linger_begin(struct waiting_list *list, size_t most, int fd, int64_t deadline);
bool domain_must_ask(const struct service *service, struct source source);
bool domain_admits(const struct service *service, const struct endpoint *peer, struct source source);
_Noreturn void builtin_run(const struct service *service, const struct client *client);
int redirect_run(const struct service *service);

/* log_service.c: the lines of a service's log */
void log_start(const struct service *service, const struct client *client, pid_t pid);
void log_start_failure(const struct service *service, const struct task_failure *failure);
void log_exit(const struct service *service, const struct child *child, int status);
void log_fail(const struct service *service, const struct client *client, const char *reason);
void log_refusal_run(const struct service *service, const char *reason, unsigned long refused, int64_t span);
void log_traffic(const struct service *service, unsigned long long in, unsigned long long out);
void log_file_prepare(const struct service *service);
void log_files_reopen(void);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * base: tools that know nothing of services: memory, addresses, the loop with its descriptors, timers and signals, tasks
 * on their way to exec, inherited sockets, superd's own log. Times are milliseconds of the monotonic clock, as loop_now
 * gives them.
 */
#ifndef BASE_H
#define BASE_H

/* What nearly every file needs of the C library; each names what else it needs. */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The struct of which `member`, at `pointer`, is a part. */
#define CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Where a word of the configuration stands. Line 0: `file` is a name for the command line. */
struct location {
	const char *file;
	int line;
};

/* The text that a function leaves when it returns -1. */
struct error {
	char text[400];
};

struct words {
	const char **word;
	size_t count;
	bool set;
};

/* A word, and what it stands for. A list of them ends with a NULL name. */
struct named_value {
	const char *name;
	long value;
};

/* A socket address, its family in any.sa_family. Length 0: there is none. */
struct endpoint {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} at;
	socklen_t length;
};

/* A peer, as access lists and limits see it: an IPv6 address (IPv4 mapped into it), or a user id. */
struct source {
	uint64_t high, low;
};

/* mem.c: memory that is freed all at once, and what is made of it */
struct arena;
extern void (*mem_exhausted)(void);
void *mem_new(size_t size);
struct arena *mem_arena_new(void);
void mem_arena_free(struct arena *arena);
void *mem_alloc(struct arena *arena, size_t size);
void *mem_grow(struct arena *arena, void *array, size_t count, size_t size);
char *mem_copy(struct arena *arena, const char *text);
char *mem_print(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
void words_add(struct arena *arena, struct words *words, const char *word);
void words_split(struct arena *arena, struct words *words, const char *text);
void text_add(char *text, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
int64_t text_read_number(const char **text, size_t digits, int64_t max);
int error_set(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);
const struct named_value *named_value_find(const struct named_value *values, const char *name);

/* hash.c: things found by a number, which several may share; the link is embedded in the thing */
struct hash_link {
	struct hash_link *next;
	uint64_t key;
};
struct hash {
	struct hash_link **buckets, *only; /* `only` is the one bucket while there is no memory for more */
	size_t size, count;
};
void hash_add(struct hash *hash, struct hash_link *link, uint64_t key);
void hash_remove(struct hash *hash, struct hash_link *link);
struct hash_link *hash_find(const struct hash *hash, uint64_t key);
struct hash_link *hash_find_next(const struct hash_link *link);
struct hash_link *hash_each(const struct hash *hash, const struct hash_link *last);
void hash_free(struct hash *hash);
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t length);

/* addr.c: socket addresses, from text and to text */
enum { ADDR_TEXT = 160 };
extern bool addr_numeric_only;
int addr_resolve(struct arena *arena, const char *host, const char *port, struct endpoint **found, struct error *error);
int addr_resolve_meanwhile(struct arena *arena, const char *host, const char *port, struct endpoint **found,
    struct error *error, void (*meanwhile)(void));
int addr_from_path(const char *path, struct endpoint *endpoint, struct error *error);
bool addr_are_paths(const struct words *words);
bool addr_equal(const struct endpoint *a, const struct endpoint *b);
unsigned addr_port(const struct endpoint *endpoint);
void addr_set_port(struct endpoint *endpoint, unsigned port);
bool addr_is_wildcard(const struct endpoint *endpoint);
const char *addr_format_host(const struct endpoint *endpoint, char text[ADDR_TEXT]);
const char *addr_format(const struct endpoint *endpoint, char text[ADDR_TEXT]);
void addr_read_local(int fd, struct endpoint *address);
struct source addr_source(const struct endpoint *endpoint, uid_t uid);
bool addr_is_uid(struct source source);
bool addr_is_link_local(struct source source);
const char *addr_format_source(struct source source, char text[ADDR_TEXT]);
bool addr_source_equal(struct source a, struct source b);
struct source addr_source_prefix(struct source source, unsigned bits);

/* loop.c: descriptors, the clock, timers, signals */

/* Called at `when`, once. Embedded in the thing that is due then. */
struct timer {
	int64_t when;
	void (*due)(struct timer *);
	struct timer *parent, *left, *right; /* zero while it is not set */
};

/* A descriptor that is polled for input, until the timer if one is set. Embedded in the thing that reads. */
struct watch {
	int fd;
	bool is_polled;
	size_t slot; /* for sys_posix.c */
	void (*ready)(struct watch *);
	struct timer timer;
};

int loop_open(void);
void loop_limit_waits(void);
void loop_stop_ticks(void);
bool loop_signal_taken(int number);
pid_t loop_signal_sender(void);
int64_t loop_read_clock(void);
int64_t loop_now(void);
bool loop_timer_is_set(const struct timer *timer);
void loop_set_timer(struct timer *timer, int64_t when);
void loop_cancel_timer(struct timer *timer);
int loop_watch(struct watch *watch);
void loop_unwatch(struct watch *watch);
int loop_run_once(int most);

/* task.c: a child on its way to exec */

/* Close descriptors now, at the next exec, or now in a table that the process then shares with no other. */
enum close_how { CLOSE_NOW, CLOSE_AT_EXEC, CLOSE_UNSHARED };

struct task_failure {
	const char *step; /* NULL: none */
	int error_number;
};
struct task {
	_Alignas(16) char stack[32 * 1024]; /* its end, the part that is used, is beside the rest */
	void (*run)(struct task *);         /* must not return */
	bool copies_memory;                 /* the child goes on as superd itself, so it cannot share our memory */
	bool shares_descriptors;            /* until the child has CLOSE_UNSHARED */
	_Atomic pid_t starting;             /* the child's process id until its exec, its end, or task_report_started */
	int report_fd;                      /* a forked child's pipe, or -1 */
	volatile struct task_failure failure;
};
pid_t task_start(struct task *task);
bool task_is_starting(struct task *task);
void task_wait(struct task *task);
void task_ended(struct task *task);
void task_end_if_stopped(struct task *task);
void task_report_started(struct task *task);
_Noreturn void task_fail(struct task *task, const char *step, int error_number);
void task_require(struct task *task, const char *step, int error_number);
void task_unblock_signals(void);
void task_close_from(int first, enum close_how how);

/* inherited.c: sockets that a supervisor passed */
struct inherited_socket {
	struct inherited_socket *next;
	int fd, type;
	bool is_used;
	struct endpoint address;
	char name[64]; /* of its socket unit, or "" */
};
void inherited_add(int fd, const char *name);
const struct inherited_socket *inherited_find(size_t nth, const char *name);
struct inherited_socket *inherited_at(const struct endpoint *address, int type);
void inherited_release(void);

/* quote.c: the line of a file that an error is about, with a mark under the wrong word */
int quote_byte(char shown[5], char byte);
const char *quote_colour(int fd, const char *sequence);
size_t quote_line(char *text, size_t size, const struct location *location, const char *message);

/* log.c: superd's own log. A level is the priority that its lines have in syslog, too. */
extern const struct named_value syslog_facilities[], syslog_levels[];
enum log_level { LEVEL_ERROR = 3, LEVEL_WARNING, LEVEL_ALWAYS, LEVEL_NOTICE, LEVEL_DETAIL };
#define log_error(...) log_write(LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_write(LEVEL_WARNING, NULL, __VA_ARGS__)
#define log_always(...) log_write(LEVEL_ALWAYS, NULL, __VA_ARGS__)
#define log_notice(...) log_write(LEVEL_NOTICE, NULL, __VA_ARGS__)
#define log_detail(...) log_write(LEVEL_DETAIL, NULL, __VA_ARGS__)
#define log_error_at(location, ...) log_write(LEVEL_ERROR, location, __VA_ARGS__)
#define log_warning_at(location, ...) log_write(LEVEL_WARNING, location, __VA_ARGS__)
void log_write(enum log_level level, const struct location *location, const char *format, ...) PRINTF_LIKE(3, 4);
void log_open(enum log_level least, const struct named_value *facility, bool is_check);
void log_listening(void);
void log_to_syslog(int priority, const char *text);
void log_in_child(void);
bool log_is_enabled(enum log_level level);
bool log_is_terminal(void);
size_t log_escape(char *line, size_t size, const char *text);

#include "sys.h"

#endif

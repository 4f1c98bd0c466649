/*
 * superd: the map. What is asked for stands in service.h; here what is at work, then each file's functions under its
 * name.
 *
 * For one connection: loop wakes serve -> access, then limits, give a verdict -> spawn -> the child walks one way to
 * exec -> SIGCHLD -> conn reaps -> listener and limits count down -> log_service.
 *
 * A `service` is constant once it is loaded; a `listener` is what runs and counts; the child limits itself.
 * Times are milliseconds of the monotonic clock, as loop_now gives them.
 */
#ifndef SUPERD_H
#define SUPERD_H

#include "service.h"

/* What nearly every file needs of the C library; each names what else it needs. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* What the checks say of a comer. The words stand in log.c, in this order. */
/* clang-format off */
enum verdict {
	VERDICT_WELCOME, VERDICT_ADDRESS, VERDICT_TIME, VERDICT_LOAD, VERDICT_SERVICE_LIMIT, VERDICT_PER_SOURCE_LIMIT,
	VERDICT_CPS, VERDICT_PER_SOURCE_CPS, VERDICT_SENSOR, VERDICT_PROXY, VERDICT_FORK, VERDICTS
};
/* clang-format on */

/* The step on the way to exec that failed, and errno. */
struct spawn_failure {
	const char *step;
	int error;
};

/* Written to without ever blocking. */
struct outlet {
	int fd;
	enum { OUTLET_PLAIN, OUTLET_SOCKET, OUTLET_POLLED } kind;
};

/* A descriptor that the loop watches, until the deadline if it can expire; embedded in whatever wants to be woken. */
struct watch {
	int fd;
	size_t slot;
	void (*ready)(struct watch *), (*expired)(struct watch *);
	int64_t deadline;
};

/* A child on its way to exec, in our memory (sys.c). */
struct task {
	void (*child)(void *);
	void *argument;
	bool shares; /* our descriptors, until sys_own_descriptors */
	_Atomic pid_t running;
	_Alignas(16) char stack[32 * 1024];
};

struct listener;

struct listening_socket {
	struct watch watch;
	struct listener *listener;
	/* As asked for, and as it is: the kernel may have chosen the port. */
	struct endpoint configured, address;
};

/* A run of refusals for one reason, said when it begins and when it ends. */
struct episode {
	unsigned long refused;
	int64_t began, last;
};

/* Something is short: since when (0: nothing is), and until when nothing is tried. */
struct shortage {
	int64_t began, until;
};

/* A service at work: its sockets and its counts. */
struct listener {
	struct listener *next;
	struct service *service;
	struct listening_socket *sockets;
	size_t socket_count;
	bool retired, paused, claimed; /* claimed: by a service of the configuration that is being read */
	long running, waiting;         /* children; who was accepted and has no child yet */
	struct shortage shortage;
	unsigned long accepted, spawn_failures, refused[VERDICTS];
	struct episode episodes[VERDICTS];
	long second_count;
	int64_t second_began, closed_until;
	int failures; /* of a program that gets the socket itself, one after the other */
};

/* A comer, from accept to the child. */
struct client {
	struct client *next; /* of those who are held until there is a child for them */
	int fd;
	struct listener *listener;
	struct endpoint peer, local;
	struct source source;
	uid_t uid;
	bool is_confirmed; /* the DNS has said that it may come */
};

/* A source that a sensor has caught: every service is shut to it for a while. */
struct caught {
	struct source source;
	int64_t until;
};

/*
 * A socket at hand: what it was asked for with, and the service it was for, or the name it was handed over with. It is
 * superd's own and left over; borrowed, which stays its listener's; or handed over by a supervisor, and stays for good.
 */
enum socket_owner { SOCKET_OWNED, SOCKET_BORROWED, SOCKET_HANDED };
struct spare {
	struct spare *next;
	int fd, type;
	enum socket_owner owner;
	bool taken;
	struct endpoint configured;
	char name[64];
};

/* A running child. */
struct conn {
	struct conn *next;
	struct listener *listener;
	pid_t pid;
	int linger_fd;
	struct client *asking;   /* not a program but a question to the DNS, about this client */
	int64_t began, deadline; /* at the deadline TERM, then `told`, then KILL */
	bool told, reaped;
	struct source source;
};

/* options.c: the command line */
void options_read(struct options *options, int argc, char **argv);

/* lex.c: configuration text to blocks; config.c: blocks to services */
void lex_read_path(struct config *config, const char *path);
void config_load(const struct options *options, struct config *config);
void config_free(struct config *config);

/* command.c: the one service that the command line describes */
struct service *command_service(const struct options *options, struct reason *why);
const char *command_find_in_path(struct arena *arena, const char *name);
int command_read_assignment(struct arena *arena, const char *text, struct entry *entry, struct reason *why);

/* service.c: from attributes to what is ready to run */
enum { SERVICE_LEFT_OUT = 1 };
struct service *service_new(const char *name, const struct place *place);
int service_resolve(struct service *service, bool checking, struct reason *why);
void service_free(struct service *service);

/* mem.c: memory that is given back all at once */
struct arena *mem_arena_new(void);
void mem_arena_free(struct arena *arena);
void *mem_alloc(struct arena *arena, size_t size);
void *mem_grow(struct arena *arena, void *array, size_t count, size_t size);
char *mem_copy(struct arena *arena, const char *text);
char *mem_print(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
void words_add(struct arena *arena, struct words *words, const char *word);
void words_remove(struct words *words, const char *word);
bool words_contain(const struct words *words, const char *word);
void words_split(struct arena *arena, struct words *words, const char *text);
void text_add(char *text, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
int reason_set(struct reason *why, const char *format, ...) PRINTF_LIKE(2, 3);

/* attr.c: one row an attribute; attr_types.c: how each kind of value is read and printed */
int attr_apply(struct service *service, const struct entry *entry, bool in_defaults, struct reason *why);
int attr_set(struct service *service, const char *name, const char *text, struct reason *why);
int attr_fail(const struct service *service, const char *name, struct reason *why, const char *format, ...)
    PRINTF_LIKE(4, 5);
int attr_refuse(const struct service *service, const char *name, struct reason *why, const char *text);
void attr_begin(struct service *service);
bool attr_is_same(const char *name, const char *other);
bool attr_is_set(const char *name);
void attr_print_service(const struct service *service, FILE *to);
void attr_print_table(FILE *to);
const struct attr_word *attr_find_word(const struct attr_word *words, const char *text);

/* addr.c: socket addresses as text; addr_rule.c: the words of only_from and the like */
enum { ADDR_TEXT = 160 };
extern bool addr_numeric_only;
int addr_resolve(struct arena *arena, const char *host, const char *port, struct endpoint **found, struct reason *why);
int addr_from_path(const char *path, struct endpoint *endpoint, struct reason *why);
bool addr_are_paths(const struct words *words);
bool addr_equal(const struct endpoint *a, const struct endpoint *b);
unsigned addr_port(const struct endpoint *endpoint);
void addr_set_port(struct endpoint *endpoint, unsigned port);
bool addr_is_wildcard(const struct endpoint *endpoint);
const char *addr_format_host(const struct endpoint *endpoint, char text[ADDR_TEXT]);
const char *addr_format(const struct endpoint *endpoint, char text[ADDR_TEXT]);
struct source addr_source(const struct endpoint *endpoint, uid_t uid);
bool addr_source_equal(struct source a, struct source b);
struct source addr_source_prefix(struct source source, unsigned bits);
int addr_read_rule(
    struct arena *arena, const char *word, const struct place *place, struct address_rule *rule, struct reason *why);
void addr_print_rule(const struct address_rule *rule, FILE *to);
bool addr_list_matches(const struct address_list *list, struct source source);

/* log.c: superd's own log; notices are for an operator who did not say -q, details for one who said -v */
enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_ALWAYS, LEVEL_NOTICE, LEVEL_DETAIL };
#define log_error(...) log_say(LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_say(LEVEL_WARNING, NULL, __VA_ARGS__)
#define log_always(...) log_say(LEVEL_ALWAYS, NULL, __VA_ARGS__)
#define log_notice(...) log_say(LEVEL_NOTICE, NULL, __VA_ARGS__)
#define log_detail(...) log_say(LEVEL_DETAIL, NULL, __VA_ARGS__)
#define log_error_at(place, ...) log_say(LEVEL_ERROR, place, __VA_ARGS__)
#define log_warning_at(place, ...) log_say(LEVEL_WARNING, place, __VA_ARGS__)
extern const struct attr_word log_facilities[], log_levels[];
void log_say(enum log_level level, const struct place *place, const char *format, ...) PRINTF_LIKE(3, 4);
void log_open(const struct options *options);
void log_in_child(void);
bool log_hears(enum log_level level);
bool log_is_terminal(void);
void log_mute_warnings(bool mute);
size_t log_escape(char *line, size_t size, const char *text);
const char *log_verdict_word(enum verdict verdict);

/* syslog.c: the system's log */
int syslog_write(int priority, const char *text);
void syslog_close(void);

/* terminal.c: what only people see */
size_t terminal_quote(char *text, size_t size, const struct place *place, const char *message);
void terminal_print_services(const struct config *config);

/* log_service.c: what a service's log says of a connection */
void log_start(const struct client *client, pid_t pid);
void log_exit(const struct conn *conn, int status);
void log_fail(const struct client *client, enum verdict verdict);
void log_traffic(const struct service *service, unsigned long long in, unsigned long long out);
void log_files_reopen(void);
void log_file_prepare(const struct service *service);
void log_episode(const struct service *service, enum verdict verdict, unsigned long refused, int64_t span);

/* loop.c: descriptors, clock, signals */
int loop_open(void);
void loop_close(void);
bool loop_signal_taken(int number);
int64_t loop_now(void);
void loop_wake_at(int64_t when);
bool loop_is_due(void);
int loop_watch(struct watch *watch);
void loop_unwatch(struct watch *watch);
void loop_pause(struct watch *watch, bool paused);
struct watch *loop_next(const struct watch *last, void ready(struct watch *));
void loop_tick(void);
int loop_sleep(bool only_look);
pid_t loop_signal_sender(void);

/* socket.c: one socket, made or at hand */
enum { LISTENING_FROM = 64 }; /* the number of the first descriptor of a listening socket, if there may be so many */
void socket_offer(int fd, enum socket_owner owner, const struct endpoint *configured, const char *name);
const struct spare *socket_handed(size_t nth, const char *name);
bool socket_is_handed(const struct endpoint *address);
void socket_drop_offers(enum socket_owner owner);
int socket_check(const struct service *service, const struct endpoint *configured, struct reason *why);
int socket_open(const struct service *service, const struct endpoint *configured, unsigned port, struct reason *why);
bool socket_make_way(int fd, const struct endpoint *configured, const struct service *service);
void socket_read_address(int fd, struct endpoint *address);

/* listener.c: a service at work */
struct listener *listener_first(void);
struct listener *listener_find(const char *id, size_t nth);
size_t listener_nth(const struct listener *listener);
struct listener *listener_make_retired(const char *id);
int listener_open(struct service *service, struct reason *why);
int listener_update(struct listener *listener, struct service *service, struct reason *why);
void listener_offer_all(void);
void listener_pause(struct listener *listener, bool paused);
void listener_close(struct listener *listener);
void listener_collect(void);
void listener_tick(void);

/* reload.c: from a configuration to listeners, at start and at HUP */
int reload_check(const struct options *options);
int reload_start(const struct options *options);
void reload_again(const struct options *options);

/* serve.c: one comer, from accept to the child, and the child's end */
void serve_comer(struct watch *watch);
bool serve_settle(size_t most, int sleeps);
void serve_greeted(const struct client *client, bool is_good);
void serve_ended(struct conn *conn, int status);
void serve_tick(void);
long serve_drain_time(void);
void serve_stop(bool at_once);
void serve_adopt(const char *id, size_t nth, const struct conn *child);
void serve_pause(bool paused);
void serve_log_state(void);

/* hold.c: shortages */
bool hold_is_shortage(int error);
void hold_all(const char *step, int error);
int hold_client(const struct client *client, const struct spawn_failure *failure);
bool hold_is_short(const struct listener *listener);
void hold_over(struct listener *listener);
void hold_give_up_at(int64_t when);
void hold_tick(void (*again)(const struct client *), void (*refuse)(const struct client *));
const struct client *hold_first(void);

/* proxy.c, linger.c, domain.c: before and after the program */
void proxy_greet(const struct client *client);
bool proxy_is_waiting(void);
void linger_begin(int fd, int64_t span);
const struct watch *linger_next(const struct watch *last);
bool domain_must_ask(const struct service *service, struct source source);
bool domain_allows(const struct service *service, const struct endpoint *peer, struct source source);

/* access.c, limits.c: the verdicts */
void access_catch(struct source source, int64_t until);
const struct caught *access_caught(size_t nth);
bool access_allows(const struct service *service, struct source source);
enum verdict access_check(const struct client *client);
enum verdict limits_check_rate(const struct client *client);
enum verdict limits_check_room(const struct client *client);
bool limits_is_too_fast(struct listener *listener);
bool limits_is_full(const struct listener *listener);
void limits_count(struct listener *listener, struct source source, int change);
void limits_forget(const struct listener *listener);

/* notify.c, metrics.c: for supervisors and for graphs */
struct totals {
	long long start_time, reloads, upgrades;
};
extern struct totals metrics_totals;
void notify_take_sockets(void);
void notify_open(void);
void notify_say(const char *state);
void notify_reloading(void);
void notify_tick(void);
void notify_descriptor(int fd);
void metrics_open(const char *path);
void metrics_touch(void);
void metrics_tick(void);
void metrics_write(void);

/* state.c: an upgrade in place */
bool state_is_upgrade(void);
void state_remember(char **argv);
void state_begin(void);
bool state_is_checking(void);
void state_note_end(pid_t pid, int status);
bool state_is_due(void);
void state_execute(void);
void state_take(bool late);

/* conn.c: the running children */
bool conn_is_asking(void);
void conn_add(struct conn *conn);
void conn_forget(pid_t pid);
size_t conn_count(void);
struct conn *conn_next(const struct conn *last);
void conn_reap(pid_t known);
void conn_drain(bool at_once);
void conn_tick(void);

/* spawn.c: to exec */
enum { SPAWN_MOST = 8 };
bool spawn_is_busy(void);
pid_t spawn_program(const struct client *client, bool sleeps, struct spawn_failure *why);
bool spawn_settle(size_t most, int sleeps, void (*started)(const struct client *, pid_t, const struct spawn_failure *));
void spawn_note_end(pid_t pid);
pid_t spawn_question(const struct client *client, struct spawn_failure *why);

/* builtin.c, redirect.c: what superd itself can be, in a child */
const struct builtin *builtin_find(const char *name);
_Noreturn void builtin_run(const struct service *service);
int redirect_run(const struct service *service);

/* sys.c: what is not in POSIX */
struct pollfd;
pid_t sys_start_child(struct task *task, bool sleeps, volatile void *report, size_t size);
bool sys_has_executed(const struct task *task);
void sys_await_exec(struct task *task);
void sys_task_ended(struct task *task);
int sys_own_descriptors(const struct task *task);
void sys_child_report(volatile const void *report, size_t size);
int sys_poll(struct pollfd *polls, size_t count, int timeout);
int sys_signals_open(const sigset_t *signals);
int sys_pipe(int ends[2]);
int sys_socket(int family, int type, int protocol);
int sys_signal_read(int fd, pid_t *sender);
int sys_accept(int fd, struct endpoint *peer);
void sys_close_from(int first, bool at_exec);
size_t sys_user_groups(struct arena *arena, const char *user, gid_t gid, gid_t **groups);
int sys_set_groups(size_t count, const gid_t *groups);
int sys_nice(int change);
bool sys_is_only(uid_t uid);
int sys_chroot(const char *path);
bool sys_has_no_new_privs(void);
int sys_no_new_privs(void);
uid_t sys_peer_uid(int fd);
long sys_load(void);
void sys_outlet_open(struct outlet *outlet, int fd);
void sys_peek_sender(int fd, struct endpoint *sender);
ssize_t sys_send_unblocked(int fd, const char *text, size_t length);
ssize_t sys_receive_unblocked(int fd, char *bytes, size_t size);
int sys_outlet_write(const struct outlet *outlet, const char *line, size_t length);

#endif

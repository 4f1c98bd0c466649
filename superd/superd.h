/* SPDX-License-Identifier: ISC */
/*
 * superd: the process: its options, start, reload, upgrade and stop, its supervisor, and what people see on a terminal.
 *
 * A connection's way: loop.c finds a listening socket readable -> serve.c accepts -> proxy.c reads the header, if there is
 * one -> limits.c and access.c give the verdict -> spawn.c starts the child -> the child goes to its exec -> SIGCHLD ->
 * child.c reaps -> serve.c counts down and log_service.c logs.
 */
#ifndef SUPERD_H
#define SUPERD_H

#include "server/server.h"

/* options.c: the command line */
void options_read(struct options *options, int argc, char **argv);

/* reload.c: from a configuration to listeners, at start and at HUP */
int reload_check(const struct options *options);
int reload_start(const struct options *options, void (*meanwhile)(void));
void reload_again(const struct options *options, void (*meanwhile)(void));

/* state.c: what an upgrade hands over */
#define STATE_FIRST_LINE "superd-state 1"
#define STATE_LAST_LINE "end"
void state_write(FILE *to, bool ignores_hangup, bool is_check);
void state_restore_early(const char *line, bool *ignores_hangup);
void state_restore_late(const char *line);

/* upgrade.c: another superd in place of this one, at USR2 */
bool upgrade_is_successor(void);
void upgrade_remember(char **argv);
bool upgrade_ignores_hangup(void);
int upgrade_restore_early(struct error *error);
void upgrade_restore_late(void);
void upgrade_begin(void);
void upgrade_interrupt(void);
void upgrade_advance(void);

/* pid_file.c: -P */
int pid_file_open(const char *path, struct error *error);
void pid_file_write(void);
void pid_file_touch(void);
void pid_file_remove(void);

/* notify.c: the supervisor */
int notify_take_sockets(struct error *error);
void notify_open(void);
void notify_send(const char *state);
void notify_reloading(void);
void notify_changes(void);
void notify_descriptor(int fd);

/* explain.c: why a client is admitted or refused (-C) */
bool explain_services(const struct config *config, struct source client);

/* terminal.c: the tables of -t and -A */
void terminal_print_services(const struct config *config);
void terminal_print_attributes(struct arena *arena);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * sys: all that is not in POSIX, and what a child does before its exec. sys_linux.c and sys_posix.c each have every function;
 * the Makefile picks one file. The types are those of base.h, which ends with this. What the system cannot do returns -1 with
 * ENOSYS in errno, unless the function says otherwise.
 */
#ifndef SYS_H
#define SYS_H

struct stat;

/* Listening sockets have this number or a higher one, if there may be so many: a child does not copy those. */
enum { LISTENING_FROM = 64 };

/* descriptors, all closed on exec from the first */
int sys_pipe(int ends[2]);
int sys_socket(int family, int type, int protocol);
int sys_accept(int fd, struct endpoint *peer);
int sys_reopen_nonblocking(int fd);
int sys_open_folder(int from, const char *path);

/* input and output that never waits */
ssize_t sys_send_nonblocking(int fd, const void *bytes, size_t length);
ssize_t sys_move_nonblocking(int from, int to, size_t length);
ssize_t sys_receive_nonblocking(int fd, char *bytes, size_t size);
int sys_peek_sender(int fd, struct endpoint *sender);

/* the path of a UNIX-domain socket */
int sys_set_path(const char *path, dev_t device, ino_t inode, mode_t mode, uid_t uid, gid_t gid);
int sys_find_file(int fd, const char *path, struct stat *about);
bool sys_has_acl(const char *path);

/* for loop.c */
enum { MOST_READY = 64 };
int sys_poller_open(void);
int sys_poller_add(struct watch *watch);
void sys_poller_remove(struct watch *watch);
int sys_poller_wait(struct watch *ready[MOST_READY], int timeout);
void sys_default_signals(void);
void sys_set_ticks(bool on);
int sys_signals_open(const sigset_t *signals);
int sys_signal_read(int fd, pid_t *sender);

/* for task.c */
pid_t sys_clone(struct task *task);
void sys_clone_wait(struct task *task, int timeout);

/* in a child before its exec, which may share our memory: each returns 0 or the error's number, and leaves errno alone */
int sys_close_range(int first, enum close_how how);
int sys_new_group(bool with_session);
int sys_dup(int fd, int to);
int sys_make_write_only(void);
int sys_set_limit(int resource, uint64_t value);
int sys_nice(int change);
int sys_chroot(const char *path);
int sys_chdir(const char *path);
int sys_become(uid_t uid, gid_t gid, size_t group_count, const gid_t *groups, const char **step);
int sys_no_new_privs(void);
int sys_exec(const char *path, char *const *argv, char *const *environment);

/* what the system tells */
bool sys_has_no_new_privs(void);
size_t sys_user_groups(struct arena *arena, const char *user, gid_t gid, gid_t **groups);
uid_t sys_peer_uid(int fd);
long sys_load(void);
unsigned long long sys_most_descriptors(void);
int sys_terminal_width(int fd); /* 80 if it is not known */

/* zeroed memory that goes back to the system at once when it is freed, where that is possible; NULL and errno: there is none */
void *sys_map(size_t size);
void sys_unmap(void *memory, size_t size);

/* the memory that has been freed goes back to the system, where that is possible */
void sys_trim_memory(void);

#endif

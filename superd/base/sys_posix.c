/* SPDX-License-Identifier: ISC */
/*
 * sys_posix: the system calls of sys.h with nothing but POSIX.1-2008.
 */
#include "base.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int not_here(void) {
	errno = ENOSYS;
	return -1;
}

int sys_pipe(int ends[2]) {
	if (pipe(ends) < 0) return -1;
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

int sys_socket(int family, int type, int protocol) {
	int fd = socket(family, type, protocol);
	if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

int sys_accept(int fd, struct endpoint *peer) {
	peer->length = sizeof peer->at;
	int accepted = accept(fd, &peer->at.any, &peer->length);
	if (accepted >= 0) {
		fcntl(accepted, F_SETFD, FD_CLOEXEC);
		fcntl(accepted, F_SETFL, 0); /* some systems pass on the listening socket's O_NONBLOCK */
	}
	return accepted;
}

int sys_reopen_nonblocking(int fd) {
	(void)fd;
	return not_here();
}

int sys_open_folder(int from, const char *path) { return openat(from, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

static bool is_ready(int fd, short events) {
	struct pollfd polled = {.fd = fd, .events = events};
	return poll(&polled, 1, 0) == 1;
}

ssize_t sys_send_nonblocking(int fd, const void *bytes, size_t length) {
	if (is_ready(fd, POLLOUT)) return write(fd, bytes, length < PIPE_BUF ? length : PIPE_BUF);
	errno = EAGAIN;
	return -1;
}

ssize_t sys_move_nonblocking(int from, int to, size_t length) {
	(void)from, (void)to, (void)length;
	return not_here();
}

ssize_t sys_receive_nonblocking(int fd, char *bytes, size_t size) {
	if (is_ready(fd, POLLIN)) return read(fd, bytes, size);
	errno = EAGAIN;
	return -1;
}

int sys_peek_sender(int fd, struct endpoint *sender) {
	char none;
	sender->length = sizeof sender->at;
	ssize_t peeked = recvfrom(fd, &none, 0, MSG_PEEK, &sender->at.any, &sender->length);
	if (peeked < 0) sender->length = 0;
	return peeked < 0 ? -1 : 0;
}

/* POSIX cannot open the path of a socket. Between the check and the change, another file but a link could be put there. */
int sys_set_path(const char *path, dev_t device, ino_t inode, mode_t mode, uid_t uid, gid_t gid) {
	struct stat about;
	if (lstat(path, &about) < 0) return -1;
	if (about.st_dev != device || about.st_ino != inode) {
		errno = EEXIST;
		return -1;
	}
	if ((about.st_mode & 07777) != mode && fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) < 0) return -1;
	return fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

int sys_find_file(int fd, const char *path, struct stat *about) {
	(void)fd;
	return lstat(path, about);
}

bool sys_has_acl(const char *path) {
	(void)path;
	return false;
}

static struct {
	struct pollfd *polls;
	struct watch **watches;
	size_t count, room;
} poller;

int sys_poller_open(void) { return 0; }

int sys_poller_add(struct watch *watch) {
	if (poller.count == poller.room) {
		size_t room = poller.room * 2 + 16;
		struct pollfd *polls = realloc(poller.polls, room * sizeof *polls);
		if (polls == NULL) return -1;
		poller.polls = polls;
		struct watch **watches = realloc(poller.watches, room * sizeof(struct watch *));
		if (watches == NULL) return -1;
		poller.watches = watches;
		poller.room = room;
	}
	watch->slot = poller.count++;
	poller.watches[watch->slot] = watch;
	poller.polls[watch->slot] = (struct pollfd){.fd = watch->fd, .events = POLLIN};
	return 0;
}

void sys_poller_remove(struct watch *watch) {
	poller.count--;
	poller.polls[watch->slot] = poller.polls[poller.count];
	poller.watches[watch->slot] = poller.watches[poller.count];
	poller.watches[watch->slot]->slot = watch->slot;
}

/* The signals are open only here, so that one that arrives earlier wakes poll(2) at once. */
int sys_poller_wait(struct watch *ready[MOST_READY], int timeout) {
	static size_t begin; /* where to look first, so that every descriptor has its turn */
	sigset_t open, blocked;
	int found = 0;
	sigemptyset(&open);
	sigaddset(&open, SIGPIPE);
	sigaddset(&open, SIGXFSZ);
	sigprocmask(SIG_SETMASK, &open, &blocked);
	int count = poll(poller.polls, (nfds_t)poller.count, timeout);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	for (size_t i = 0; i < poller.count && found < count && found < MOST_READY; i++) {
		size_t slot = (begin + i) % poller.count;
		if (poller.polls[slot].revents != 0) ready[found++] = poller.watches[slot];
	}
	begin++;
	return found;
}

void sys_default_signals(void) {
	struct sigaction action = {.sa_handler = SIG_DFL};
	for (int number = 1; number < SIGRTMIN; number++) sigaction(number, &action, NULL);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++) sigaction(number, &action, NULL);
}

static int signal_pipe[2];

static pid_t owner;

/* A child before its exec has the pipe, too, and must not write what was meant for the child alone. */
static void pass_signal(int number) {
	int saved = errno;
	unsigned char byte = (unsigned char)number;
	ssize_t written = getpid() == owner ? write(signal_pipe[1], &byte, 1) : 0;
	(void)written; /* a full pipe wakes the loop as well */
	errno = saved;
}

/* POSIX has nothing shorter, and no interval. */
void sys_set_ticks(bool on) { alarm(on); }

int sys_signals_open(const sigset_t *signals) {
	struct sigaction action = {.sa_handler = pass_signal};
	if (sys_pipe(signal_pipe) < 0) return -1;
	owner = getpid();
	fcntl(signal_pipe[1], F_SETFL, O_NONBLOCK);
	for (int number = 1; number < 32; number++)
		if (sigismember(signals, number) == 1) sigaction(number, &action, NULL);
	return signal_pipe[0];
}

/* POSIX tells the sender of a signal to a handler alone. */
int sys_signal_read(int fd, pid_t *sender) {
	unsigned char number;
	*sender = 0;
	return read(fd, &number, 1) == 1 ? number : 0;
}

pid_t sys_clone(struct task *task) {
	(void)task;
	return not_here();
}

void sys_clone_wait(struct task *task, int timeout) {
	(void)task;
	(void)timeout;
}

static int error_of(int result) { return result < 0 ? errno : 0; }

int sys_close_range(int first, enum close_how how) {
	(void)first;
	(void)how;
	return ENOSYS;
}

int sys_new_group(bool with_session) { return error_of(with_session ? setsid() : setpgid(0, 0)); }

int sys_dup(int fd, int to) { return error_of(dup2(fd, to)); }

/* POSIX opens a terminal by its name only. */
int sys_make_write_only(void) {
	const char *name = ttyname(STDERR_FILENO);
	int fd = name == NULL ? -1 : open(name, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? errno : sys_dup(fd, STDERR_FILENO);
}

int sys_set_limit(int resource, uint64_t value) {
	rlim_t most = value == UINT64_MAX ? RLIM_INFINITY : (rlim_t)value;
	const struct rlimit limit = {most, most};
	return error_of(setrlimit(resource, &limit));
}

int sys_nice(int change) {
	(void)change;
	return ENOSYS;
}

int sys_chroot(const char *path) {
	(void)path;
	return ENOSYS;
}

int sys_chdir(const char *path) { return error_of(chdir(path)); }

/* POSIX has no way to set the supplementary groups: it is an error to have any, or to want any. */
int sys_become(uid_t uid, gid_t gid, size_t group_count, const gid_t *groups, const char **step) {
	(void)groups;
	*step = "setgroups";
	if (group_count > 0 || getgroups(0, NULL) > 0) return ENOSYS;
	*step = "setgid";
	if (setgid(gid) < 0) return errno;
	*step = "setuid";
	if (setuid(uid) < 0) return errno;
	*step = "giving up root";
	return getuid() == uid && geteuid() == uid && (uid == 0 || setuid(0) < 0) ? 0 : EPERM;
}

int sys_no_new_privs(void) { return ENOSYS; }

int sys_exec(const char *path, char *const *argv, char *const *environment) {
	return error_of(execve(path, argv, environment));
}

bool sys_has_no_new_privs(void) { return false; }

size_t sys_user_groups(struct arena *arena, const char *user, gid_t gid, gid_t **groups) {
	(void)user;
	*groups = mem_alloc(arena, sizeof **groups);
	**groups = gid;
	return 1;
}

uid_t sys_peer_uid(int fd) {
	(void)fd;
	return (uid_t)-1;
}

long sys_load(void) { return -1; }

unsigned long long sys_most_descriptors(void) { return ULLONG_MAX; }

int sys_terminal_width(int fd) {
	const char *columns = getenv("COLUMNS");
	long width = columns != NULL ? strtol(columns, NULL, 10) : 0;
	(void)fd;
	return width > 0 && width < 10000 ? (int)width : 80;
}

void *sys_map(size_t size) { return calloc(1, size); }

void sys_unmap(void *memory, size_t size) {
	(void)size;
	free(memory);
}

void sys_trim_memory(void) {}

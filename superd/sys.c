/*
 * sys: all that is not in POSIX, each with a plain-POSIX way beside it (-DSUPERD_POSIX takes that one).
 */
#ifndef SUPERD_POSIX
#define _GNU_SOURCE
#endif

#include "superd.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#ifndef SUPERD_POSIX
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#endif

enum { DESCRIPTORS_CHECKED = 65536 };

/* A pipe of which both ends are closed on exec. Returns 0, or -1 and errno. */
int sys_pipe(int ends[2]) {
#ifndef SUPERD_POSIX
	return pipe2(ends, O_CLOEXEC); /* at once: a child that shares our descriptors may copy them in any moment */
#else
	if (pipe(ends) < 0) return -1;
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	return 0;
#endif
}

/* A socket that is closed on exec, as sys_pipe's ends are. Returns the descriptor, or -1 and errno. */
int sys_socket(int family, int type, int protocol) {
#ifndef SUPERD_POSIX
	return socket(family, type | SOCK_CLOEXEC, protocol);
#else
	int fd = socket(family, type, protocol);
	if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
#endif
}

#ifndef SUPERD_POSIX

enum { LONGEST = 10 * 1000 * 1000 };

/* CLONE_FILES, if the kernel can tell a child's descriptors from ours afterwards. */
static int shared = -1;

/* Closes the descriptors from `first` on, in a table of our own: CLOSE_RANGE_UNSHARE, Linux 5.9. */
static int close_range_unshared(unsigned first) {
#ifdef SYS_close_range
	return (int)syscall(SYS_close_range, first, ~0u, 2);
#else
	(void)first;
	return -1;
#endif
}

/* That the kernel clears `running` could be asked for in clone(2), but musl refuses the flag for it, since 1.2.5. */
static int run_child(void *argument) {
	struct task *task = argument;
	syscall(SYS_set_tid_address, &task->running);
	task->child(task->argument);
	return EXIT_FAILURE;
}

/*
 * Starts a child that shares our memory, and with `shares` our descriptors, so that nothing is copied, and runs on the
 * task's own stack. It is on its way while the kernel has not cleared `running`, at its exec or its end; what the task
 * points to must stay as it is for so long. With `sleeps` we sleep until then, as in vfork(2), which is quicker when
 * there is nothing else to do; not for a child that becomes another user, any process of whom could stop it, and us.
 * errno is shared, too, but a child sets it only where it fails for good; in the same moment we may take one error of
 * ours for another, and try again later than we would have, or refuse one client whom we would have held.
 * `task->child` must not return. Returns the process id, or -1 and errno.
 */
pid_t sys_start_child(struct task *task, bool sleeps, volatile void *report, size_t size) {
	(void)report, (void)size;
	pid_t *running = (pid_t *)&task->running;
	if (shared < 0) shared = close_range_unshared(~0u) == 0 ? CLONE_FILES : 0;
	int flags = CLONE_VM | (task->shares ? shared : 0) | CLONE_PARENT_SETTID | (sleeps ? CLONE_VFORK : 0) | SIGCHLD;
	return clone(run_child, task->stack + sizeof task->stack, flags, task, running);
}

/* Whether the child has executed its program, or ended. */
bool sys_has_executed(const struct task *task) {
	return atomic_load(&task->running) == 0;
}

/* The child has ended. If it was killed at its first step, or by a Linux before 4.8, the kernel leaves `running` be. */
void sys_task_ended(struct task *task) {
	atomic_store(&task->running, 0);
}

/*
 * Sleeps until the child has executed its program, or ended, but not for long (LONGEST, in nanoseconds). After that, one
 * that somebody has stopped on its way is killed.
 */
void sys_await_exec(struct task *task) {
	const struct timespec longest = {0, LONGEST};
	siginfo_t about = {.si_pid = 0};
	pid_t pid = atomic_load(&task->running);
	if (pid == 0 || syscall(SYS_futex, &task->running, 0 /* FUTEX_WAIT */, pid, &longest, NULL, 0) == 0 ||
	    errno != ETIMEDOUT)
		return;
	waitid(P_PID, (id_t)pid, &about, WSTOPPED | WEXITED | WNOHANG | WNOWAIT);
	if (about.si_pid != pid) return;
	if (about.si_code == CLD_STOPPED)
		kill(pid, SIGKILL);
	else
		sys_task_ended(task);
}

/*
 * Gives the child descriptors of its own. Those of the listening sockets are not copied, only to be closed at exec: of
 * 500 that would be a fifth of what a connection costs. Returns 0, or -1 and errno.
 */
int sys_own_descriptors(const struct task *task) {
	return shared == 0 || !task->shares ? 0 : close_range_unshared(LISTENING_FROM);
}

/* The report is where the parent looks for it. */
void sys_child_report(volatile const void *report, size_t size) {
	(void)report, (void)size;
}

#else

static int report_to = -1;

/* With fork the child has memory of its own, so what it could not do comes through a pipe, which exec closes. */
pid_t sys_start_child(struct task *task, bool sleeps, volatile void *report, size_t size) {
	int ends[2];
	(void)sleeps;
	if (sys_pipe(ends) < 0) return -1;
	pid_t pid = fork();
	if (pid == 0) {
		report_to = ends[1];
		task->child(task->argument);
	}
	close(ends[1]);
	while (pid > 0 && read(ends[0], (void *)report, size) < 0 && errno == EINTR)
		;
	close(ends[0]);
	return pid;
}

bool sys_has_executed(const struct task *task) {
	(void)task;
	return true;
}

void sys_task_ended(struct task *task) {
	(void)task;
}

void sys_await_exec(struct task *task) {
	(void)task;
}

int sys_own_descriptors(const struct task *task) {
	(void)task;
	return 0;
}

void sys_child_report(volatile const void *report, size_t size) {
	if (write(report_to, (const void *)report, size) < 0) _exit(EXIT_FAILURE);
}

#endif

/* Waits until a descriptor is ready, or `timeout` milliseconds have passed (-1: for ever). Returns as poll(2) does. */
int sys_poll(struct pollfd *polls, size_t count, int timeout) {
#ifdef SUPERD_POSIX
	sigset_t open, blocked;
	sigemptyset(&open);
	sigaddset(&open, SIGPIPE);
	sigprocmask(SIG_SETMASK, &open, &blocked);
	int ready = poll(polls, (nfds_t)count, timeout);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	return ready;
#else
	return poll(polls, (nfds_t)count, timeout);
#endif
}

#ifdef SUPERD_POSIX
static int signal_pipe[2];

static pid_t owner;

/* A child that has not yet executed its program has the pipe, too, and must not write what was meant for it alone. */
static void pass_signal(int number) {
	int saved = errno;
	unsigned char byte = (unsigned char)number;
	ssize_t written = getpid() == owner ? write(signal_pipe[1], &byte, 1) : 0;
	(void)written; /* a full pipe wakes the loop as well */
	errno = saved;
}
#endif

/* A descriptor that is readable when one of `signals`, which are blocked, has come. Returns -1 and errno on failure. */
int sys_signals_open(const sigset_t *signals) {
#ifdef SUPERD_POSIX
	struct sigaction action = {.sa_handler = pass_signal};
	if (sys_pipe(signal_pipe) < 0) return -1;
	owner = getpid();
	for (int i = 0; i < 2; i++) fcntl(signal_pipe[i], F_SETFL, O_NONBLOCK);
	for (int number = 1; number < 32; number++)
		if (sigismember(signals, number) == 1) sigaction(number, &action, NULL);
	return signal_pipe[0];
#else
	return signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
#endif
}

/* The number of the next signal that has come, or 0; and who sent it, where the system tells, or 0. */
int sys_signal_read(int fd, pid_t *sender) {
	*sender = 0;
#ifdef SUPERD_POSIX
	unsigned char number;
	return read(fd, &number, 1) == 1 ? number : 0;
#else
	struct signalfd_siginfo about;
	if (read(fd, &about, sizeof about) != sizeof about) return 0;
	*sender = (pid_t)about.ssi_pid;
	return (int)about.ssi_signo;
#endif
}

/* Accepts a connection, blocking and closed on exec, and notes the peer. Returns the descriptor or -1 and errno. */
int sys_accept(int fd, struct endpoint *peer) {
	peer->length = sizeof peer->at;
#ifndef SUPERD_POSIX
	return accept4(fd, &peer->at.any, &peer->length, SOCK_CLOEXEC);
#else
	int accepted = accept(fd, &peer->at.any, &peer->length);
	if (accepted >= 0) {
		fcntl(accepted, F_SETFD, FD_CLOEXEC);
		fcntl(accepted, F_SETFL, 0); /* some systems hand on the listener's O_NONBLOCK */
	}
	return accepted;
#endif
}

/* Closes every descriptor from `first` on, now or at the next exec, whoever opened it. */
void sys_close_from(int first, bool at_exec) {
#if !defined(SUPERD_POSIX) && defined(SYS_close_range)
	enum { CLOSE_ON_EXEC = 4 }; /* CLOSE_RANGE_CLOEXEC, Linux 5.11 */
	if (syscall(SYS_close_range, (unsigned)first, ~0u, at_exec ? CLOSE_ON_EXEC : 0) == 0) return;
#endif
	long limit = sysconf(_SC_OPEN_MAX);
	for (int fd = first; fd < (limit > 0 && limit < DESCRIPTORS_CHECKED ? limit : DESCRIPTORS_CHECKED); fd++)
		if (at_exec)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
		else
			close(fd);
}

/*
 * The supplementary groups that `user` has, with `gid` among them, as initgroups(3) would set them. The array is the
 * arena's. Returns how many; without getgrouplist(3) only `gid` itself.
 */
size_t sys_user_groups(struct arena *arena, const char *user, gid_t gid, gid_t **groups) {
#ifndef SUPERD_POSIX
	int room = 0;
	getgrouplist(user, gid, NULL, &room);
	*groups = mem_alloc(arena, (size_t)room * sizeof **groups);
	return getgrouplist(user, gid, *groups, &room) < 0 ? 0 : (size_t)room;
#else
	(void)user;
	*groups = mem_alloc(arena, sizeof **groups);
	**groups = gid;
	return 1;
#endif
}

/* Sets the supplementary groups. With POSIX alone they cannot be: it is an error to have any, or to want any. */
int sys_set_groups(size_t count, const gid_t *groups) {
#ifndef SUPERD_POSIX
	return setgroups(count, groups);
#else
	(void)groups;
	if (count == 0 && getgroups(0, NULL) == 0) return 0;
	errno = ENOSYS;
	return -1;
#endif
}

/* Adds to the priority, as nice(2) does (which is in POSIX's XSI part). Returns 0, or -1 and errno. */
int sys_nice(int change) {
#ifndef SUPERD_POSIX
	return setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + change);
#else
	(void)change;
	errno = ENOSYS;
	return -1;
#endif
}

/* Whether the process is that user, and has no way to be another. */
bool sys_is_only(uid_t uid) {
#ifndef SUPERD_POSIX
	uid_t real, effective, saved;
	uint32_t header[2] = {0x20080522, 0},
		 capabilities[6]; /* capget(2), version 3: the second of each 3 are permitted */
	return getresuid(&real, &effective, &saved) == 0 && real == uid && effective == uid && saved == uid &&
	       (uid == 0 ||
		   (syscall(SYS_capget, header, capabilities) == 0 && (capabilities[1] | capabilities[4]) == 0));
#else
	return getuid() == uid && geteuid() == uid && (uid == 0 || setuid(0) < 0);
#endif
}

int sys_chroot(const char *path) {
#ifndef SUPERD_POSIX
	return chroot(path);
#else
	(void)path;
	errno = ENOSYS;
	return -1;
#endif
}

/* Whether there is no_new_privs. */
bool sys_has_no_new_privs(void) {
#if !defined(SUPERD_POSIX) && defined(PR_SET_NO_NEW_PRIVS)
	return true;
#else
	return false;
#endif
}

/* From here on no exec gives a privilege (Linux, prctl(2)); elsewhere an error. */
int sys_no_new_privs(void) {
#if !defined(SUPERD_POSIX) && defined(PR_SET_NO_NEW_PRIVS)
	return prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
#else
	errno = ENOSYS;
	return -1;
#endif
}

/* The user id of a UNIX-domain peer, or (uid_t)-1 where the system does not tell. */
uid_t sys_peer_uid(int fd) {
#if !defined(SUPERD_POSIX) && defined(SO_PEERCRED)
	struct ucred credentials;
	socklen_t length = sizeof credentials;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) return credentials.uid;
#else
	(void)fd;
#endif
	return (uid_t)-1;
}

/* The one-minute load average in hundredths, or -1 where the system does not tell. */
long sys_load(void) {
#ifndef SUPERD_POSIX
	double load;
	if (getloadavg(&load, 1) == 1) return (long)(load * 100);
#endif
	return -1;
}

/*
 * Makes an outlet of a descriptor: something that is written to and must never block the loop. The descriptor may be
 * shared with others, who would not expect O_NONBLOCK on it; where the system can, it is opened anew instead.
 */
void sys_outlet_open(struct outlet *outlet, int fd) {
	struct stat about;
	*outlet = (struct outlet){.fd = fd, .kind = OUTLET_POLLED};
	if (fstat(fd, &about) < 0 || S_ISREG(about.st_mode)) {
		outlet->kind = OUTLET_PLAIN;
		return;
	}
#ifndef SUPERD_POSIX
	if (S_ISSOCK(about.st_mode)) {
		outlet->kind = OUTLET_SOCKET;
		return;
	}
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int anew = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (anew >= 0) *outlet = (struct outlet){.fd = anew, .kind = OUTLET_PLAIN};
#endif
}

/* Whether the descriptor can be written to, or read from, at once. */
static bool is_ready(int fd, short events) {
	struct pollfd polled = {.fd = fd, .events = events};
	return poll(&polled, 1, 0) == 1;
}

/* Writes a whole line, or nothing where that would block. Returns 0, or -1 if it could not. */
int sys_outlet_write(const struct outlet *outlet, const char *line, size_t length) {
	if (outlet->kind == OUTLET_POLLED && !is_ready(outlet->fd, POLLOUT)) return -1;
	ssize_t written = outlet->kind == OUTLET_SOCKET ? sys_send_unblocked(outlet->fd, line, length)
							: write(outlet->fd, line, length);
	return written == (ssize_t)length ? 0 : -1;
}

/* Sends what the socket takes at once. Returns how much, or -1 and errno. */
ssize_t sys_send_unblocked(int fd, const char *text, size_t length) {
#ifndef SUPERD_POSIX
	return length == 0 ? 0 : send(fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
#else
	if (is_ready(fd, POLLOUT)) return write(fd, text, length < PIPE_BUF ? length : PIPE_BUF);
	errno = EAGAIN;
	return -1;
#endif
}

/* Reads what has already come in, up to `size`. Returns how much, 0 at the end, or -1 and errno. */
ssize_t sys_receive_unblocked(int fd, char *bytes, size_t size) {
#ifndef SUPERD_POSIX
	return recv(fd, bytes, size, MSG_DONTWAIT);
#else
	if (is_ready(fd, POLLIN)) return read(fd, bytes, size);
	errno = EAGAIN;
	return -1;
#endif
}

/* Who sent the datagram that is waiting; length 0 if that cannot be told. Nothing is read. */
void sys_peek_sender(int fd, struct endpoint *sender) {
	char none;
	int flags = MSG_PEEK;
#ifndef SUPERD_POSIX
	flags |= MSG_DONTWAIT;
#endif
	sender->length = sizeof sender->at;
	if (recvfrom(fd, &none, 0, flags, &sender->at.any, &sender->length) < 0) sender->length = 0;
}

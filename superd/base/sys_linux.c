/* SPDX-License-Identifier: ISC */
/*
 * sys_linux: the system calls of sys.h as Linux has them, with glibc or musl.
 */
#define _GNU_SOURCE

#include "base.h"

#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <time.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(address, size) /* only that build marks the frames on a stack */
#endif

#ifndef SYS_close_range
#define SYS_close_range (-1) /* Linux 5.9; at exec 5.11 */
#endif

#ifndef SYS_setuid32 /* machines of 32 bits have it: their older calls take ids of 16 bits */
#define SYS_setgroups32 SYS_setgroups
#define SYS_setgid32 SYS_setgid
#define SYS_setuid32 SYS_setuid
#define SYS_getresuid32 SYS_getresuid
#endif

/*
 * A child that shares our memory shares errno: what it wrote there, we would take for the error of a call of ours, and it ours.
 * So it makes system calls without libc, by this function, which returns -ERROR. (Thread-local storage of its own would be the
 * other way, but each libc arranges that by itself.) Where libc is needed, a child must not share memory.
 */
static long system_call(long number, long a, long b, long c, long d, long e) {
#if defined(__x86_64__) && defined(__LP64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	__asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return number;
#elif defined(__i386__)
	__asm__ volatile("int $0x80" : "+a"(number) : "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
	return number;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory", "cc");
	return x0;
#else
#define NEEDS_LIBC
	long result = syscall(number, a, b, c, d, e);
	return result < 0 ? -errno : result;
#endif
}

/* The call of that name: 0, or the error's number. What is not given is 0. */
#define CALL(name, ...) CALL_FIVE(SYS_##name, __VA_ARGS__, 0, 0, 0, 0, 0)
#define CALL_FIVE(number, a, b, c, d, e, ...)                                                                          \
	error_of(system_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e)))

static int error_of(long result) { return result < 0 ? (int)-result : 0; }

/* A pipe, closed on exec, that is read without waiting. Returns 0, or -1 and errno. */
int sys_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) < 0 ? -1 : fcntl(ends[0], F_SETFL, O_NONBLOCK); }

/* A socket that is closed on exec. Returns the descriptor, or -1 and errno. */
int sys_socket(int family, int type, int protocol) { return socket(family, type | SOCK_CLOEXEC, protocol); }

/*
 * Accepts a connection, blocking and closed on exec, and notes the peer. An IPv4 client of an IPv6 socket gets an IPv4 socket,
 * which programs expect, and xinetd gives them; unless the client has already ended its side, when the kernel refuses that.
 * Returns the descriptor, or -1 and errno.
 */
int sys_accept(int fd, struct endpoint *peer) {
	const int family = AF_INET;
	peer->length = sizeof peer->at;
	int accepted = accept4(fd, &peer->at.any, &peer->length, SOCK_CLOEXEC);
	if (accepted < 0 && (errno == ENOSYS || errno == EPERM)) { /* a sandbox may know only the older call */
		accepted = accept(fd, &peer->at.any, &peer->length);
		if (accepted >= 0) fcntl(accepted, F_SETFD, FD_CLOEXEC);
	}
	if (accepted >= 0 && peer->at.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&peer->at.in6.sin6_addr))
		setsockopt(accepted, IPPROTO_IPV6, IPV6_ADDRFORM, &family, sizeof family);
	return accepted;
}

/* The file of the descriptor opened once more for writing, without blocking. Returns the descriptor, or -1 and errno. */
int sys_reopen_nonblocking(int fd) {
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Opens a folder that need not be readable, at a path from the folder `from`. Returns the descriptor, or -1 and errno. */
int sys_open_folder(int from, const char *path) { return openat(from, path, O_PATH | O_DIRECTORY | O_CLOEXEC); }

/* Sends what the socket takes at once. Returns how many bytes, or -1 and errno. */
ssize_t sys_send_nonblocking(int fd, const void *bytes, size_t length) {
	return length == 0 ? 0 : send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/*
 * Moves bytes from one pipe to another, if that has room at once. A line takes a whole page there, so a pipe that is full is
 * enlarged, as far as superd may. Returns how many, or -1 and errno.
 */
ssize_t sys_move_nonblocking(int from, int to, size_t length) {
	enum { SIZE = 1024 * 1024 };
	ssize_t moved = splice(from, NULL, to, NULL, length, SPLICE_F_NONBLOCK);
	if (moved >= 0 || errno != EAGAIN || fcntl(to, F_GETPIPE_SZ) >= SIZE) return moved;
	fcntl(to, F_SETPIPE_SZ, SIZE);
	return splice(from, NULL, to, NULL, length, SPLICE_F_NONBLOCK);
}

/* Reads what has already arrived, up to `size` bytes. Returns how many, 0 at the end, or -1 and errno. */
ssize_t sys_receive_nonblocking(int fd, char *bytes, size_t size) { return recv(fd, bytes, size, MSG_DONTWAIT); }

/* The sender of the datagram that is next; nothing is read. Returns 0, or -1 and errno if there is none. */
int sys_peek_sender(int fd, struct endpoint *sender) {
	char none;
	sender->length = sizeof sender->at;
	ssize_t peeked = recvfrom(fd, &none, 0, MSG_PEEK | MSG_DONTWAIT, &sender->at.any, &sender->length);
	if (peeked < 0) sender->length = 0;
	return peeked < 0 ? -1 : 0;
}

#define ACCESS_LIST "system.posix_acl_access"

/* O_PATH names the file that is there now. A link is opened itself, and is never superd's socket. */
static int set_opened_path(int fd, const char *path, dev_t device, ino_t inode, mode_t mode, uid_t uid, gid_t gid) {
	char opened[40];
	struct stat about;
	if (fstat(fd, &about) < 0) return -1;
	if (about.st_dev != device || about.st_ino != inode) {
		errno = EEXIST;
		return -1;
	}
	snprintf(opened, sizeof opened, "/proc/self/fd/%d", fd);
	/* what the directory's default ACL has given to others; without /proc, it stays */
	if (removexattr(opened, ACCESS_LIST) < 0 && errno == ENOENT && lgetxattr(path, ACCESS_LIST, NULL, 0) > 0)
		return -1;
	mode_t now = about.st_mode & 07777;
	if (about.st_uid != uid || about.st_gid != gid) { /* between the steps, neither of the two may have more */
		now &= mode;
		if (chmod(opened, now) < 0 || fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0) return -1;
	}
	return now != mode ? chmod(opened, mode) : 0;
}

/*
 * Sets the mode and the owner of a path, if it is still the file with that device and inode. Returns 0, or -1 and errno:
 * EEXIST if another file is there.
 */
int sys_set_path(const char *path, dev_t device, ino_t inode, mode_t mode, uid_t uid, gid_t gid) {
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) return -1;
	int result = set_opened_path(fd, path, device, inode, mode, uid, gid), saved = errno;
	close(fd);
	errno = saved;
	return result;
}

/*
 * What the file is that a UNIX-domain socket was bound to: superd asks the socket itself, since others may have put another file
 * at its path meanwhile; where it may not ask, the path. Returns 0, or -1 and errno.
 */
int sys_find_file(int fd, const char *path, struct stat *about) {
	int file = ioctl(fd, 0x89e0 /* SIOCUNIXFILE */);
	if (file < 0) return lstat(path, about);
	int result = fstat(file, about);
	close(file);
	return result;
}

/* Whether the file has an access list: its group's bits are then the most that the list may give. */
bool sys_has_acl(const char *path) { return getxattr(path, ACCESS_LIST, NULL, 0) > 0; }

static int poller = -1;

/* Begins to poll. Returns -1 and errno on failure. */
int sys_poller_open(void) {
	if (poller < 0) poller = epoll_create1(EPOLL_CLOEXEC);
	return poller;
}

/* Polls the watch's descriptor for input. Returns 0, or -1 and errno. */
int sys_poller_add(struct watch *watch) {
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};
	return epoll_ctl(poller, EPOLL_CTL_ADD, watch->fd, &event);
}

/* Stops polling it. Must be called before the descriptor is closed: a copy of it would go on. */
void sys_poller_remove(struct watch *watch) { epoll_ctl(poller, EPOLL_CTL_DEL, watch->fd, NULL); }

/* Waits for at most `timeout` milliseconds until a descriptor is ready. Returns how many are. */
int sys_poller_wait(struct watch *ready[MOST_READY], int timeout) {
	struct epoll_event events[MOST_READY];
	int count = epoll_wait(poller, events, MOST_READY, timeout);
	for (int i = 0; i < count; i++) ready[i] = events[i].data.ptr;
	return count < 0 ? 0 : count;
}

/*
 * Gives every signal its default again, as an exec does. By the system call, since libc keeps 32 and 33 to itself, and a
 * parent may have left them ignored (GNU make does).
 */
void sys_default_signals(void) {
	static const uint64_t action[8]; /* at least the kernel's struct: SIG_DFL, no flags, no mask */
	for (int number = 1; number < _NSIG; number++) syscall(SYS_rt_sigaction, number, action, NULL, _NSIG / 8);
}

/* SIGALRM every few milliseconds, or not any more. */
void sys_set_ticks(bool on) {
	const struct timeval span = {0, on ? 2000 : 0};
	setitimer(ITIMER_REAL, &(struct itimerval){span, span}, NULL);
}

/* A descriptor that is readable when one of `signals`, which are blocked, has arrived. Returns -1 and errno on failure. */
int sys_signals_open(const sigset_t *signals) { return signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK); }

/* The number of the next signal that has arrived, or 0; and its sender. */
int sys_signal_read(int fd, pid_t *sender) {
	struct signalfd_siginfo about = {.ssi_signo = 0};
	if (read(fd, &about, sizeof about) != sizeof about) return 0;
	*sender = (pid_t)about.ssi_pid;
	return (int)about.ssi_signo;
}

/* Whether a sandbox leaves keyctl(2). The parent asks before the first child, which shares its memory. */
static bool has_keyctl(void) {
	static int known = -1;
	if (known >= 0) return known > 0;
	long keyring = syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3 /* of the session */, 0);
	known = keyring >= 0 || (errno != ENOSYS && errno != EPERM); /* it may be revoked */
	return known > 0;
}

/* CLONE_CHILD_CLEARTID does the same, but musl refuses it since 1.2.5. */
static int run_task(void *argument) {
	struct task *task = argument;
	CALL(set_tid_address, &task->starting);
	task->run(task);
	return EXIT_FAILURE;
}

/*
 * Starts a child that shares our memory, and with `shares_descriptors` our descriptors (which is cleared where the kernel
 * cannot separate them again), so that nothing is copied, and runs on the task's stack. The kernel clears `starting` at its
 * exec or its end. We do not sleep until then, as vfork(2) does: any process of the user that the child becomes could stop
 * the child, and us. Returns as fork(2) does.
 */
pid_t sys_clone(struct task *task) {
	static int can_unshare = -1;
#ifdef NEEDS_LIBC
	errno = ENOSYS;
	return -1;
#endif
	if (can_unshare < 0) can_unshare = sys_close_range(INT_MAX, CLOSE_UNSHARED) == 0;
	task->shares_descriptors &= can_unshare;
	has_keyctl();
	ASAN_UNPOISON_MEMORY_REGION(task->stack, sizeof task->stack); /* an earlier child has left its frames there */
	int flags = CLONE_VM | (task->shares_descriptors ? CLONE_FILES : 0) | CLONE_PARENT_SETTID | SIGCHLD;
	return clone(run_task, task->stack + sizeof task->stack, flags, task, (pid_t *)&task->starting);
}

/* Sleeps until the child has executed its program, or ended, but no longer than `timeout` milliseconds, less than 1,000. */
void sys_clone_wait(struct task *task, int timeout) {
	const struct timespec longest = {0, timeout * 1000000L};
	pid_t pid = atomic_load(&task->starting);
	if (pid != 0) syscall(SYS_futex, &task->starting, 0 /* FUTEX_WAIT */, pid, &longest, NULL, 0);
}

/* Closes every descriptor from `first` on, whatever opened it. */
int sys_close_range(int first, enum close_how how) {
	static const unsigned flags[] = {[CLOSE_NOW] = 0, [CLOSE_UNSHARED] = 2, [CLOSE_AT_EXEC] = 4};
	return CALL(close_range, (unsigned)first, ~0U, flags[how]);
}

/* Makes the process the leader of a new group, or of a new session, which no terminal reaches. */
int sys_new_group(bool with_session) { return with_session ? CALL(setsid, 0) : CALL(setpgid, 0, 0); }

/* Makes `to` a copy of the descriptor. */
int sys_dup(int fd, int to) { return fd == to ? 0 : CALL(dup3, fd, to, 0); }

/* Opens the file of descriptor 2 once more, for writing only, in its place. */
int sys_make_write_only(void) {
	long fd = system_call(SYS_openat, AT_FDCWD, (long)"/proc/self/fd/2", O_WRONLY | O_NOCTTY | O_CLOEXEC, 0, 0);
	return fd < 0 ? (int)-fd : sys_dup((int)fd, STDERR_FILENO);
}

/* Sets the soft and the hard limit; UINT64_MAX is none. */
int sys_set_limit(int resource, uint64_t value) {
	const uint64_t limit[2] = {value, value};
	return CALL(prlimit64, 0, resource, limit);
}

/* Adds to the priority, as nice(2) does. */
int sys_nice(int change) {
	return CALL(
	    setpriority, PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + change); /* getpriority does not fail */
}

int sys_chroot(const char *path) { return CALL(chroot, path); }

int sys_chdir(const char *path) { return CALL(chdir, path); }

/* Whether the process is that user, and has no way to be another. */
static bool is_only(uid_t uid) {
	uid_t real = 0, effective = 0, saved = 0;
	return CALL(getresuid32, &real, &effective, &saved) == 0 && real == uid && effective == uid && saved == uid;
}

/*
 * Becomes another user, for good: an empty session keyring instead of superd's, the groups, the group, the user; unless that
 * is root, no capability in any set; and then the proof that root cannot be had back. On error, `*step` is what failed.
 */
int sys_become(uid_t uid, gid_t gid, size_t group_count, const gid_t *groups, const char **step) {
	const uint32_t header[2] = {0x20080522, 0}, none[6] = {0}; /* capset(2), version 3 */
	*step = "keyctl";
	int error = has_keyctl() ? CALL(keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, NULL) : 0;
	if (error != 0) return error;
	*step = "setgroups";
	if ((error = CALL(setgroups32, group_count, groups)) != 0) return error;
	*step = "setgid";
	if ((error = CALL(setgid32, gid)) != 0) return error;
	*step = "setuid";
	if ((error = CALL(setuid32, uid)) != 0) return error;
	*step = "capset";
	if (uid != 0 && (error = CALL(capset, header, none)) != 0) return error;
	*step = "giving up root";
	return is_only(uid) ? 0 : EPERM;
}

/* From here on, no exec gives a privilege. */
int sys_no_new_privs(void) { return CALL(prctl, PR_SET_NO_NEW_PRIVS, 1L); }

/* Executes the program; returns only on error. */
int sys_exec(const char *path, char *const *argv, char *const *environment) {
	return CALL(execve, path, argv, environment);
}

bool sys_has_no_new_privs(void) { return true; }

/*
 * The supplementary groups that `user` has, with `gid` among them, as initgroups(3) would set them. The array is the
 * arena's. Returns how many.
 */
size_t sys_user_groups(struct arena *arena, const char *user, gid_t gid, gid_t **groups) {
	int room = 0;
	getgrouplist(user, gid, NULL, &room);
	*groups = mem_alloc(arena, (size_t)room * sizeof **groups);
	return getgrouplist(user, gid, *groups, &room) < 0 ? 0 : (size_t)room;
}

/* The user id of a UNIX-domain peer, or (uid_t)-1 where the system does not tell. */
uid_t sys_peer_uid(int fd) {
	struct ucred credentials;
	socklen_t length = sizeof credentials;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 ? credentials.uid : (uid_t)-1;
}

/* The one-minute load average in hundredths, or -1 where the system does not tell. */
long sys_load(void) {
	double load;
	return getloadavg(&load, 1) == 1 ? (long)(load * 100) : -1;
}

/* The most descriptors that a process may have, whatever its limits are. */
unsigned long long sys_most_descriptors(void) {
	char text[32];
	FILE *file = fopen("/proc/sys/fs/nr_open", "r");
	bool is_known = file != NULL && fgets(text, sizeof text, file) != NULL;
	if (file != NULL) fclose(file);
	return is_known ? strtoull(text, NULL, 10) : ULLONG_MAX;
}

int sys_terminal_width(int fd) {
	struct winsize size = {.ws_col = 0};
	return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void *sys_map(size_t size) {
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory != MAP_FAILED ? memory : NULL;
}

void sys_unmap(void *memory, size_t size) { munmap(memory, size); }

/* musl gives large blocks back when they are freed. */
void sys_trim_memory(void) {
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

/*
 * spawn: the way from an accepted connection to the program. The child walks one way to exec and never returns. All
 * that can be known beforehand was worked out at load (service.c), so the child makes system calls and nothing else.
 * The parent sleeps until the exec has succeeded or failed, and learns which.
 */
#include "superd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child needs to know. */
struct launch {
	const struct service *service;
	int fd;
	char **environment;
};

enum { EXIT_NOT_STARTED = 111, SLOT_TEXT = ADDR_TEXT + 20 };

/* In the order of service.rlimits. Not all are in POSIX. */
static const int rlimit_kinds[RLIMITS] = {
#ifdef RLIMIT_AS
    [0] = RLIMIT_AS,
#endif
    [1] = RLIMIT_CPU,
    [2] = RLIMIT_DATA,
    [3] = RLIMIT_NOFILE,
#ifdef RLIMIT_RSS
    [4] = RLIMIT_RSS,
#endif
    [5] = RLIMIT_STACK};

/* What the child could not do. The child shares our memory until it execs; where it does not, sys.c brings this over. */
static volatile struct spawn_failure failure;

static _Noreturn void child_fail(const char *step) {
	failure.step = step;
	failure.error = errno;
	sys_child_report(&failure, sizeof failure);
	_exit(EXIT_NOT_STARTED);
}

static void set_limits(const struct service *service) {
	for (int i = 0; i < RLIMITS; i++) {
		if (service->rlimits[i] == UNSET) continue;
		rlim_t value = service->rlimits[i] == UNLIMITED ? RLIM_INFINITY : (rlim_t)service->rlimits[i];
		struct rlimit limit = {value, value};
		if (setrlimit(rlimit_kinds[i], &limit) < 0) child_fail("setrlimit");
	}
	if (service->nice != UNSET && sys_nice((int)service->nice) < 0) child_fail("nice");
}

/* Groups, then gid, then uid, and then the proof that root cannot be had back. */
static void change_user(const struct service *service) {
	if (sys_set_groups(service->group_count, service->group_ids) < 0) child_fail("setgroups");
	if (setgid(service->group.gid) < 0) child_fail("setgid");
	if (setuid(service->user.uid) < 0) child_fail("setuid");
	if (service->user.uid != 0 && setuid(0) == 0) {
		errno = EPERM;
		child_fail("giving up root");
	}
}

/* What exec would do for a child that goes on as superd itself: nothing of the parent's stays open, no handler set. */
static void child_stay(void) {
	sigset_t none;
	log_in_child();
	sys_close_from(STDERR_FILENO + 1, false);
	loop_close();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void child_exec(const struct service *service, int fd, char **environment) {
	sigset_t none;
	setsid();
	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0) child_fail("dup2");
	if (service->stderr_to == STDERR_CLIENT && !service->is_internal && dup2(fd, STDERR_FILENO) < 0)
		child_fail("dup2");
	if (service->is_internal) {
		child_stay();
		log_file_prepare(service);
	}
	if (service->change_umask) umask((mode_t)service->umask);
	set_limits(service);
	if (service->chroot != NULL && sys_chroot(service->chroot) < 0) child_fail("chroot");
	if (service->change_directory && chdir(service->directory) < 0) child_fail("chdir");
	if (service->change_user) change_user(service);
	if (service->no_new_privs && sys_no_new_privs() < 0) child_fail("no_new_privs");
	if (service->is_internal) builtin_run(service);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(service->path, service->argv, environment);
	child_fail("exec");
}

/*
 * Points the last of the environment's PEER_SLOTS at what this client needs, in the conventions of UCSPI (PROTO,
 * TCPREMOTEIP...), systemd (REMOTE_ADDR, REMOTE_PORT) and xinetd (REMOTE_HOST). Returns where the environment begins.
 */
static char **describe_peer(const struct client *client) {
	static char slots[PEER_SLOTS][SLOT_TEXT];
	char local[ADDR_TEXT], peer[ADDR_TEXT];
	char **environment = client->listener->service->environment;
	size_t count = 0;
	addr_format_host(&client->local, local);
	bool is_dgram = client->listener->service->socket_type == SOCK_DGRAM;
	if (client->peer.length == 0) return environment + PEER_SLOTS; /* it accepts by itself: there is no peer yet */
	if (client->local.at.any.sa_family == AF_UNIX) {
		snprintf(slots[count++], SLOT_TEXT, "PROTO=UNIX");
		snprintf(slots[count++], SLOT_TEXT, "UNIXLOCALPATH=%s", local);
		if (client->uid != (uid_t)-1)
			snprintf(slots[count++], SLOT_TEXT, "UNIXREMOTEUID=%lu", (unsigned long)client->uid);
	} else {
		unsigned port = addr_port(&client->peer);
		addr_format_host(&client->peer, peer);
		snprintf(slots[count++], SLOT_TEXT, "PROTO=%s", is_dgram ? "UDP" : "TCP");
		snprintf(slots[count++], SLOT_TEXT, "TCPLOCALIP=%s", local);
		snprintf(slots[count++], SLOT_TEXT, "TCPLOCALPORT=%u", addr_port(&client->local));
		snprintf(slots[count++], SLOT_TEXT, "TCPREMOTEIP=%s", peer);
		snprintf(slots[count++], SLOT_TEXT, "TCPREMOTEPORT=%u", port);
		snprintf(slots[count++], SLOT_TEXT, "REMOTE_ADDR=%s", peer);
		snprintf(slots[count++], SLOT_TEXT, "REMOTE_PORT=%u", port);
		snprintf(slots[count++], SLOT_TEXT, "REMOTE_HOST=%s", peer);
	}
	environment += PEER_SLOTS - count;
	for (size_t i = 0; i < count; i++) environment[i] = slots[i];
	return environment;
}

static _Noreturn void child_main(void *argument) {
	const struct launch *launch = argument;
	child_exec(launch->service, launch->fd, launch->environment);
}

/* A child that goes on as superd itself needs memory of its own. */
static pid_t fork_internal(struct launch *launch) {
	pid_t pid = fork();
	if (pid == 0) child_main(launch);
	return pid;
}

/*
 * Starts the service's program with `client`'s connection as its descriptors 0 and 1. Returns the child's process id,
 * or -1 and in `why` what could not be done: the step "fork" if there was no child, which may be different later.
 */
pid_t spawn_program(const struct client *client, struct spawn_failure *why) {
	const struct service *service = client->listener->service;
	struct launch launch = {service, client->fd, describe_peer(client)};
	failure.step = NULL;
	pid_t pid = service->is_internal ? fork_internal(&launch)
					 : sys_start_child(child_main, &launch, (void *)&failure, sizeof failure);
	if (pid < 0) {
		*why = (struct spawn_failure){"fork", errno};
		return -1;
	}
	if (failure.step == NULL) return pid;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	*why = (struct spawn_failure){failure.step, failure.error};
	return -1;
}

/* Starts a child that asks the DNS whether the client may come, and exits with 0 if so. As spawn_program. */
pid_t spawn_question(const struct client *client, struct spawn_failure *why) {
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		child_stay();
		if (client->listener->service->change_user) change_user(client->listener->service);
		_exit(!domain_allows(client->listener->service, &client->peer, client->source));
	}
	if (pid < 0) *why = (struct spawn_failure){"fork", errno};
	return pid;
}

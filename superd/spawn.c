/*
 * spawn: the way from an accepted connection to the program. The child walks one way to exec and never returns. All
 * that can be known beforehand was worked out at load (service.c), so the child makes system calls and nothing else.
 * Up to SPAWN_MOST children are on their way at a time, and superd goes on meanwhile; whether a program runs is known,
 * and acted upon, when its launch is settled.
 */
#include "superd.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { EXIT_NOT_STARTED = 111, PEER_VARIABLES = 8, SLOT_TEXT = ADDR_TEXT + 20, NUMBER_TEXT = 24 };

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

/*
 * A child on its way: all that it needs, on which we keep our hands off until it is there, and what it could not do. A
 * child shares our memory; where it does not, sys.c brings `failure` over.
 */
struct launch {
	struct client client;
	struct task task;
	pid_t pid; /* 0: nobody is on the way */
	volatile struct spawn_failure failure;
	char **environment;
	size_t room;
	char slots[PEER_VARIABLES][SLOT_TEXT];
};

static struct launch launches[SPAWN_MOST];

static size_t busy;

static _Noreturn void child_fail(struct launch *launch, const char *step) {
	launch->failure.error = errno;
	launch->failure.step = step;
	sys_child_report(&launch->failure, sizeof launch->failure);
	_exit(EXIT_NOT_STARTED);
}

static void set_limits(struct launch *launch) {
	const struct service *service = launch->client.listener->service;
	for (int i = 0; i < RLIMITS; i++) {
		if (service->rlimits[i] == UNSET) continue;
		rlim_t value = service->rlimits[i] == UNLIMITED ? RLIM_INFINITY : (rlim_t)service->rlimits[i];
		struct rlimit limit = {value, value};
		if (setrlimit(rlimit_kinds[i], &limit) < 0) child_fail(launch, "setrlimit");
	}
	if (service->nice != UNSET && sys_nice((int)service->nice) < 0) child_fail(launch, "nice");
}

/* Groups, then gid, then uid, and then the proof that root cannot be had back. */
static void change_user(struct launch *launch) {
	const struct service *service = launch->client.listener->service;
	if (sys_set_groups(service->group_count, service->group_ids) < 0) child_fail(launch, "setgroups");
	if (setgid(service->group.gid) < 0) child_fail(launch, "setgid");
	if (setuid(service->user.uid) < 0) child_fail(launch, "setuid");
	errno = EPERM;
	if (!sys_is_only(service->user.uid)) child_fail(launch, "giving up root");
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

static _Noreturn void child_main(void *argument) {
	struct launch *launch = argument;
	const struct service *service = launch->client.listener->service;
	int fd = launch->client.fd;
	sigset_t none;
	setsid();
	if (sys_own_descriptors(&launch->task) < 0) child_fail(launch, "close_range");
	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0) child_fail(launch, "dup2");
	if (service->stderr_to == STDERR_CLIENT && !service->is_internal && dup2(fd, STDERR_FILENO) < 0)
		child_fail(launch, "dup2");
	if (service->is_internal) {
		child_stay();
		log_file_prepare(service);
	}
	if (service->change_umask) umask((mode_t)service->umask);
	set_limits(launch);
	if (service->chroot != NULL && sys_chroot(service->chroot) < 0) child_fail(launch, "chroot");
	if (service->change_directory && chdir(service->directory) < 0) child_fail(launch, "chdir");
	if (service->change_user) change_user(launch);
	if (service->no_new_privs && sys_no_new_privs() < 0) child_fail(launch, "no_new_privs");
	if (service->is_internal) builtin_run(service);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(service->path, service->argv, launch->environment);
	child_fail(launch, "exec");
}

/* Adds NAME=VALUE to the variables that the launch has of its client. */
static void describe(struct launch *launch, size_t *count, const char *name, const char *value) {
	stpcpy(stpcpy(launch->slots[*count], name), value);
	launch->environment[*count] = launch->slots[*count];
	++*count;
}

/* Who the client is, in the conventions of UCSPI (PROTO, TCPREMOTEIP...), systemd (REMOTE_ADDR...) and xinetd. */
static void describe_peer(struct launch *launch, size_t *count) {
	const struct client *client = &launch->client;
	char local[ADDR_TEXT], peer[ADDR_TEXT], number[NUMBER_TEXT];
	if (client->peer.length == 0) {
		/* The program accepts by itself, and there is no peer yet: this is xinetd's way to say so. */
		describe(launch, count, "REMOTE_HOST=", "<no address>");
		return;
	}
	addr_format_host(&client->local, local);
	if (client->local.at.any.sa_family == AF_UNIX) {
		describe(launch, count, "PROTO=", "UNIX");
		describe(launch, count, "UNIXLOCALPATH=", local);
		snprintf(number, sizeof number, "%lu", (unsigned long)client->uid);
		if (client->uid != (uid_t)-1) describe(launch, count, "UNIXREMOTEUID=", number);
		return;
	}
	addr_format_host(&client->peer, peer);
	bool is_dgram = client->listener->service->socket_type == SOCK_DGRAM;
	describe(launch, count, "PROTO=", is_dgram ? "UDP" : "TCP");
	describe(launch, count, "TCPLOCALIP=", local);
	snprintf(number, sizeof number, "%u", addr_port(&client->local));
	describe(launch, count, "TCPLOCALPORT=", number);
	describe(launch, count, "TCPREMOTEIP=", peer);
	snprintf(number, sizeof number, "%u", addr_port(&client->peer));
	describe(launch, count, "TCPREMOTEPORT=", number);
	describe(launch, count, "REMOTE_ADDR=", peer);
	describe(launch, count, "REMOTE_PORT=", number);
	describe(launch, count, "REMOTE_HOST=", peer);
}

/* The client's variables, and then the service's. Returns 0, or -1 for want of memory. */
static int prepare_environment(struct launch *launch) {
	const struct service *service = launch->client.listener->service;
	size_t count = 0, room = PEER_VARIABLES + service->environment_count + 1;
	if (launch->room < room) {
		char **grown = realloc(launch->environment, room * sizeof *grown);
		if (grown == NULL) return -1;
		launch->environment = grown;
		launch->room = room;
	}
	describe_peer(launch, &count);
	memcpy(launch->environment + count, service->environment, (service->environment_count + 1) * sizeof(char *));
	return 0;
}

/* Whether a child is on its way. */
bool spawn_is_busy(void) {
	return busy > 0;
}

/* The child is at its program, or failed: its place is free, and `started` is told. */
static void conclude(
    struct launch *launch, void (*started)(const struct client *, pid_t, const struct spawn_failure *)) {
	struct spawn_failure failure = {launch->failure.step, launch->failure.error};
	struct client client = launch->client;
	pid_t pid = launch->pid;
	launch->pid = 0;
	busy--;
	started(&client, pid, failure.step != NULL ? &failure : NULL);
}

/*
 * Tells `started` of each child that is at its program, or failed: the latter has a `failure`, and its child has yet to
 * be reaped. While more than `most` are on their way, sleeps until one has come, but no more than `sleeps` times, each
 * of them short. Returns whether no more than `most` are left.
 */
bool spawn_settle(
    size_t most, int sleeps, void (*started)(const struct client *, pid_t, const struct spawn_failure *)) {
	for (;; sleeps--) {
		struct launch *awaited = NULL;
		for (struct launch *launch = launches; launch < launches + SPAWN_MOST && busy > 0; launch++) {
			if (launch->pid == 0) continue;
			if (sys_has_executed(&launch->task))
				conclude(launch, started);
			else
				awaited = launch;
		}
		if (busy <= most || awaited == NULL || sleeps == 0) return busy <= most;
		sys_await_exec(&awaited->task);
	}
}

/* That child has ended, perhaps on its way. */
void spawn_note_end(pid_t pid) {
	for (struct launch *launch = launches; launch < launches + SPAWN_MOST && busy > 0; launch++)
		if (launch->pid == pid) sys_task_ended(&launch->task);
}

/*
 * Sends a child on its way to the service's program, with `client`'s connection as its descriptors 0 and 1. One place
 * must be free (spawn_settle). With `sleeps` nothing is left to wait for when this returns, if that can be had safely.
 * Returns the child's process id, or -1 and why there is none.
 */
pid_t spawn_program(const struct client *client, bool sleeps, struct spawn_failure *why) {
	const struct service *service = client->listener->service;
	struct launch *launch = launches;
	while (launch->pid != 0) launch++;
	launch->client = *client;
	launch->failure.step = NULL;
	launch->task.child = child_main;
	launch->task.argument = launch;
	/* A socket that the program takes itself may be closed under way, by a stop. */
	launch->task.shares = !service->is_internal && !service->wait && client->fd < LISTENING_FROM;
	*why = (struct spawn_failure){"memory", ENOMEM};
	if (prepare_environment(launch) < 0) return -1;
	pid_t pid = service->is_internal ? fork() /* a child that goes on as superd itself needs memory of its own */
					 : sys_start_child(&launch->task, sleeps && !service->change_user,
					       &launch->failure, sizeof launch->failure);
	if (pid == 0) child_main(launch);
	*why = (struct spawn_failure){"fork", errno};
	if (pid < 0) return -1;
	launch->pid = pid;
	busy++;
	return pid;
}

/* Starts a child that asks the DNS whether the client may come, and exits with 0 if so. As spawn_program. */
pid_t spawn_question(const struct client *client, struct spawn_failure *why) {
	pid_t pid = fork();
	if (pid == 0) {
		launches->client = *client;
		setsid();
		child_stay();
		if (client->listener->service->change_user) change_user(launches);
		_exit(!domain_allows(client->listener->service, &client->peer, client->source));
	}
	if (pid < 0) *why = (struct spawn_failure){"fork", errno};
	return pid;
}

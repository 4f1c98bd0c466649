/* SPDX-License-Identifier: ISC */
/*
 * spawn: from an admitted client to its program. The child takes one way to exec and never returns. What can be worked out
 * beforehand was worked out when the configuration was loaded (service.c), so the child makes system calls and nothing
 * else. Several children start at a time, and superd goes on meanwhile: a launch is finished when its child has started or
 * failed.
 */
#include "connection.h"

#include <fcntl.h>
#include <sys/stat.h>

enum {
	MAX_QUICK = 64, /* for the sake of memory: fewer start at a time on a quiet machine */
	MOST_UNUSED = 32,
	FAST_MS = 2,
	SLOW_AFTER_MS = 10,
	SLOW_CHECK_MS = 20, /* at first, and MOST_SLOW_CHECK_MS more at last */
	MOST_SLOW_CHECK_MS = 1000,
	PEER_VARIABLES = 8,
	SLOT_TEXT = ADDR_TEXT + 20,
	NUMBER_TEXT = 24,
	REPORT_FD = STDERR_FILENO + 1
};

/* A child that has not started yet: all that it needs, which must stay as it is until then. */
struct launch {
	struct task task;
	struct launch *next; /* in `quick` or `unused` */
	struct timer timer;  /* of a slow child */
	struct service *service;
	struct client client;
	struct child *child;
	bool closes_others; /* other clients' connections: while exec hangs, they would stay open */
	char slots[PEER_VARIABLES][SLOT_TEXT];
	size_t room; /* of `environment` */
	char *environment[];
};

/*
 * The children that are worth waiting for, the oldest first: as many as have not started when the next client comes. On a busy
 * machine, each waits for its turn. A child that takes long is slow, and only looked after.
 */
static struct launch *quick;

static size_t quick_count;

static struct launch *unused;

static int unused_count;

static void change_user(struct launch *launch) {
	const struct service *service = launch->service;
	const char *step;
	if (!service->change_user) return;
	struct user_groups groups = {0};
	if (service->user_groups != NULL) groups = *service->user_groups;
	int error = sys_become(service->user.uid, service->group.gid, groups.count, groups.ids, &step);
	task_require(&launch->task, step, error);
}

/* What surrounds the program: its limits, directories, user. */
static void set_world(struct launch *launch) {
	const struct service *service = launch->service;
	if (service->change_umask) umask((mode_t)service->umask);
	for (int i = 0; i < LIMITS; i++) {
		int64_t value = service->rlimits[i];
		uint64_t limit = value == UNLIMITED ? UINT64_MAX : (uint64_t)value;
		if (value != UNSET) task_require(&launch->task, "setrlimit", sys_set_limit(rlimit_resources[i], limit));
	}
	if (service->nice != UNSET) task_require(&launch->task, "nice", sys_nice((int)service->nice));
	if (service->chroot != NULL) task_require(&launch->task, "chroot", sys_chroot(service->chroot));
	if (service->change_directory) task_require(&launch->task, "chdir", sys_chdir(service->directory));
	change_user(launch);
	if (service->no_new_privs) task_require(&launch->task, "no_new_privs", sys_no_new_privs());
}

/* What children must know about superd: found once, before the first. */
static struct {
	bool is_known;
	bool has_terminal;        /* a controlling one: its signals, and its end, are not for programs */
	bool has_readable_stderr; /* a terminal: what is typed there is not for another user's program */
} own;

static void find_own(void) {
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	own.has_terminal = fd >= 0 || errno != ENXIO;
	if (fd >= 0) close(fd);
	own.has_readable_stderr = (fcntl(STDERR_FILENO, F_GETFL) & O_ACCMODE) == O_RDWR && isatty(STDERR_FILENO) == 1;
	own.is_known = true;
}

/* The listening sockets have high numbers: to copy 500 only to be closed at exec is a fifth of a connection's cost. */
static void take_connection(struct task *task, int fd) {
	if (task->shares_descriptors) task_require(task, "close_range", sys_close_range(fd + 1, CLOSE_UNSHARED));
	task_require(task, "dup", sys_dup(fd, STDIN_FILENO));
	task_require(task, "dup", sys_dup(fd, STDOUT_FILENO));
}

/* Does what exec would do for a child that goes on as superd itself: nothing of the parent's stays open, or is handled. */
static void become_helper(struct launch *launch) {
	task_require(&launch->task, "setsid", sys_new_group(own.has_terminal));
	log_in_child();
	log_files_reopen();
	task_require(&launch->task, "dup", sys_dup(launch->task.report_fd, REPORT_FD));
	launch->task.report_fd = REPORT_FD;
	task_close_from(REPORT_FD + 1, CLOSE_NOW);
	sys_default_signals();
	task_unblock_signals();
}

static void run_program(struct task *task) {
	struct launch *launch = CONTAINER(task, struct launch, task);
	const struct service *service = launch->service;
	int fd = launch->client.fd;
	task_require(task, "setsid", sys_new_group(own.has_terminal));
	take_connection(task, fd);
	if (service->stderr_to == STDERR_CLIENT) task_require(task, "dup", sys_dup(fd, STDERR_FILENO));
	else if (service->change_user && own.has_readable_stderr) task_require(task, "stderr", sys_make_write_only());
	if (launch->closes_others && task->report_fd < 0) sys_close_range(STDERR_FILENO + 1, CLOSE_NOW);
	set_world(launch);
	task_unblock_signals();
	task_fail(task, "exec", sys_exec(service->path, service->argv, launch->environment));
}

static void run_internal(struct task *task) {
	struct launch *launch = CONTAINER(task, struct launch, task);
	take_connection(task, launch->client.fd);
	become_helper(launch);
	log_file_prepare(launch->service);
	set_world(launch);
	task_report_started(task);
	builtin_run(launch->service, &launch->client);
}

/* Asks the DNS whether the client is admitted, and exits with 0 if so. */
static void run_question(struct task *task) {
	struct launch *launch = CONTAINER(task, struct launch, task);
	become_helper(launch);
	change_user(launch);
	task_report_started(task);
	_exit(!domain_admits(launch->service, &launch->client.peer, launch->client.source));
}

/*
 * Sets the client's variables, in the conventions of UCSPI (PROTO, TCPREMOTEIP...), systemd (REMOTE_ADDR...) and xinetd, and
 * then the service's.
 */
static void set_environment(struct launch *launch) {
	const struct client *client = &launch->client;
	const struct service *service = launch->service;
	bool is_unix = client->local.at.any.sa_family == AF_UNIX;
	char local[ADDR_TEXT], peer[ADDR_TEXT], local_number[NUMBER_TEXT], peer_number[NUMBER_TEXT];
	const char *const inet[][2] = {{"PROTO=", service->socket_type == SOCK_DGRAM ? "UDP" : "TCP"},
	    {"TCPLOCALIP=", local}, {"TCPLOCALPORT=", local_number}, {"TCPREMOTEIP=", peer},
	    {"TCPREMOTEPORT=", peer_number}, {"REMOTE_ADDR=", peer}, {"REMOTE_PORT=", peer_number},
	    {"REMOTE_HOST=", peer}};
	const char *const path[][2] = {{"PROTO=", "UNIX"}, {"UNIXLOCALPATH=", local}, {"UNIXREMOTEUID=", peer_number}};
	const char *const none[][2] = {{"REMOTE_HOST=", "<no address>"}}; /* xinetd's word, where the program accepts */
	bool is_none = client->peer.length == 0;
	const char *const(*variables)[2] = is_none ? none : is_unix ? path : inet;
	size_t unix_count = LENGTH(path) - (client->uid == (uid_t)-1);
	size_t count = is_none ? LENGTH(none) : is_unix ? unix_count : LENGTH(inet);
	addr_format_host(&client->local, local);
	addr_format_host(&client->peer, peer);
	snprintf(local_number, sizeof local_number, "%u", addr_port(&client->local));
	snprintf(
	    peer_number, sizeof peer_number, "%lu", (unsigned long)(is_unix ? client->uid : addr_port(&client->peer)));
	for (size_t i = 0; i < count; i++) {
		stpcpy(stpcpy(launch->slots[i], variables[i][0]), variables[i][1]);
		launch->environment[i] = launch->slots[i];
	}
	memcpy(launch->environment + count, service->environment, (service->environment_count + 1) * sizeof(char *));
}

static void unmap(struct launch *launch) { sys_unmap(launch, sizeof *launch + launch->room * sizeof(char *)); }

/* A launch with room for that many variables: an unused one, or a new one, of whose stack few pages are ever touched. */
static struct launch *take_launch(size_t room) {
	struct launch *launch = unused;
	if (launch != NULL) {
		unused = launch->next;
		unused_count--;
		if (launch->room >= room) return launch;
		unmap(launch);
	}
	launch = sys_map(sizeof *launch + room * sizeof(char *));
	if (launch != NULL) launch->room = room;
	return launch;
}

static void give_back(struct launch *launch) {
	if (unused_count == MOST_UNUSED) {
		unmap(launch);
		return;
	}
	launch->next = unused;
	unused = launch;
	unused_count++;
}

/* Nothing happens if it is not one of the quick ones. */
static void remove_quick(const struct launch *launch) {
	struct launch **at = &quick;
	while (*at != NULL && *at != launch) at = &(*at)->next;
	if (*at == NULL) return;
	*at = launch->next;
	quick_count--;
}

/*
 * Ends a launch: the child has started or failed. The program has the connection now, so superd's descriptor of it is
 * closed, unless superd needs it: to linger, for the answer to a question, or to do without the program. Where that is not at
 * once, the program may have ended before.
 */
static void finish(struct launch *launch) {
	struct child *child = launch->child;
	struct client client = launch->client;
	struct task_failure failure = launch->task.failure;
	bool is_needed = launch->service->wait || child->linger_fd >= 0 || child->asking != NULL ||
			 (failure.step != NULL && child->started != NULL);
	if (!is_needed && (quick_count > 1 || loop_read_clock() - child->began >= FAST_MS)) loop_limit_waits();
	if (!is_needed) close(client.fd);
	service_release(launch->service);
	child->launch = NULL;
	loop_cancel_timer(&launch->timer);
	remove_quick(launch);
	give_back(launch);
	if (child->started != NULL) child->started(&client, child, failure.step != NULL ? &failure : NULL);
}

/* Calls `started`, which must not collect, of each child that has started or failed; one that failed has yet to be reaped. */
void spawn_collect(void) {
	for (struct launch *launch = quick, *next; launch != NULL; launch = next) {
		next = launch->next;
		if (!task_is_starting(&launch->task)) finish(launch);
	}
}

static void check_slow(struct timer *timer) {
	struct launch *launch = CONTAINER(timer, struct launch, timer);
	int64_t age = loop_now() - launch->child->began;
	remove_quick(launch);
	task_end_if_stopped(&launch->task);
	if (task_is_starting(&launch->task))
		loop_set_timer(
		    timer, loop_now() + SLOW_CHECK_MS + (age < MOST_SLOW_CHECK_MS ? age : MOST_SLOW_CHECK_MS));
	else finish(launch);
}

/* How many children are starting for which it is worth to wait. */
size_t spawn_starting(void) { return quick_count; }

/* Sleeps until the oldest child has started, but never long, and collects. */
void spawn_wait(void) {
	if (quick == NULL) return;
	task_wait(&quick->task);
	spawn_collect();
}

/* Does what the start of a child that has ended, perhaps before its exec, still has to do. */
void spawn_note_end(struct child *child) {
	if (child->launch == NULL) return;
	task_ended(&child->launch->task);
	finish(child->launch);
}

/*
 * Prepares a child for another superd, which cannot see whether it starts. A child that has not reached its exec yet is waited
 * for, if it is not older than MOST_SLOW_CHECK_MS, and as long as `*waits` are left. After that, it counts as started. It may
 * still share our descriptors, and those of them that the other superd gets are not closed at exec from now on.
 */
void spawn_hand_over(struct child *child, int *waits) {
	struct launch *launch = child->launch;
	bool is_old = loop_now() - child->began > MOST_SLOW_CHECK_MS;
	if (launch == NULL) return;
	for (; task_is_starting(&launch->task) && !is_old && *waits > 0; --*waits) {
		task_end_if_stopped(&launch->task);
		task_wait(&launch->task);
	}
	task_end_if_stopped(&launch->task);
	if (!task_is_starting(&launch->task)) {
		finish(launch);
	} else if (child->started != NULL) {
		spawn_started *started = child->started;
		child->started = NULL;
		launch->closes_others = true;
		started(&launch->client, child, NULL);
	}
}

static int lowest_client = INT_MAX;

/* Notes a client's descriptor: below the lowest one, there is none of a client. */
void spawn_note_client(int fd) {
	if (fd < lowest_client) lowest_client = fd;
}

/*
 * Starts `child`: the service's program, or what superd itself does instead, with the client's connection as its
 * descriptors 0 and 1; or, if it is `asking`, a question to the DNS. `child->started` is called when it has started, or with
 * the failure. Returns 0, or -1 and the failure if there is no child.
 */
int spawn_start(
    struct service *service, const struct client *client, struct child *child, struct task_failure *failure) {
	if (!own.is_known) find_own();
	if (quick_count == MAX_QUICK) spawn_wait();
	if (quick_count == MAX_QUICK) check_slow(&quick->timer);
	*failure = (struct task_failure){"memory", ENOMEM};
	struct launch *launch = take_launch(service->environment_count + PEER_VARIABLES + 1);
	if (launch == NULL) return -1;
	launch->service = service;
	launch->client = *client;
	launch->child = child;
	launch->timer = (struct timer){.due = check_slow};
	launch->closes_others = client->fd != lowest_client;
	launch->task.run = child->asking != NULL ? run_question : service->is_internal ? run_internal : run_program;
	launch->task.copies_memory = launch->task.run != run_program;
	launch->task.shares_descriptors = !service->wait; /* a stop may close the socket that a program gets itself */
	set_environment(launch);
	child->pid = task_start(&launch->task);
	*failure = (struct task_failure){"fork", errno};
	if (child->pid < 0) {
		give_back(launch);
		return -1;
	}
	quick_count++;
	launch->next = NULL;
	struct launch **end = &quick;
	while (*end != NULL) end = &(*end)->next;
	*end = launch;
	child->launch = launch;
	service_retain(service);
	loop_set_timer(&launch->timer, loop_now() + SLOW_AFTER_MS);
	return 0;
}

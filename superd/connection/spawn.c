/*
 * spawn: from an admitted client to its program. The child takes one way to exec and never returns. What can be worked out
 * beforehand was worked out when the configuration was loaded (service.c), so the child makes system calls and nothing
 * else. Several children start at a time, and superd goes on meanwhile: a launch is finished when its child has started or
 * failed.
 */
#include "connection.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum {
	MAX_STARTING = 8,
	SLOW_CHECK_MS = 20,
	PEER_VARIABLES = 8,
	SLOT_TEXT = ADDR_TEXT + 20,
	NUMBER_TEXT = 24,
	REPORT_FD = STDERR_FILENO + 1
};

/* Not all are in POSIX. */
static const struct {
	const char *step;
	int resource;
} rlimits[RLIMITS] = {
#ifdef RLIMIT_AS
    [LIMIT_AS] = {"setrlimit rlimit_as", RLIMIT_AS},
#endif
    [LIMIT_CPU] = {"setrlimit rlimit_cpu", RLIMIT_CPU},
    [LIMIT_DATA] = {"setrlimit rlimit_data", RLIMIT_DATA},
    [LIMIT_FILES] = {"setrlimit rlimit_files", RLIMIT_NOFILE},
#ifdef RLIMIT_RSS
    [LIMIT_RSS] = {"setrlimit rlimit_rss", RLIMIT_RSS},
#endif
    [LIMIT_STACK] = {"setrlimit rlimit_stack", RLIMIT_STACK}};

/* A child that has not started yet: all that it needs, which must stay as it is so long. */
struct launch {
	struct task task;
	struct launch *next;
	struct service *service;
	struct client client;
	struct child *child;
	spawn_started *started; /* NULL: it has been called */
	char **environment;
	size_t room;
	char slots[PEER_VARIABLES][SLOT_TEXT];
};

/* Launches, the oldest first. */
struct launch_list {
	struct launch *first, **last;
	size_t count;
};

/* A slow child was waited for once; nothing waits for it any more, and it is looked after now and then. */
static struct launch_list quick = {.last = &quick.first}, slow = {.last = &slow.first};

static struct launch *unused;

static void set_limits(struct launch *launch) {
	const struct service *service = launch->service;
	for (int i = 0; i < RLIMITS; i++) {
		if (service->rlimits[i] == UNSET) continue;
		rlim_t value = service->rlimits[i] == UNLIMITED ? RLIM_INFINITY : (rlim_t)service->rlimits[i];
		struct rlimit limit = {value, value};
		if (setrlimit(rlimits[i].resource, &limit) < 0) task_fail(&launch->task, rlimits[i].step);
	}
	if (service->nice != UNSET && sys_nice((int)service->nice) < 0) task_fail(&launch->task, "nice");
}

static void change_user(struct launch *launch) {
	const struct service *service = launch->service;
	const char *step;
	if (sys_become(service->user.uid, service->group.gid, service->group_count, service->group_ids, &step) < 0)
		task_fail(&launch->task, step);
}

/* What surrounds the program: its limits, directories, user. */
static void set_world(struct launch *launch) {
	const struct service *service = launch->service;
	if (service->change_umask) umask((mode_t)service->umask);
	set_limits(launch);
	if (service->chroot != NULL && sys_chroot(service->chroot) < 0) task_fail(&launch->task, "chroot");
	if (service->change_directory && chdir(service->directory) < 0) task_fail(&launch->task, "chdir");
	if (service->change_user) change_user(launch);
	if (service->no_new_privs && sys_no_new_privs() < 0) task_fail(&launch->task, "no_new_privs");
}

static void unblock_signals(void) {
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What exec would do for a child that goes on as superd itself: nothing of the parent's stays open, no handler is set. */
static void become_helper(struct launch *launch) {
	setsid();
	log_in_child();
	log_files_reopen();
	if (dup2(launch->task.report_fd, REPORT_FD) < 0) task_fail(&launch->task, "dup2");
	launch->task.report_fd = REPORT_FD;
	sys_close_from(REPORT_FD + 1, false);
	loop_close();
	unblock_signals();
}

static void run_program(struct task *task) {
	struct launch *launch = CONTAINER(task, struct launch, task);
	const struct service *service = launch->service;
	int fd = launch->client.fd;
	setsid();
	if (sys_own_descriptors(task) < 0) task_fail(task, "close_range");
	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0) task_fail(task, "dup2");
	if (service->stderr_to == STDERR_CLIENT && dup2(fd, STDERR_FILENO) < 0) task_fail(task, "dup2");
	set_world(launch);
	unblock_signals();
	execve(service->path, service->argv, launch->environment);
	task_fail(task, "exec");
}

static void run_internal(struct task *task) {
	struct launch *launch = CONTAINER(task, struct launch, task);
	int fd = launch->client.fd;
	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0) task_fail(task, "dup2");
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
	if (launch->service->change_user) change_user(launch);
	task_report_started(task);
	_exit(!domain_admits(launch->service, &launch->client.peer, launch->client.source));
}

/* Adds NAME=VALUE to the variables that the launch has of its client. */
static void add_variable(struct launch *launch, size_t *count, const char *name, const char *value) {
	stpcpy(stpcpy(launch->slots[*count], name), value);
	launch->environment[*count] = launch->slots[*count];
	++*count;
}

/* The client's addresses, in the conventions of UCSPI (PROTO, TCPREMOTEIP...), systemd (REMOTE_ADDR...) and xinetd. */
static void add_peer_variables(struct launch *launch, size_t *count) {
	const struct client *client = &launch->client;
	char local[ADDR_TEXT], peer[ADDR_TEXT], number[NUMBER_TEXT];
	if (client->peer.length == 0) {
		/* The program accepts by itself, and there is no peer yet: xinetd's word for that. */
		add_variable(launch, count, "REMOTE_HOST=", "<no address>");
		return;
	}
	addr_format_host(&client->local, local);
	if (client->local.at.any.sa_family == AF_UNIX) {
		add_variable(launch, count, "PROTO=", "UNIX");
		add_variable(launch, count, "UNIXLOCALPATH=", local);
		snprintf(number, sizeof number, "%lu", (unsigned long)client->uid);
		if (client->uid != (uid_t)-1) add_variable(launch, count, "UNIXREMOTEUID=", number);
		return;
	}
	addr_format_host(&client->peer, peer);
	add_variable(launch, count, "PROTO=", launch->service->socket_type == SOCK_DGRAM ? "UDP" : "TCP");
	add_variable(launch, count, "TCPLOCALIP=", local);
	snprintf(number, sizeof number, "%u", addr_port(&client->local));
	add_variable(launch, count, "TCPLOCALPORT=", number);
	add_variable(launch, count, "TCPREMOTEIP=", peer);
	snprintf(number, sizeof number, "%u", addr_port(&client->peer));
	add_variable(launch, count, "TCPREMOTEPORT=", number);
	add_variable(launch, count, "REMOTE_ADDR=", peer);
	add_variable(launch, count, "REMOTE_PORT=", number);
	add_variable(launch, count, "REMOTE_HOST=", peer);
}

/* The client's variables, and then the service's. Returns 0, or -1 for want of memory. */
static int set_environment(struct launch *launch) {
	const struct service *service = launch->service;
	size_t count = 0, room = PEER_VARIABLES + service->environment_count + 1;
	if (launch->room < room) {
		char **grown = realloc(launch->environment, room * sizeof *grown);
		if (grown == NULL) return -1;
		launch->environment = grown;
		launch->room = room;
	}
	add_peer_variables(launch, &count);
	memcpy(launch->environment + count, service->environment, (service->environment_count + 1) * sizeof(char *));
	return 0;
}

static void append(struct launch_list *list, struct launch *launch) {
	launch->next = NULL;
	*list->last = launch;
	list->last = &launch->next;
	list->count++;
}

static struct launch *take_out(struct launch_list *list, struct launch **link) {
	struct launch *launch = *link;
	*link = launch->next;
	if (*link == NULL) list->last = link;
	list->count--;
	return launch;
}

/* The child has started or failed. The program has the connection now, unless somebody else needs it. */
static void finish(struct launch *launch) {
	struct task_failure failure = launch->task.failure;
	struct client client = launch->client;
	spawn_started *started = launch->started;
	bool is_programs = launch->task.run == run_program || launch->task.run == run_internal;
	if (is_programs && failure.step == NULL && !launch->service->wait && launch->child->linger_fd < 0)
		close(client.fd);
	service_release(launch->service);
	launch->next = unused;
	unused = launch;
	if (started != NULL) started(&client, launch->child, failure.step != NULL ? &failure : NULL);
}

static void collect(struct launch_list *list) {
	for (struct launch **link = &list->first; *link != NULL;)
		if (task_is_starting(&(*link)->task)) {
			link = &(*link)->next;
		} else {
			finish(take_out(list, link));
			link = &list->first; /* `started` may have changed the list */
		}
}

/* Calls `started` for each child that has started or failed; one that failed has yet to be reaped. */
void spawn_collect(void) {
	collect(&quick);
}

static void check_slow(struct timer *timer) {
	for (struct launch *launch = slow.first; launch != NULL; launch = launch->next)
		task_end_if_stopped(&launch->task);
	collect(&slow);
	if (slow.count > 0) loop_set_timer(timer, loop_now() + SLOW_CHECK_MS);
}

/* Whether a child is starting for which it is worth to wait. */
bool spawn_is_starting(void) {
	return quick.count > 0;
}

/* Sleeps until the oldest child has started, and collects. That is never long, since a child that takes longer is slow. */
void spawn_wait(void) {
	static struct timer timer = {.due = check_slow};
	if (quick.count == 0) return;
	task_wait(&quick.first->task);
	if (task_is_starting(&quick.first->task)) {
		append(&slow, take_out(&quick, &quick.first));
		loop_set_timer(&timer, loop_now() + SLOW_CHECK_MS);
	}
	spawn_collect();
}

/* Sleeps until one more child may start. */
void spawn_wait_for_slot(void) {
	spawn_collect();
	while (quick.count >= MAX_STARTING) spawn_wait();
}

/* That child has ended, perhaps before its exec: what its start still has to do is done now. */
void spawn_note_end(pid_t pid) {
	struct launch_list *lists[] = {&quick, &slow};
	for (size_t i = 0; i < LENGTH(lists); i++)
		for (struct launch *launch = lists[i]->first; launch != NULL; launch = launch->next)
			if (launch->child->pid == pid) task_ended(&launch->task);
	collect(&quick);
	if (slow.count > 0) collect(&slow);
}

/*
 * Calls `started` for slow children as if they had started: another superd goes on with them. They may still share our
 * descriptors, so nothing is closed.
 */
void spawn_assume_started(void) {
	for (struct launch *launch = slow.first; launch != NULL; launch = launch->next) {
		spawn_started *started = launch->started;
		launch->started = NULL;
		if (started != NULL) started(&launch->client, launch->child, NULL);
	}
}

static struct launch *new_launch(struct service *service, const struct client *client, void (*run)(struct task *)) {
	struct launch *launch = unused;
	if (launch != NULL)
		unused = launch->next;
	else if ((launch = malloc(sizeof *launch)) != NULL)
		launch->environment = NULL;
	if (launch == NULL) return NULL;
	if (launch->environment == NULL) launch->room = 0;
	launch->service = service;
	launch->client = *client;
	launch->task.run = run;
	launch->task.copies_memory = run != run_program;
	launch->task.shares_descriptors = false;
	if (set_environment(launch) == 0) return launch;
	launch->next = unused;
	unused = launch;
	return NULL;
}

static int start(struct launch *launch, struct child *child, spawn_started *started, struct task_failure *failure) {
	*failure = (struct task_failure){"memory", ENOMEM};
	if (launch == NULL) return -1;
	launch->child = child;
	launch->started = started;
	child->pid = task_start(&launch->task);
	if (child->pid < 0) {
		*failure = (struct task_failure){"fork", errno};
		launch->next = unused;
		unused = launch;
		return -1;
	}
	service_retain(launch->service);
	append(&quick, launch);
	return 0;
}

/*
 * Starts `child` with the service's program, and the client's connection as its descriptors 0 and 1. A slot must be free
 * (spawn_wait_for_slot). `started` is called when the program has started, or with the failure. Returns 0, or -1 and the
 * failure if there is no child.
 */
int spawn_program(struct service *service, const struct client *client, struct child *child, spawn_started *started,
    struct task_failure *failure) {
	struct launch *launch = new_launch(service, client, service->is_internal ? run_internal : run_program);
	/* A socket that the program gets itself may be closed meanwhile, by a stop. */
	if (launch != NULL) launch->task.shares_descriptors = !service->wait && client->fd < LISTENING_FROM;
	return start(launch, child, started, failure);
}

/* The same with a child that asks the DNS whether the client is admitted, and exits with 0 if so. */
int spawn_question(struct service *service, const struct client *client, struct child *child, spawn_started *started,
    struct task_failure *failure) {
	return start(new_launch(service, client, run_question), child, started, failure);
}

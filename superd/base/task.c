/*
 * task: a child on its way to exec. It shares our memory where the system can do that, which costs least, and tells us
 * there what it could not do. A child that goes on as superd itself, and any child where the system cannot share memory,
 * is forked, and tells us through a pipe, which its exec closes.
 */
#include "base.h"

#include <poll.h>
#include <sys/wait.h>

enum { WAIT_MS = 10, EXIT_NOT_STARTED = 111 };

static pid_t fork_task(struct task *task) {
	int ends[2];
	if (sys_pipe(ends) < 0) return -1;
	pid_t pid = fork();
	if (pid == 0) {
		task->report_fd = ends[1];
		task->run(task);
	}
	close(ends[1]);
	if (pid < 0) close(ends[0]);
	task->report_fd = ends[0];
	atomic_store(&task->starting, pid < 0 ? 0 : pid);
	return pid;
}

/*
 * Starts a child that calls `task->run`, which must not return. Until task_is_starting returns false, the task and all
 * that it points to must stay as they are. Returns the child's process id, or -1 and errno.
 */
pid_t task_start(struct task *task) {
	task->report_fd = -1;
	task->failure.step = NULL;
	if (task->copies_memory) return fork_task(task);
	pid_t pid = sys_clone(task);
	return pid < 0 && (errno == ENOSYS || errno == EINVAL) ? fork_task(task) : pid;
}

/* A forked child's pipe holds its failure, or has ended. */
static void read_report(struct task *task) {
	struct pollfd report = {.fd = task->report_fd, .events = POLLIN};
	struct task_failure failure;
	if (poll(&report, 1, 0) < 1) return;
	if (read(task->report_fd, &failure, sizeof failure) == (ssize_t)sizeof failure) task->failure = failure;
	close(task->report_fd);
	task->report_fd = -1;
	atomic_store(&task->starting, 0);
}

/* Whether the child has neither reached its exec (or task_report_started) nor failed; if it failed, `failure` says why. */
bool task_is_starting(struct task *task) {
	if (task->report_fd >= 0) read_report(task);
	return atomic_load(&task->starting) != 0;
}

/* Sleeps until the child has started or failed, but not for long. */
void task_wait(struct task *task) {
	struct pollfd report = {.fd = task->report_fd, .events = POLLIN};
	if (report.fd >= 0)
		poll(&report, 1, WAIT_MS);
	else
		sys_clone_wait(task);
}

/* A child that somebody has stopped before its exec would start for ever: it is killed. */
void task_end_if_stopped(struct task *task) {
	siginfo_t about = {.si_pid = 0};
	pid_t pid = atomic_load(&task->starting);
	if (pid == 0) return;
	waitid(P_PID, (id_t)pid, &about, WSTOPPED | WEXITED | WNOHANG | WNOWAIT);
	if (about.si_pid != pid) return;
	if (about.si_code == CLD_STOPPED)
		kill(pid, SIGKILL);
	else
		task_ended(task);
}

/* The child has ended. If it was killed at its first step, the kernel has not told us that it is not starting. */
void task_ended(struct task *task) {
	if (task->report_fd < 0) atomic_store(&task->starting, 0);
}

/* In a child that goes on as superd itself: it has started. */
void task_report_started(struct task *task) {
	close(task->report_fd);
}

/* In the child: it could not do that step, for the reason in errno, and ends. */
_Noreturn void task_fail(struct task *task, const char *step) {
	struct task_failure failure = {step, errno};
	task->failure = failure;
	if (task->report_fd >= 0 && write(task->report_fd, &failure, sizeof failure) < 0) _exit(EXIT_FAILURE);
	_exit(EXIT_NOT_STARTED);
}

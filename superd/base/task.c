/* SPDX-License-Identifier: ISC */
/*
 * task: a child that has not reached its exec yet. It shares our memory where the system can do that, which costs least, and
 * tells us there what it could not do. A child that goes on as superd itself, and any child where the system cannot share
 * memory, is forked, and tells us through a pipe, which its exec closes.
 */
#include "base.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

enum { WAIT_MS = 10, EXIT_NOT_STARTED = 111, DESCRIPTORS_CHECKED = 65536 };

static pid_t fork_task(struct task *task) {
	int ends[2];
	task->shares_descriptors = false;
	if (sys_pipe(ends) < 0) return -1;
	pid_t pid = fork();
	if (pid == 0) {
		task->report_fd = ends[1];
		task->run(task);
	}
	int saved = errno;
	close(ends[1]);
	if (pid < 0) close(ends[0]);
	errno = saved;
	if (pid < 0) return -1;
	task->report_fd = ends[0];
	atomic_store(&task->starting, pid);
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

/*
 * Reads the pipe of a forked child: it holds the failure, or has ended, or is empty. Where the child has ended, an empty pipe
 * has ended, too: another child may hold a copy of it until its own exec.
 */
static void read_report(struct task *task, bool has_ended) {
	if (read(task->report_fd, (void *)&task->failure, sizeof task->failure) < 0 && !has_ended) return;
	close(task->report_fd);
	task->report_fd = -1;
	atomic_store(&task->starting, 0);
}

/* Whether the child has neither reached its exec (or task_report_started) nor failed; if it failed, `failure` says why. */
bool task_is_starting(struct task *task) {
	if (task->report_fd >= 0) read_report(task, false);
	return atomic_load(&task->starting) != 0;
}

/* Sleeps until the child has started or failed, at most WAIT_MS. */
void task_wait(struct task *task) {
	struct pollfd report = {.fd = task->report_fd, .events = POLLIN};
	if (report.fd >= 0) poll(&report, 1, WAIT_MS);
	else sys_clone_wait(task, WAIT_MS);
}

/* Notes that the child has ended. If it was killed at its first step, the kernel has not told us that it is not starting. */
void task_ended(struct task *task) {
	if (task->report_fd >= 0) read_report(task, true);
	atomic_store(&task->starting, 0);
}

/* Kills a child that is stopped before its exec: it would start for ever. */
void task_end_if_stopped(struct task *task) {
	siginfo_t about = {.si_pid = 0};
	pid_t pid = atomic_load(&task->starting);
	if (pid == 0) return;
	waitid(P_PID, (id_t)pid, &about, WSTOPPED | WEXITED | WNOHANG | WNOWAIT);
	if (about.si_pid != pid) return;
	if (about.si_code == CLD_STOPPED) kill(pid, SIGKILL);
	else task_ended(task);
}

/* In a child that goes on as superd itself: it has started. */
void task_report_started(struct task *task) { close(task->report_fd); }

/* In the child: it could not do that step, and ends. */
_Noreturn void task_fail(struct task *task, const char *step, int error_number) {
	struct task_failure failure = {step, error_number};
	task->failure = failure;
	if (task->report_fd >= 0 && write(task->report_fd, &failure, sizeof failure) < 0) _exit(EXIT_FAILURE);
	_exit(EXIT_NOT_STARTED);
}

/* In the child: it ends unless the step had no error. */
void task_require(struct task *task, const char *step, int error_number) {
	if (error_number != 0) task_fail(task, step, error_number);
}

/* In the child: unblocks all signals, as programs expect. */
void task_unblock_signals(void) {
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Closes every descriptor from `first` on, now or at the next exec, whatever opened it. */
void task_close_from(int first, enum close_how how) {
	if (sys_close_range(first, how) == 0) return;
	long limit =
	    how == CLOSE_AT_EXEC ? DESCRIPTORS_CHECKED : sysconf(_SC_OPEN_MAX); /* once, whatever the limit was */
	if (limit < 0 || limit > DESCRIPTORS_CHECKED) limit = DESCRIPTORS_CHECKED;
	for (int fd = first; fd < limit; fd++)
		if (how == CLOSE_AT_EXEC) fcntl(fd, F_SETFD, FD_CLOEXEC);
		else close(fd);
}

/* SPDX-License-Identifier: ISC */
/*
 * Starts a program: pipes, fork, exec. The program leads a process group. Its stdin is empty, its stdout and stderr are
 * pipes to cmd, and no shell reads its arguments. If exec fails, the reason arrives through a third pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd.h"

/* The pipes, each in the order of pipe(2): cmd reads from [0], and the program writes to [1]. */
enum { OUTPUT, ERRORS, FAILURE, PIPE_COUNT };

static struct rlimit cpu_limit; /* as cmd was given it */
static bool is_cpu_limit_lowered;

/*
 * At its hard limit of processor time a process gets KILL, and could not kill its program. A superserver sets the soft
 * limit to the same value; so cmd lowers its own by a second, and gets XCPU first.
 */
void launch_lower_cpu_limit(void) {
	struct rlimit lowered;

	if (getrlimit(RLIMIT_CPU, &cpu_limit) == -1 || cpu_limit.rlim_max == RLIM_INFINITY || cpu_limit.rlim_max < 2)
		return;
	lowered = cpu_limit;
	lowered.rlim_cur--;
	is_cpu_limit_lowered = cpu_limit.rlim_cur == cpu_limit.rlim_max && setrlimit(RLIMIT_CPU, &lowered) == 0;
}

static void close_pipes(int pipes[][2], size_t count) {
	size_t i;

	for (i = 0; i < count; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
}

/* Opens pipes that exec closes and whose reading ends do not block. Returns 0, or an errno value and none is open. */
static int open_pipes(int pipes[PIPE_COUNT][2]) {
	size_t i;

	for (i = 0; i < PIPE_COUNT; i++) {
		if (pipe(pipes[i]) == -1) {
			int error = errno;

			close_pipes(pipes, i);
			return error;
		}
		fcntl(pipes[i][0], F_SETFD, FD_CLOEXEC);
		fcntl(pipes[i][1], F_SETFD, FD_CLOEXEC);
		fcntl(pipes[i][0], F_SETFL, O_NONBLOCK);
	}
	return 0;
}

/*
 * Returns argv in memory from malloc: the program's name, each argument as the client sent it, and NULL; or NULL with errno.
 * n bytes have at most n / 2 separators, so n / 2 + 1 arguments. Their bytes are stored after the pointers.
 */
static char **make_arguments(const char *name, const struct request *request) {
	struct text rest = request->arguments, argument;
	size_t most = rest.length / 2 + 3, count = 0;
	char **arguments = calloc(1, most * sizeof *arguments + rest.length + 1);
	bool more = request->has_arguments;
	char *copy;

	if (arguments == NULL) return NULL;
	copy = (char *)(arguments + most);
	arguments[count++] = (char *)name;
	while (more) {
		more = parse_argument(&rest, &argument);
		memcpy(copy, argument.start, argument.length);
		arguments[count++] = copy;
		copy += argument.length + 1;
	}
	return arguments;
}

/* In the child process: becomes the program, or sends the failure and exits. */
static _Noreturn void exec_program(
    int pipes[PIPE_COUNT][2], const sigset_t *mask, const struct program_file *file, const struct request *request) {
	struct launch_failure failure;
	char **arguments;
	int null;

	memset(&failure, 0, sizeof failure);
	setpgid(0, 0);
	(void)peer_set_environment();
	arguments = make_arguments(file->name, request);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (arguments != NULL && null != -1 && dup2(null, STDIN_FILENO) != -1 &&
	    dup2(pipes[OUTPUT][1], STDOUT_FILENO) != -1 && dup2(pipes[ERRORS][1], STDERR_FILENO) != -1) {
		if (is_cpu_limit_lowered) (void)setrlimit(RLIMIT_CPU, &cpu_limit);
		signal(SIGPIPE, SIG_DFL);
		signal(SIGXFSZ, SIG_DFL);
		sigprocmask(SIG_SETMASK, mask, NULL);
		execv(file->path, arguments);
		failure.in_exec = true;
	}
	failure.error = errno;
	free(arguments);
	(void)!write(pipes[FAILURE][1], &failure, sizeof failure);
	_exit(127);
}

/* Starts a program with the given signal mask. Returns 0 and sets *child, or returns an errno value. */
int launch_program(
    struct child *child, const sigset_t *mask, const struct program_file *file, const struct request *request) {
	int pipes[PIPE_COUNT][2];
	int error = open_pipes(pipes);
	size_t i;

	if (error != 0) return error;
	child->pid = fork();
	if (child->pid == 0) exec_program(pipes, mask, file, request);
	if (child->pid == -1) {
		error = errno;
		close_pipes(pipes, PIPE_COUNT);
		return error;
	}
	for (i = 0; i < PIPE_COUNT; i++) close(pipes[i][1]);
	child->output = pipes[OUTPUT][0];
	child->errors = pipes[ERRORS][0];
	child->failure = pipes[FAILURE][0];
	return 0;
}

/*
 * The one-way road to a program: pipes, fork, and a child that cannot come back. Its stdin is empty, its
 * stdout and stderr are pipes to us, it leads a process group, and nothing expands its arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"

/* What a child exits with when exec failed; its errno has gone through the pipe by then. */
enum { LAUNCH_EXEC_FAILED = 127 };

/* [0] is our end, [1] the child's. The last says whether exec worked: an errno, or the end. */
struct pipes {
	int output[2];
	int errors[2];
	int started[2];
};

static void close_ends(int ends[2]) {
	if (ends[0] != -1) {
		close(ends[0]);
		close(ends[1]);
	}
}

/* Opens a pipe that exec closes. Returns -1 with errno, and nothing open. */
static int open_ends(int ends[2]) {
	if (pipe(ends) == -1) {
		ends[0] = -1;
		return -1;
	}
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	return 0;
}

static void close_pipes(struct pipes *pipes) {
	close_ends(pipes->output);
	close_ends(pipes->errors);
	close_ends(pipes->started);
}

static int open_pipes(struct pipes *pipes) {
	int reason;

	pipes->errors[0] = pipes->started[0] = -1;
	if (open_ends(pipes->output) == 0 && open_ends(pipes->errors) == 0 && open_ends(pipes->started) == 0) return 0;
	reason = errno;
	close_pipes(pipes);
	errno = reason;
	return -1;
}

/*
 * Makes argv: the path, then each argument as it was sent. Every separator but the first ends one, so a
 * line has at most half as many as it has bytes, and one. Their bytes stand behind the pointers.
 */
static char **make_arguments(const char *path, const struct request *request) {
	struct text rest = request->arguments[0], argument;
	size_t most = rest.length / 2 + 3, count = 0;
	char **arguments = calloc(1, most * sizeof *arguments + rest.length + 1);
	bool more = request->has_arguments;
	char *copy;

	if (arguments == NULL) return NULL;
	copy = (char *)(arguments + most);
	arguments[count++] = (char *)path;
	while (more) {
		more = parse_argument(&rest, &argument);
		memcpy(copy, argument.start, argument.length);
		copy[argument.length] = '\0';
		arguments[count++] = copy;
		copy += argument.length + 1;
	}
	return arguments;
}

/* A server that sets no environment leaves the peer to the socket, which the program does not get. */
static void export_peer(void) {
	struct peer peer;

	if (!peer_find(&peer)) return;
	setenv("TCPREMOTEIP", peer.address, 1);
	setenv("TCPREMOTEPORT", peer.port, 1);
}

static _Noreturn void child_exec(
    const struct pipes *pipes, const sigset_t *mask, const char *path, const struct request *request) {
	char **arguments;
	int null, reason;

	setpgid(0, 0);
	export_peer();
	arguments = make_arguments(path, request);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (arguments != NULL && null != -1 && dup2(null, STDIN_FILENO) != -1 &&
	    dup2(pipes->output[1], STDOUT_FILENO) != -1 && dup2(pipes->errors[1], STDERR_FILENO) != -1) {
		signal(SIGPIPE, SIG_DFL);
		sigprocmask(SIG_SETMASK, mask, NULL);
		execv(path, arguments);
	}
	reason = errno;
	free(arguments);
	(void)!write(pipes->started[1], &reason, sizeof reason);
	_exit(LAUNCH_EXEC_FAILED);
}

/* Waits until the child has become the program. Returns 0, or the errno that kept it from that. */
static int wait_for_exec(int started) {
	int reason;
	ssize_t count;

	do count = read(started, &reason, sizeof reason);
	while (count == -1 && errno == EINTR);
	return count == (ssize_t)sizeof reason ? reason : 0;
}

/*
 * Starts the program, with the signal mask given. Returns -1 with errno when there is no program then.
 * Otherwise *launch has its process id, which is its group's, and our ends of its output and its errors,
 * which do not block.
 */
int launch_program(struct launch *launch, const sigset_t *mask, const char *path, const struct request *request) {
	struct pipes pipes;
	pid_t pid;
	int reason;

	if (open_pipes(&pipes) == -1) return -1;
	pid = fork();
	if (pid == 0) child_exec(&pipes, mask, path, request);
	if (pid == -1) {
		reason = errno;
		close_pipes(&pipes);
		errno = reason;
		return -1;
	}

	close(pipes.output[1]);
	close(pipes.errors[1]);
	close(pipes.started[1]);
	reason = wait_for_exec(pipes.started[0]);
	close(pipes.started[0]);
	if (reason != 0) {
		close(pipes.output[0]);
		close(pipes.errors[0]);
		waitpid(pid, NULL, 0);
		errno = reason;
		return -1;
	}
	fcntl(pipes.output[0], F_SETFL, O_NONBLOCK);
	fcntl(pipes.errors[0], F_SETFL, O_NONBLOCK);
	launch->pid = pid;
	launch->output = pipes.output[0];
	launch->errors = pipes.errors[0];
	return 0;
}

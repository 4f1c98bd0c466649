/* SPDX-License-Identifier: ISC */
/*
 * Runs a command that is a program. Its output goes to the client while it runs, its stderr to the screen, and its
 * exit status becomes the end of the reply. There is one program at a time.
 *
 * The program leads a process group. cmd kills the whole group when the program ends, at the time limit, when the
 * client is gone, and when a signal ends cmd. cmd waits for the program last: until then no other process can get its
 * process id, so the signal handlers may kill the group at any time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"

enum {
	OUTPUT_REST_MAX = 1048576, /* bytes that are relayed after the program's end; no pipe holds more */
	ERROR_LINE_MAX = 4096      /* bytes of a line of stderr; a longer one is shown as several */
};

struct program {
	struct text name;
	struct child child;
	size_t error_length;
	char error_line[ERROR_LINE_MAX + 1]; /* what it has written to stderr since the last line feed */
};

static unsigned time_limit;
static int child_pipe[2];                   /* is readable when a child may have ended */
static volatile sig_atomic_t program_group; /* 0 while no program runs */
static volatile sig_atomic_t timed_out;     /* the time limit has ended the program */

/* Kills the program's process group, and the program itself, which may have joined another one. */
static void kill_group(void) {
	pid_t leader = (pid_t)program_group;

	if (leader == 0) return;
	kill(-leader, SIGKILL);
	kill(leader, SIGKILL);
}

static void on_child(int number) {
	int saved = errno;

	(void)number;
	(void)!write(child_pipe[1], "", 1);
	errno = saved;
}

/* In a signal handler. */
static void on_time_limit(void) {
	timed_out = 1;
	kill_group();
}

/* Ends cmd as the signal does by default. It is blocked in its handler, and arrives when this returns. */
static void on_termination(int number) {
	kill_group();
	signal(number, SIG_DFL);
	raise(number);
}

/* Returns whether the parent has asked to ignore the signal, as nohup(1) does. */
static bool is_ignored(int number) {
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* Prepares to run programs, each for at most so many seconds; 0 is no limit. Returns -1 with errno. */
int program_open(unsigned seconds) {
	static const int termination_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU};
	size_t i;

	if (pipe(child_pipe) == -1) return -1;
	for (i = 0; i < 2; i++) {
		fcntl(child_pipe[i], F_SETFD, FD_CLOEXEC);
		fcntl(child_pipe[i], F_SETFL, O_NONBLOCK);
	}
	time_limit = seconds;
	signal_default_reserved();
	launch_lower_cpu_limit();
	signal_open_limit(on_time_limit);
	signal_handle(SIGCHLD, SA_RESTART | SA_NOCLDSTOP, on_child);
	for (i = 0; i < sizeof termination_signals / sizeof termination_signals[0]; i++) {
		if (!is_ignored(termination_signals[i]))
			signal_handle(termination_signals[i], SA_RESTART, on_termination);
	}
	return 0;
}

/* Starts the program and its time limit. Returns 0, or an errno value. */
static int start(struct child *child, const struct program_file *file, const struct request *request) {
	sigset_t all, mask;
	int error;

	/* No handler may run after the program has started and before program_group is set. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &mask);
	error = launch_program(child, &mask, file, request);
	if (error == 0) {
		timed_out = 0;
		program_group = (sig_atomic_t)child->pid;
		signal_limit(time_limit);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return error;
}

/* Relays what one read(2) returns. Returns its count: 0 at the end, -1 if there is nothing now. */
static ssize_t relay_output(const struct program *program) {
	static char bytes[65536];
	ssize_t count = read(program->child.output, bytes, sizeof bytes);

	if (count > 0) {
		struct text text = {bytes, (size_t)count};

		reply_out_bytes(text);
	}
	return count;
}

/*
 * Returns where to cut a line that is one byte too long: at its maximum, or before the UTF-8 character that goes on
 * there.
 */
static size_t cut_position(const char *line) {
	const unsigned char *bytes = (const unsigned char *)line;
	size_t first = ERROR_LINE_MAX, size;

	while (first > ERROR_LINE_MAX - 3 && (bytes[first] & 0xc0) == 0x80) first--;
	size = bytes[first] >= 0xf0 ? 4 : bytes[first] >= 0xe0 ? 3 : bytes[first] >= 0xc0 ? 2 : 1;
	return first + size > ERROR_LINE_MAX ? first : ERROR_LINE_MAX;
}

/* Shows the complete lines, and a part of a line that fills the buffer. */
static void show_error_lines(struct program *program) {
	struct text rest = {program->error_line, program->error_length};
	const char *feed;

	while ((feed = memchr(rest.start, '\n', rest.length)) != NULL) {
		struct text line = {rest.start, (size_t)(feed - rest.start)};

		screen_line(program->name, line);
		rest.start += line.length + 1;
		rest.length -= line.length + 1;
	}
	if (rest.length == sizeof program->error_line) {
		struct text part = {rest.start, cut_position(rest.start)};

		screen_line(program->name, part);
		rest.start += part.length;
		rest.length -= part.length;
	}
	program->error_length = rest.length;
	memmove(program->error_line, rest.start, rest.length);
}

/* The same for stderr, which goes to the screen. */
static ssize_t relay_errors(struct program *program) {
	char *space = program->error_line + program->error_length;
	ssize_t count = read(program->child.errors, space, sizeof program->error_line - program->error_length);

	if (count > 0) {
		program->error_length += (size_t)count;
		show_error_lines(program);
	}
	return count;
}

/* Returns whether the program has ended; wait_for_end() must still follow. */
static bool has_ended(const struct program *program) {
	siginfo_t info;

	info.si_pid = 0;
	return waitid(P_PID, (id_t)program->child.pid, &info, WEXITED | WNOHANG | WNOWAIT) == -1 || info.si_pid != 0;
}

static void empty_child_pipe(void) {
	char bytes[64];

	while (read(child_pipe[0], bytes, sizeof bytes) > 0)
		;
}

/*
 * Relays until the program has ended. Descriptor 1 shows when the client is gone, and is watched for errors only.
 * Descriptor 0 is not watched: a client that has ended its own side still reads.
 */
static void relay(struct program *program) {
	enum { OUTPUT, ERRORS, CHILD, CLIENT };
	struct pollfd fds[] = {
	    [OUTPUT] = {.fd = program->child.output, .events = POLLIN},
	    [ERRORS] = {.fd = program->child.errors, .events = POLLIN},
	    [CHILD] = {.fd = child_pipe[0], .events = POLLIN},
	    [CLIENT] = {.fd = STDOUT_FILENO},
	};
	bool ended = false;

	while (!ended) {
		if (poll(fds, sizeof fds / sizeof fds[0], -1) == -1) continue;
		if ((fds[CLIENT].revents & (POLLERR | POLLHUP)) != 0) reply_stop();
		if (fds[OUTPUT].revents != 0 && relay_output(program) == 0) fds[OUTPUT].fd = -1;
		if (fds[ERRORS].revents != 0 && relay_errors(program) == 0) fds[ERRORS].fd = -1;
		if (reply_flush() == -1) {
			kill_group();
			fds[CLIENT].fd = -1;
		}
		if (fds[CHILD].revents != 0) {
			empty_child_pipe();
			ended = has_ended(program);
		}
	}
}

/* Relays what is left in the pipes. It has a bound: a daemon may have kept them and write for ever. */
static void relay_rest(struct program *program) {
	struct text line = {program->error_line, 0};
	ssize_t total = 0, count;

	while (total < OUTPUT_REST_MAX && (count = relay_output(program)) > 0) total += count;
	total = 0;
	while (total < OUTPUT_REST_MAX && (count = relay_errors(program)) > 0) total += count;

	line.length = program->error_length;
	if (line.length > 0) screen_line(program->name, line);
	reply_out_end();
}

/* Kills what is left of the group. Returns the program's status from waitpid(2). */
static int wait_for_end(pid_t pid) {
	int status = 0;

	signal_limit(0);
	kill_group();
	program_group = 0;
	waitpid(pid, &status, 0);
	return status;
}

/* The client gets the reason in few words, the screen with its details. */
static void reply_failure_of(const struct program_file *file, const struct launch_failure *failure) {
	if (failure->in_exec) directory_explain(file, failure->error);
	else screen_error("%s: cannot start it: %s", file->name, strerror(failure->error));
	reply_error("failed", text_from_string(strerror(failure->error)));
}

static void reply_status(const struct program_file *file, int pipe_of_failure, int status) {
	struct launch_failure failure;

	if (read(pipe_of_failure, &failure, sizeof failure) == (ssize_t)sizeof failure)
		reply_failure_of(file, &failure);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && timed_out)
		reply_error_number("timeout", time_limit);
	else if (WIFSIGNALED(status)) reply_error_number("signal", (unsigned long)WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0) reply_error_number("exit", (unsigned long)WEXITSTATUS(status));
	else reply_ok();
}

/* Runs a program and adds its whole reply. */
void program_run(const struct program_file *file, const struct request *request) {
	struct program program = {.name = request->name};
	struct child *child = &program.child;
	int error, status;

	/* Earlier replies need not wait for the program; without a client it is not started. */
	if (reply_flush() == -1) return;
	error = start(child, file, request);
	if (error != 0) {
		reply_error("failed", text_from_string(strerror(error)));
		return;
	}
	relay(&program);
	status = wait_for_end(child->pid);
	relay_rest(&program);
	reply_status(file, child->failure, status);
	close(child->output);
	close(child->errors);
	close(child->failure);
}

/*
 * A command that is a program: its output is relayed while it runs, and its end told apart. It leads a
 * process group, and that whole group ends with the reply, at the time limit, when the client is gone,
 * and when cmd itself is ended by a signal. There is one program at a time.
 *
 * Reaping comes last: as long as the leader is not reaped its number is nobody else's, so a signal
 * handler may kill the group at any moment, whatever the program or the client is doing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"

enum {
	PROGRAM_READ_SIZE = 65536,
	PROGRAM_LAST_WORDS_MAX = 1048576, /* more than a pipe holds; a daemon may write into it for ever */
	PROGRAM_ERROR_LINE_MAX = 4096,    /* a longer line is shown as several */
};

/* What the program has written to stderr and not ended with a line feed. */
struct error_line {
	char bytes[PROGRAM_ERROR_LINE_MAX];
	size_t length;
};

static const int ending_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

static unsigned time_limit;
static sigset_t held_signals;            /* those whose handlers look at group */
static volatile sig_atomic_t group;      /* of the program that runs; 0 where none does */
static volatile sig_atomic_t time_is_up; /* for that program */
static int wake_pipe[2];                 /* has a byte in it when a child may have ended */

LARGE char program_output[PROGRAM_READ_SIZE]; /* what was read last */

/* Kills the group, and the leader by itself, should it have joined another one. */
static void kill_group(void) {
	pid_t leader = (pid_t)group;

	if (leader == 0) return;
	kill(-leader, SIGKILL);
	kill(leader, SIGKILL);
}

static void on_child(int number) {
	int saved = errno;

	(void)number;
	(void)!write(wake_pipe[1], "", 1);
	errno = saved;
}

static void on_alarm(int number) {
	int saved = errno;

	(void)number;
	time_is_up = 1;
	kill_group();
	errno = saved;
}

/* Ends cmd as the signal would have without a handler: it is blocked here, and comes on return. */
static void on_end(int number) {
	kill_group();
	signal(number, SIG_DFL);
	raise(number);
}

static void handle(int number, void (*handler)(int), int flags) {
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	action.sa_flags = flags;
	sigfillset(&action.sa_mask);
	sigaction(number, &action, NULL);
}

/* nohup(1) and its like ask that a signal does nothing. */
static bool is_ignored(int number) {
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static int open_wake_pipe(void) {
	int i;

	if (pipe(wake_pipe) == -1) return -1;
	for (i = 0; i < 2; i++) {
		if (fcntl(wake_pipe[i], F_SETFD, FD_CLOEXEC) == -1 || fcntl(wake_pipe[i], F_SETFL, O_NONBLOCK) == -1)
			return -1;
	}
	return 0;
}

/* Gets ready to run programs, each for so many seconds; 0 is no limit. Returns -1 with errno. */
int program_open(unsigned seconds) {
	size_t i;

	if (open_wake_pipe() == -1) return -1;
	time_limit = seconds;
	sigemptyset(&held_signals);
	sigaddset(&held_signals, SIGALRM);
	sigaddset(&held_signals, SIGCHLD);
	handle(SIGALRM, on_alarm, SA_RESTART);
	handle(SIGCHLD, on_child, SA_RESTART | SA_NOCLDSTOP);
	for (i = 0; i < sizeof ending_signals / sizeof ending_signals[0]; i++) {
		sigaddset(&held_signals, ending_signals[i]);
		if (!is_ignored(ending_signals[i])) handle(ending_signals[i], on_end, 0);
	}
	sigprocmask(SIG_UNBLOCK, &held_signals, NULL);
	return 0;
}

/* Relays what one read(2) returns. Returns its count: 0 at the end, -1 when there is nothing now. */
static ssize_t relay_output(int fd) {
	ssize_t count = read(fd, program_output, sizeof program_output);

	if (count > 0) {
		struct text text = {program_output, (size_t)count};

		reply_out_bytes(text);
	}
	return count;
}

static void show_error(struct text name, const char *start, size_t length) {
	char prefix[DIRECTORY_NAME_MAX + sizeof ": "];
	struct text line = {start, length};

	snprintf(prefix, sizeof prefix, "%.*s: ", (int)name.length, name.start);
	screen_line(text_from_string(prefix), line);
}

/* Where to cut a line that is too long: before its last character of UTF-8, which may not be whole. */
static size_t cut_position(const struct error_line *line) {
	size_t cut = line->length;

	while (cut > line->length - 3 && (line->bytes[cut - 1] & 0xc0) == 0x80) cut--;
	if ((line->bytes[cut - 1] & 0xc0) == 0xc0) cut--;
	return cut;
}

/* Shows the whole lines on the screen, and what fills the buffer without becoming one. */
static void show_errors(struct error_line *line, struct text name) {
	const char *start = line->bytes;
	const char *end = line->bytes + line->length;
	const char *feed;

	while ((feed = memchr(start, '\n', (size_t)(end - start))) != NULL) {
		show_error(name, start, (size_t)(feed - start));
		start = feed + 1;
	}
	if (end - start == PROGRAM_ERROR_LINE_MAX) {
		size_t cut = cut_position(line);

		show_error(name, start, cut);
		start += cut;
	}
	line->length = (size_t)(end - start);
	memmove(line->bytes, start, line->length);
}

/* The same for stderr, which goes to the screen. */
static ssize_t relay_errors(int fd, struct error_line *line, struct text name) {
	ssize_t count = read(fd, line->bytes + line->length, sizeof line->bytes - line->length);

	if (count > 0) {
		line->length += (size_t)count;
		show_errors(line, name);
	}
	return count;
}

/* Tells whether the program has ended, and leaves it to be reaped. */
static bool has_ended(pid_t pid) {
	siginfo_t info;

	info.si_pid = 0;
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == -1 || info.si_pid != 0;
}

static void empty_wake_pipe(void) {
	char bytes[64];

	while (read(wake_pipe[0], bytes, sizeof bytes) > 0)
		;
}

/*
 * Relays until the program has ended. A client that is gone shows on descriptor 1, which is only asked
 * for errors: that its side of the conversation has ended means nothing, so descriptor 0 is not looked at.
 */
static void relay(const struct launch *launch, struct error_line *line, struct text name) {
	enum { OUTPUT, ERRORS, WAKE, CLIENT };
	struct pollfd fds[] = {
	    {launch->output, POLLIN, 0},
	    {launch->errors, POLLIN, 0},
	    {wake_pipe[0], POLLIN, 0},
	    {STDOUT_FILENO, 0, 0},
	};
	bool ended = false;

	while (!ended) {
		if (poll(fds, sizeof fds / sizeof fds[0], -1) == -1) continue;
		if ((fds[CLIENT].revents & (POLLERR | POLLHUP)) != 0) reply_give_up(EPIPE);
		if (fds[OUTPUT].revents != 0 && relay_output(launch->output) == 0) fds[OUTPUT].fd = -1;
		if (fds[ERRORS].revents != 0 && relay_errors(launch->errors, line, name) == 0) fds[ERRORS].fd = -1;
		if (reply_flush() == -1) {
			kill_group();
			fds[CLIENT].fd = -1;
		}
		if (fds[WAKE].revents != 0) {
			empty_wake_pipe();
			ended = has_ended(launch->pid);
		}
	}
}

/* Takes out what is left in the pipes. Their end may not come: a daemon may have kept them. */
static void relay_last_words(const struct launch *launch, struct error_line *line, struct text name) {
	ssize_t total, count;

	for (total = 0; total < PROGRAM_LAST_WORDS_MAX; total += count) {
		count = relay_output(launch->output);
		if (count <= 0) break;
	}
	for (total = 0; total < PROGRAM_LAST_WORDS_MAX; total += count) {
		count = relay_errors(launch->errors, line, name);
		if (count <= 0) break;
	}
	if (line->length > 0) show_error(name, line->bytes, line->length);
	reply_out_end();
}

/* Ends what is left of the group, and returns how its leader ended, as waitpid(2) says it. */
static int reap(pid_t pid) {
	int status = 0;

	kill_group();
	group = 0;
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return status;
}

static void reply_status(int status) {
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && time_is_up)
		reply_error_number("timeout", time_limit);
	else if (WIFSIGNALED(status))
		reply_error_number("signal", (unsigned long)WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		reply_error_number("exit", (unsigned long)WEXITSTATUS(status));
	else
		reply_ok();
}

/* Starts the program and its time. The handlers must not run while it is there and group does not say so. */
static int start_program(struct launch *launch, const char *path, const struct request *request) {
	sigset_t former;
	int started, reason;

	sigprocmask(SIG_BLOCK, &held_signals, &former);
	started = launch_program(launch, &former, path, request);
	reason = errno;
	if (started == 0) {
		time_is_up = 0;
		group = (sig_atomic_t)launch->pid;
		alarm(time_limit);
	}
	sigprocmask(SIG_SETMASK, &former, NULL);
	errno = reason;
	return started;
}

/* Runs the program at path, and leaves its whole reply with reply.c. */
void program_run(const char *path, const struct request *request) {
	struct error_line line = {.length = 0};
	struct launch launch;
	int status;

	/* The replies to what came before need not wait for a program, nor it run for nobody. */
	if (reply_flush() == -1) return;
	if (start_program(&launch, path, request) == -1) {
		reply_error("failed", text_from_string(strerror(errno)));
		return;
	}
	relay(&launch, &line, request->name);
	alarm(0);
	status = reap(launch.pid);
	relay_last_words(&launch, &line, request->name);
	close(launch.output);
	close(launch.errors);
	reply_status(status);
}

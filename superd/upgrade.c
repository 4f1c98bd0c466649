/* SPDX-License-Identifier: ISC */
/*
 * upgrade: another superd in place of this one (USR2). The superd on disk is first run as a child that only checks; then
 * this process executes it, and it finds in a file without a name what it goes on with: sockets, children, counters,
 * pending and lingering connections.
 */
#include "superd.h"

#include <fcntl.h>

#define VARIABLE "SUPERD_STATE"

enum { CHECK_TIMEOUT_MS = 10 * 1000, MOST_WAITS = 100, REASON_SIZE = 400 };

extern char **environ;

static struct {
	struct arena *arena; /* of path and check_argv */
	const char *path;
	char **argv;
	struct words check_argv; /* the same with -t */
	bool ignores_hangup;     /* HUP was ignored when the first superd was started, as nohup(1) does */
	pid_t check_pid;         /* 0: no check runs */
	int reason_fd;           /* the checking child's stderr */
	bool is_wanted;          /* a check is to begin */
	bool is_due;             /* the check has succeeded */
	bool is_successor;       /* of the superd that this process was before */
	struct words lines;      /* of its state */
} upgrade;

/* Whether this process goes on where another superd left off, or checks whether it could. */
bool upgrade_is_successor(void) { return upgrade.is_successor || getenv(VARIABLE) != NULL; }

/* Remembers how superd was started, so that the superd on disk can be started in the same way later. Before loop_open. */
void upgrade_remember(char **argv) {
	char directory[PATH_MAX];
	struct sigaction hangup;
	if (sigaction(SIGHUP, NULL, &hangup) == 0) upgrade.ignores_hangup |= hangup.sa_handler == SIG_IGN;
	struct arena *arena = upgrade.arena = mem_arena_new();
	const char *path = strchr(argv[0], '/') != NULL ? argv[0] : command_find_in_path(arena, argv[0]);
	if (path != NULL && path[0] != '/' && getcwd(directory, sizeof directory) != NULL)
		path = mem_print(arena, "%s/%s", directory, path);
	upgrade.path = path != NULL ? path : "/proc/self/exe";
	upgrade.argv = argv;
	words_add(arena, &upgrade.check_argv, argv[0]);
	words_add(arena, &upgrade.check_argv, "-t");
	while (*++argv != NULL) words_add(arena, &upgrade.check_argv, *argv);
}

bool upgrade_ignores_hangup(void) { return upgrade.ignores_hangup; }

/* Writes the state for the next superd, to which all that it names stays open. Returns the file, or NULL and errno. */
static FILE *write_state(bool is_check) {
	char number[16];
	FILE *file = tmpfile();
	if (file == NULL) return NULL;
	state_write(file, upgrade.ignores_hangup, is_check);
	snprintf(number, sizeof number, "%d", fileno(file));
	if (fflush(file) == 0 && !ferror(file) && fseek(file, 0, SEEK_SET) == 0 &&
	    fcntl(fileno(file), F_SETFD, 0) == 0 && setenv(VARIABLE, number, 1) == 0)
		return file;
	int saved = errno;
	fclose(file);
	errno = saved;
	return NULL;
}

/* Runs the superd on disk, with -t and with all that would be handed over to it. */
static _Noreturn void run_check(int reason_fd) {
	setpgid(0, 0);
	dup2(reason_fd, STDERR_FILENO);
	if (dup2(open("/dev/null", O_RDWR), STDOUT_FILENO) >= 0 && write_state(true) != NULL) {
		task_unblock_signals();
		execve(upgrade.path, (char **)(void *)upgrade.check_argv.word, environ);
	}
	dprintf(STDERR_FILENO, "%s: %s\n", upgrade.path, strerror(errno));
	_exit(EXIT_FAILURE);
}

/* An upgrade is asked for. */
void upgrade_begin(void) { upgrade.is_wanted |= upgrade.check_pid == 0 && !upgrade.is_due; }

/*
 * Before a reload or a stop: the check has copies of the sockets that may be closed now, and knows nothing of services that are
 * kept although they are in error. It ends, and another one begins afterwards, unless superd stops.
 */
void upgrade_interrupt(void) {
	upgrade.is_wanted |= upgrade.check_pid > 0 || upgrade.is_due;
	upgrade.is_due = false;
	if (upgrade.check_pid > 0) kill(upgrade.check_pid, SIGKILL);
}

/* The check has ended. The first line that it has written is the reason why not. */
static void check_ended(struct child *child, int status) {
	char reason[REASON_SIZE] = "it gave no reason";
	(void)child;
	ssize_t length = read(upgrade.reason_fd, reason, sizeof reason - 1);
	if (length > 0) reason[length] = '\0';
	reason[strcspn(reason, "\n")] = '\0';
	close(upgrade.reason_fd);
	upgrade.check_pid = 0;
	if (upgrade.is_wanted) return; /* it was interrupted */
	upgrade.is_due = status == 0;
	if (status != 0) log_error("upgrade cancelled: the new superd would not start: %s", reason);
}

/* Starts the check. Returns 0, or -1 with errno and the step that failed. */
static int start_check(const char **step) {
	int ends[2];
	struct child *child = calloc(1, sizeof *child);
	*step = "memory";
	if (child == NULL) return -1;
	*step = "pipe";
	if (sys_pipe(ends) < 0) {
		free(child);
		return -1;
	}
	*step = "fork";
	*child = (struct child){.linger_fd = -1, .deadline = loop_now() + CHECK_TIMEOUT_MS, .ended = check_ended};
	child->pid = fork();
	if (child->pid == 0) run_check(ends[1]);
	close(ends[1]);
	if (child->pid < 0) {
		close(ends[0]);
		free(child);
		return -1;
	}
	upgrade.reason_fd = ends[0];
	upgrade.check_pid = child->pid;
	child_add(child);
	return 0;
}

/* Executes the superd on disk. Returns only if that fails, and then nothing has changed. */
static void execute(void) {
	upgrade.is_due = false;
	int waits = MOST_WAITS;
	for (struct child *child = child_next(NULL); child != NULL; child = child_next(child))
		spawn_hand_over(child, &waits);
	child_end_groups();
	loop_stop_ticks();
	FILE *file = write_state(false);
	if (file != NULL) execve(upgrade.path, upgrade.argv, environ);
	log_error("upgrade cancelled: %s: %s", file == NULL ? "temporary file" : upgrade.path, strerror(errno));
	if (file != NULL) fclose(file);
	unsetenv(VARIABLE);
	task_close_from(STDERR_FILENO + 1, CLOSE_AT_EXEC);
}

/* The next step of an upgrade, if there is one: the check, while which superd goes on serving, or the superd on disk. */
void upgrade_advance(void) {
	const char *step;
	if (upgrade.is_due) execute();
	if (!upgrade.is_wanted || upgrade.check_pid > 0) return;
	upgrade.is_wanted = false;
	if (start_check(&step) < 0) log_error("upgrade cancelled: %s: %s", step, strerror(errno));
}

/*
 * Reads the state of an earlier superd, if there is one, and restores what has to be there before the services are opened.
 * A state that is not whole is an error: all descriptors that it may have named are closed. Returns 0, or -1 and an error.
 */
int upgrade_restore_early(struct error *error) {
	const char *number = getenv(VARIABLE);
	if (number == NULL) return 0;
	upgrade.is_successor = true;
	FILE *file = fdopen((int)strtol(number, NULL, 10), "r");
	char *line = NULL;
	size_t size = 0;
	unsetenv(VARIABLE);
	struct arena *arena = mem_arena_new();
	for (ssize_t length; file != NULL && (length = getline(&line, &size, file)) > 0;) {
		if (line[length - 1] == '\n') line[length - 1] = '\0';
		words_add(arena, &upgrade.lines, mem_copy(arena, line));
	}
	free(line);
	if (file != NULL) fclose(file);
	const struct words *lines = &upgrade.lines;
	if (lines->count < 2 || strcmp(lines->word[0], STATE_FIRST_LINE) != 0 ||
	    strcmp(lines->word[lines->count - 1], STATE_LAST_LINE) != 0) {
		task_close_from(STDERR_FILENO + 1, CLOSE_NOW);
		upgrade.lines.count = 0;
		return error_set(error, "the state of the running superd is not whole, or not of this version's form");
	}
	for (size_t i = 0; i < lines->count; i++) state_restore_early(lines->word[i], &upgrade.ignores_hangup);
	return 0;
}

/* Restores the rest, once the services are open. */
void upgrade_restore_late(void) {
	if (!upgrade.is_successor) return;
	for (size_t i = 0; i < upgrade.lines.count; i++) state_restore_late(upgrade.lines.word[i]);
	upgrade.lines.count = 0;
	log_notice("upgraded in place to superd " VERSION);
}

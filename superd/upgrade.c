/* SPDX-License-Identifier: ISC */
/*
 * upgrade: another superd in place of this one (USR2). The superd on disk is first run as a child that only checks; then
 * this process executes it, and it finds in a file without a name what it goes on with: sockets, children, counters,
 * pending and lingering connections.
 *
 * That state is text: a line a thing, of words KEY=VALUE. A key that the reader does not know is skipped, and a key that is
 * missing leaves a default, so that any two versions understand each other as far as they can.
 */
#include "superd.h"

#include <fcntl.h>
#include <inttypes.h>

#define VARIABLE "SUPERD_STATE"
#define FIRST_LINE "superd-state 1"
#define LAST_LINE "end"

enum { CHECK_TIMEOUT_MS = 10 * 1000, MOST_WAITS = 100, REASON_SIZE = 400 };

extern char **environ;

static struct {
	struct arena *arena; /* of path and check_argv */
	const char *path;
	char **argv;
	struct words check_argv; /* the same with -t */
	bool ignores_hangup;     /* HUP was ignored when the first superd was started, as nohup(1) does */
	bool is_checking, is_due;
	int reason_fd;      /* the checking child's stderr */
	bool is_successor;  /* of the superd that this process was before */
	struct words lines; /* of its state */
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

/* The next superd inherits the descriptor. Returns it. */
static int keep_open(int fd) {
	if (fd >= 0) fcntl(fd, F_SETFD, 0);
	return fd;
}

static void write_bytes(FILE *to, const char *key, const void *bytes, size_t length) {
	fprintf(to, " %s=", key);
	for (size_t i = 0; i < length; i++) fprintf(to, "%02x", ((const unsigned char *)bytes)[i]);
}

static void write_source(FILE *to, struct source source) {
	fprintf(to, " source_high=%" PRIu64 " source_low=%" PRIu64, source.high, source.low);
}

/* Ends a line with the name by which the thing is found again: a service's id, or that of a passed socket. */
static void write_name(FILE *to, const char *name, size_t nth) { fprintf(to, " nth=%zu name=%s\n", nth, name); }

static void write_listener(FILE *to, const struct listener *listener) {
	const char *id = listener->service->id;
	for (const struct listening_socket *socket = listener->sockets; socket != NULL; socket = socket->next) {
		if (socket->watch.fd < 0) continue;
		fprintf(to, "socket fd=%d device=%jd inode=%jd", keep_open(socket->watch.fd), (intmax_t)socket->device,
		    (intmax_t)socket->inode);
		write_bytes(to, "address", &socket->configured.at, socket->configured.length);
		write_name(to, id, listener->nth);
	}
	fprintf(to, "listener accepted=%ld spawn_failures=%ld quick_exits=%d", listener->accepted,
	    listener->spawn_failures, listener->quick_exits);
	fprintf(to, " closed_until=%" PRId64 " second_began=%" PRId64 " second_count=%ld", listener->closed_until,
	    listener->second_began, listener->second_count);
	for (enum verdict verdict = VERDICT_ALLOW + 1; verdict < VERDICTS; verdict++)
		fprintf(to, " refused.%s=%ld", verdict_kinds[verdict].word, listener->refused[verdict]);
	for (enum result result = 0; result < RESULTS; result++)
		fprintf(to, " exits.%s=%ld", result_words[result], listener->exits[result]);
	write_name(to, id, listener->nth);
}

static void write_client(FILE *to, const struct client *client) {
	fprintf(to, " fd=%d uid=%lu is_confirmed=%d", keep_open(client->fd), (unsigned long)client->uid,
	    client->is_confirmed);
	write_bytes(to, "peer", &client->peer.at, client->peer.length);
	write_bytes(to, "local", &client->local.at, client->local.length);
	write_name(to, client->listener->service->id, client->listener->nth);
}

static void write_child(FILE *to, const struct child *child) {
	fprintf(to, "%s pid=%ld linger_fd=%d began=%" PRId64 " deadline=%" PRId64 " term_sent=%d",
	    child->asking != NULL ? "question" : "child", (long)child->pid, keep_open(child->linger_fd), child->began,
	    child->deadline, child->term_sent);
	write_source(to, child->source);
	if (child->asking != NULL) write_client(to, child->asking);
	else write_name(to, child->listener->service->id, child->listener->nth);
}

/* Writes the connections of a listener that wait for their client, or for a child. */
static void write_waiting(FILE *to, const struct listener *listener) {
	for (const struct client *client = listener->pending_first; client != NULL; client = client->next) {
		fputs("pending", to);
		write_client(to, client);
	}
	for (const struct waiting *waiting = listener->headers.first; waiting != NULL; waiting = waiting->next) {
		const struct header *header = proxy_header(waiting);
		fprintf(to, "header deadline=%" PRId64 " length=%zu", header->deadline, header->length);
		write_bytes(to, "bytes", header->bytes, sizeof header->bytes);
		write_client(to, &header->client);
	}
	for (const struct waiting *waiting = listener->lingering.first; waiting != NULL; waiting = waiting->next) {
		fprintf(
		    to, "lingering fd=%d deadline=%" PRId64, keep_open(waiting->watch.fd), waiting->watch.timer.when);
		write_name(to, listener->service->id, listener->nth);
	}
}

static void write_lines(FILE *to) {
	const struct inherited_socket *passed;
	const struct denied_source *denied;
	fprintf(to, "%s\ntotals start_time=%lld reloads=%lld upgrades=%lld ignores_hangup=%d\n", FIRST_LINE,
	    metrics_totals.start_time, metrics_totals.reloads, metrics_totals.upgrades, upgrade.ignores_hangup);
	for (size_t i = 0; (passed = inherited_find(i, NULL)) != NULL; i++) {
		fprintf(to, "passed fd=%d", keep_open(passed->fd));
		write_name(to, passed->name, 0);
	}
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next) {
		if (!listener->retired) write_listener(to, listener);
		write_waiting(to, listener);
	}
	for (const struct child *child = child_next(NULL); child != NULL; child = child_next(child))
		if (child->listener != NULL) write_child(to, child);
	for (size_t i = 0; (denied = access_denied(i)) != NULL; i++) {
		fprintf(to, "denied until=%" PRId64, denied->until);
		write_source(to, denied->source);
		fputc('\n', to);
	}
	fprintf(to, "%s\n", LAST_LINE);
}

/* Writes the state for the next superd, to which all that it names stays open. Returns the file, or NULL and errno. */
static FILE *write_state(void) {
	char number[16];
	FILE *file = tmpfile();
	if (file == NULL) return NULL;
	write_lines(file);
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
	if (dup2(open("/dev/null", O_RDWR), STDOUT_FILENO) >= 0 && write_state() != NULL) {
		task_unblock_signals();
		execve(upgrade.path, (char **)(void *)upgrade.check_argv.word, environ);
	}
	dprintf(STDERR_FILENO, "%s: %s\n", upgrade.path, strerror(errno));
	_exit(EXIT_FAILURE);
}

/* The check has ended. The first line that it has written is the reason why not. */
static void check_ended(struct child *child, int status) {
	char reason[REASON_SIZE] = "it gave no reason";
	(void)child;
	ssize_t length = read(upgrade.reason_fd, reason, sizeof reason - 1);
	if (length > 0) reason[length] = '\0';
	reason[strcspn(reason, "\n")] = '\0';
	close(upgrade.reason_fd);
	upgrade.is_checking = false;
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
	upgrade.is_checking = true;
	child_add(child);
	return 0;
}

/* Begins an upgrade: checks whether the superd on disk would start, and goes on serving meanwhile. */
void upgrade_begin(void) {
	const char *step;
	if (upgrade.is_checking || upgrade.is_due) return;
	if (start_check(&step) < 0) log_error("upgrade cancelled: %s: %s", step, strerror(errno));
}

/* Whether the check has succeeded and the superd on disk is now to be executed. */
bool upgrade_is_due(void) { return upgrade.is_due; }

/* Executes the superd on disk. Returns only if that fails, and then nothing has changed. */
void upgrade_execute(void) {
	upgrade.is_due = false;
	int waits = MOST_WAITS;
	for (struct child *child = child_next(NULL); child != NULL; child = child_next(child))
		spawn_hand_over(child, &waits);
	FILE *file = write_state();
	if (file != NULL) execve(upgrade.path, upgrade.argv, environ);
	log_error("upgrade cancelled: %s: %s", file == NULL ? "temporary file" : upgrade.path, strerror(errno));
	if (file != NULL) fclose(file);
	unsetenv(VARIABLE);
	task_close_from(STDERR_FILENO + 1, CLOSE_AT_EXEC);
}

/* The value of a key in a line, up to the next blank, or NULL. */
static const char *value_of(const char *line, const char *key) {
	size_t length = strlen(key);
	for (const char *word = strchr(line, ' '); word != NULL; word = strchr(word + 1, ' '))
		if (strncmp(word + 1, key, length) == 0 && word[1 + length] == '=') return word + 2 + length;
	return NULL;
}

/* A number, or `unless_set` if the line has no such key. */
static int64_t read_number(const char *line, const char *key, int64_t unless_set) {
	const char *value = value_of(line, key);
	return value != NULL ? strtoll(value, NULL, 10) : unless_set;
}

/* Returns how many bytes the value has, at most `size`. */
static size_t read_bytes(const char *line, const char *key, void *bytes, size_t size) {
	const char *digits = value_of(line, key);
	size_t length = 0;
	for (; digits != NULL && length < size && digits[0] > ' ' && digits[1] > ' '; digits += 2)
		((unsigned char *)bytes)[length++] =
		    (unsigned char)strtoul((char[]){digits[0], digits[1], '\0'}, NULL, 16);
	return length;
}

static struct endpoint read_endpoint(const char *line, const char *key) {
	struct endpoint endpoint = {.length = 0};
	endpoint.length = (socklen_t)read_bytes(line, key, &endpoint.at, sizeof endpoint.at);
	return endpoint;
}

static struct source read_source(const char *line) {
	const char *high = value_of(line, "source_high"), *low = value_of(line, "source_low");
	return (struct source){high ? strtoull(high, NULL, 10) : 0, low ? strtoull(low, NULL, 10) : 0};
}

static int read_fd(const char *line) { return (int)read_number(line, "fd", -1); }

static void restore_totals(const char *line) {
	metrics_totals.start_time = read_number(line, "start_time", 0);
	metrics_totals.reloads = read_number(line, "reloads", 0);
	metrics_totals.upgrades = read_number(line, "upgrades", 0) + 1;
	upgrade.ignores_hangup = read_number(line, "ignores_hangup", 0) != 0;
}

/* A counter of that kind and word. */
static long read_counter(const char *line, const char *kind, const char *word) {
	char key[40];
	snprintf(key, sizeof key, "%s.%s", kind, word);
	return (long)read_number(line, key, 0);
}

static void restore_listener(const char *line, struct listener *listener) {
	if (listener == NULL) return;
	listener->accepted = (long)read_number(line, "accepted", 0);
	listener->spawn_failures = (long)read_number(line, "spawn_failures", 0);
	listener->quick_exits = (int)read_number(line, "quick_exits", 0);
	listener->closed_until = read_number(line, "closed_until", 0);
	listener->second_began = read_number(line, "second_began", 0);
	listener->second_count = (long)read_number(line, "second_count", 0);
	for (enum verdict verdict = VERDICT_ALLOW + 1; verdict < VERDICTS; verdict++)
		listener->refused[verdict] = read_counter(line, "refused", verdict_kinds[verdict].word);
	for (enum result result = 0; result < RESULTS; result++)
		listener->exits[result] = read_counter(line, "exits", result_words[result]);
}

static struct client read_client(const char *line, struct listener *listener) {
	struct client client = {.fd = read_fd(line),
	    .listener = listener,
	    .is_accepted = true,
	    .uid = (uid_t)read_number(line, "uid", -1),
	    .is_confirmed = read_number(line, "is_confirmed", 0) != 0,
	    .peer = read_endpoint(line, "peer"),
	    .local = read_endpoint(line, "local")};
	client.source = addr_source(&client.peer, client.uid);
	return client;
}

static void restore_child(const char *line, struct listener *listener, struct client *asking) {
	struct child child = {.pid = (pid_t)read_number(line, "pid", 0),
	    .linger_fd = (int)read_number(line, "linger_fd", -1),
	    .asking = asking,
	    .began = read_number(line, "began", loop_now()),
	    .deadline = read_number(line, "deadline", INT64_MAX),
	    .term_sent = read_number(line, "term_sent", 0) != 0,
	    .source = read_source(line)};
	serve_restore_child(listener, &child);
}

static void restore_program(const char *line, struct listener *listener) { restore_child(line, listener, NULL); }

static void restore_question(const char *line, struct listener *listener) {
	struct client *client = malloc(sizeof *client);
	if (client == NULL) return;
	*client = read_client(line, listener);
	restore_child(line, listener, client);
}

static void restore_header(const char *line, struct listener *listener) {
	struct header header = {.client = read_client(line, listener),
	    .deadline = read_number(line, "deadline", 0),
	    .length = (size_t)read_number(line, "length", 0)};
	read_bytes(line, "bytes", header.bytes, sizeof header.bytes);
	serve_restore_header(&header);
}

static void restore_pending(const char *line, struct listener *listener) {
	struct client client = read_client(line, listener);
	serve_restore_pending(&client);
}

static void restore_lingering(const char *line, struct listener *listener) {
	serve_restore_lingering(listener, read_fd(line), read_number(line, "deadline", 0));
}

/* The name is the last word of a line, and may have blanks. */
static const char *name_of(const char *line) {
	const char *name = value_of(line, "name");
	return name != NULL ? name : "";
}

static bool is_kind(const char *line, const char *kind) {
	size_t length = strlen(kind);
	return strncmp(line, kind, length) == 0 && line[length] == ' ';
}

static void restore_socket(const char *line) {
	struct listening_socket socket = {.watch.fd = read_fd(line),
	    .configured = read_endpoint(line, "address"),
	    .device = (dev_t)read_number(line, "device", 0),
	    .inode = (ino_t)read_number(line, "inode", 0)};
	listener_restore_socket(name_of(line), (size_t)read_number(line, "nth", 0), &socket);
}

/* Restores what has to be there before the services are opened. */
static void restore_early(const char *line) {
	if (is_kind(line, "totals")) restore_totals(line);
	if (is_kind(line, "passed")) inherited_add(read_fd(line), name_of(line));
	if (is_kind(line, "socket")) restore_socket(line);
}

/* Restores what belongs to services that are open, or are not configured any more. */
static void restore_late(const char *line) {
	static const struct {
		const char *kind;
		void (*restore)(const char *line, struct listener *listener);
	} kinds[] = {{"child", restore_program}, {"question", restore_question}, {"pending", restore_pending},
	    {"header", restore_header}, {"lingering", restore_lingering}};
	size_t nth = (size_t)read_number(line, "nth", 0);
	if (is_kind(line, "denied")) access_deny(read_source(line), read_number(line, "until", 0));
	if (is_kind(line, "listener")) restore_listener(line, listener_find(name_of(line), nth));
	for (size_t i = 0; i < LENGTH(kinds); i++) {
		if (is_kind(line, kinds[i].kind)) kinds[i].restore(line, listener_of_earlier(name_of(line), nth));
	}
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
	if (lines->count < 2 || strcmp(lines->word[0], FIRST_LINE) != 0 ||
	    strcmp(lines->word[lines->count - 1], LAST_LINE) != 0) {
		task_close_from(STDERR_FILENO + 1, CLOSE_NOW);
		upgrade.lines.count = 0;
		return error_set(error, "the state of the running superd is not whole, or not of this version's form");
	}
	for (size_t i = 0; i < lines->count; i++) restore_early(lines->word[i]);
	return 0;
}

/* Restores the rest, once the services are open. */
void upgrade_restore_late(void) {
	if (!upgrade.is_successor) return;
	for (size_t i = 0; i < upgrade.lines.count; i++) restore_late(upgrade.lines.word[i]);
	upgrade.lines.count = 0;
	log_notice("upgraded in place to superd " VERSION);
}

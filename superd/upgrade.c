/*
 * upgrade: another superd in place of this one (USR2). The superd on disk is first run as a child that only checks; then
 * this process executes it, and it finds in a file without a name what it goes on with: sockets, children, counters,
 * pending and lingering connections.
 *
 * That state is text: a line a thing, of words KEY=VALUE. A key that the reader does not know is skipped, and a key that is
 * missing leaves a default, so that any two versions understand each other as far as they can.
 */
#include "superd.h"

#include <ctype.h>
#include <fcntl.h>

#define VARIABLE "SUPERD_STATE"
#define FIRST_LINE "superd-state 1"
#define LAST_LINE "end"

enum { CHECK_TIMEOUT_MS = 10 * 1000, REASON_SIZE = 400 };

extern char **environ;

static struct {
	struct arena *arena; /* of path and check_argv */
	const char *path;
	char **argv;
	struct words check_argv; /* the same with -t */
	bool is_checking, is_due;
	int reason_fd;      /* the checking child's stderr */
	bool is_successor;  /* of the superd that this process was before */
	struct words lines; /* of its state */
} upgrade;

/* Whether this process goes on where another superd left off, or checks whether it could. */
bool upgrade_is_successor(void) {
	return upgrade.is_successor || getenv(VARIABLE) != NULL;
}

/* Remembers how superd was started, so that the superd on disk can be started in the same way later. */
void upgrade_remember(char **argv) {
	char directory[PATH_MAX];
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

/* One key of a line: a number of 1, 4 or 8 bytes, a descriptor, or an endpoint, in a struct. */
struct field {
	const char *key;
	size_t offset, size;
	bool is_descriptor; /* it stays open over the exec */
};

#define FIELD(key, type, member)                                                                                       \
	{ key, offsetof(struct type, member), sizeof(((struct type *)0)->member), false }
#define DESCRIPTOR(key, type, member)                                                                                  \
	{ key, offsetof(struct type, member), sizeof(int), true }

/* A kind of line. The tables of fields end with a key that is NULL. */
struct kind {
	const char *name;
	bool is_early; /* restored before the sockets are opened */
	const struct field *fields;
};

enum { TOTALS, PASSED, SOCKET, LISTENER, CHILD, LINGERING, DENIED, PENDING, KINDS };

static const struct kind kinds[KINDS] = {
    [TOTALS] = {.name = "totals",
	.is_early = true,
	.fields = (const struct field[]){FIELD("start_time", totals, start_time), FIELD("reloads", totals, reloads),
	    FIELD("upgrades", totals, upgrades), {NULL, 0, 0, false}}},
    [PASSED] = {.name = "passed",
	.is_early = true,
	.fields = (const struct field[]){DESCRIPTOR("fd", inherited_socket, fd), {NULL, 0, 0, false}}},
    [SOCKET] = {.name = "socket",
	.is_early = true,
	.fields = (const struct field[]){DESCRIPTOR("fd", listening_socket, watch.fd),
	    FIELD("address", listening_socket, configured), {NULL, 0, 0, false}}},
    [LISTENER] = {.name = "listener",
	.fields = (const struct field[]){FIELD("accepted", listener, accepted),
	    FIELD("spawn_failures", listener, spawn_failures), FIELD("closed_until", listener, closed_until),
	    FIELD("second_began", listener, second_began), FIELD("second_count", listener, second_count),
	    FIELD("quick_exits", listener, quick_exits), {NULL, 0, 0, false}}},
    [CHILD] = {.name = "child",
	.fields = (const struct field[]){FIELD("pid", child, pid), DESCRIPTOR("linger_fd", child, linger_fd),
	    FIELD("began", child, began), FIELD("deadline", child, deadline), FIELD("term_sent", child, term_sent),
	    FIELD("source_high", child, source.high), FIELD("source_low", child, source.low), {NULL, 0, 0, false}}},
    [LINGERING] = {.name = "lingering",
	.fields = (const struct field[]){DESCRIPTOR("fd", watch, fd), FIELD("deadline", watch, timer.when),
	    {NULL, 0, 0, false}}},
    [DENIED] = {.name = "denied",
	.fields = (const struct field[]){FIELD("source_high", denied_source, source.high),
	    FIELD("source_low", denied_source, source.low), FIELD("until", denied_source, until), {NULL, 0, 0, false}}},
    [PENDING] = {.name = "pending",
	.fields = (const struct field[]){DESCRIPTOR("fd", client, fd), FIELD("uid", client, uid),
	    FIELD("is_confirmed", client, is_confirmed), FIELD("peer", client, peer), FIELD("local", client, local),
	    {NULL, 0, 0, false}}},
};

/* Numbers are signed: an unsigned one keeps its bits. */
static long long load_number(const void *from, size_t size) {
	int32_t narrow;
	int64_t wide;
	if (size == 1) return *(const bool *)from;
	memcpy(size == 4 ? (void *)&narrow : &wide, from, size);
	return size == 4 ? narrow : wide;
}

static void store_number(void *to, size_t size, long long number) {
	int32_t narrow = (int32_t)number;
	int64_t wide = number;
	if (size == 1)
		*(bool *)to = number != 0;
	else
		memcpy(to, size == 4 ? (void *)&narrow : &wide, size);
}

static void write_bytes(FILE *to, const char *key, const void *bytes, size_t length) {
	fprintf(to, " %s=", key);
	for (size_t i = 0; i < length; i++) fprintf(to, "%02x", ((const unsigned char *)bytes)[i]);
}

/* Returns how many bytes the text has, at most `size`. */
static size_t read_bytes(const char *text, void *bytes, size_t size) {
	size_t length = 0;
	for (unsigned byte; length < size && isxdigit((unsigned char)*text) && sscanf(text, "%2x", &byte) == 1;
	     text += 2)
		((unsigned char *)bytes)[length++] = (unsigned char)byte;
	return length;
}

/* Writes the line of a thing: the name of its service, or of itself, and its fields. */
static void write_fields(FILE *to, const struct kind *kind, const void *thing, const char *name, size_t nth) {
	fprintf(to, "%s nth=%zu", kind->name, nth);
	write_bytes(to, "name", name, strlen(name));
	for (const struct field *field = kind->fields; field->key != NULL; field++) {
		const char *at = (const char *)thing + field->offset;
		const struct endpoint *endpoint = (const void *)at;
		if (field->size == sizeof *endpoint)
			write_bytes(to, field->key, &endpoint->at, endpoint->length);
		else
			fprintf(to, " %s=%lld", field->key, load_number(at, field->size));
		if (field->is_descriptor) fcntl(*(const int *)(const void *)at, F_SETFD, 0);
	}
}

static void write_line(FILE *to, const struct kind *kind, const void *thing, const char *name, size_t nth) {
	write_fields(to, kind, thing, name, nth);
	fputc('\n', to);
}

static void write_listener(FILE *to, const struct listener *listener) {
	const char *id = listener->service->id;
	for (size_t i = 0; i < listener->socket_count; i++)
		if (listener->sockets[i].watch.fd >= 0)
			write_line(to, &kinds[SOCKET], &listener->sockets[i], id, listener->nth);
	write_fields(to, &kinds[LISTENER], listener, id, listener->nth);
	for (enum verdict verdict = VERDICT_ALLOW + 1; verdict < VERDICTS; verdict++)
		fprintf(to, " refused.%s=%ld", verdict_kinds[verdict].word, listener->refused[verdict]);
	fputc('\n', to);
}

static void write_lines(FILE *to) {
	const struct inherited_socket *passed;
	const struct denied_source *denied;
	fprintf(to, "%s\n", FIRST_LINE);
	write_line(to, &kinds[TOTALS], &metrics_totals, "", 0);
	for (size_t i = 0; (passed = inherited_passed(i, NULL)) != NULL; i++)
		write_line(to, &kinds[PASSED], passed, passed->name, 0);
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		if (!listener->retired) write_listener(to, listener);
	for (const struct child *child = child_next(NULL); child != NULL; child = child_next(child))
		if (child->listener != NULL)
			write_line(to, &kinds[CHILD], child, child->listener->service->id, child->listener->nth);
	for (const struct watch *watch = linger_next(NULL); watch != NULL; watch = linger_next(watch))
		write_line(to, &kinds[LINGERING], watch, "", 0);
	for (const struct client *client = pending_first(); client != NULL; client = client->next)
		write_line(to, &kinds[PENDING], client, client->listener->service->id, client->listener->nth);
	for (size_t i = 0; (denied = access_denied(i)) != NULL; i++) write_line(to, &kinds[DENIED], denied, "", 0);
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
	sigset_t none;
	setpgid(0, 0);
	dup2(reason_fd, STDERR_FILENO);
	if (dup2(open("/dev/null", O_RDWR), STDOUT_FILENO) >= 0 && write_state() != NULL) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
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
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
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
bool upgrade_is_due(void) {
	return upgrade.is_due;
}

/* Executes the superd on disk. Returns only if that fails, and then nothing has changed. */
void upgrade_execute(void) {
	upgrade.is_due = false;
	spawn_assume_started();
	FILE *file = write_state();
	if (file != NULL) execve(upgrade.path, upgrade.argv, environ);
	log_error("upgrade cancelled: %s: %s", file == NULL ? "temporary file" : upgrade.path, strerror(errno));
	if (file != NULL) fclose(file);
	unsetenv(VARIABLE);
	sys_close_from(STDERR_FILENO + 1, true);
}

/* The value of a key in a line, up to the next blank, or NULL. */
static const char *value_of(const char *line, const char *key) {
	size_t length = strlen(key);
	for (const char *word = strchr(line, ' '); word != NULL; word = strchr(word + 1, ' '))
		if (strncmp(word + 1, key, length) == 0 && word[1 + length] == '=') return word + 2 + length;
	return NULL;
}

static void read_fields(const char *line, const struct field *field, void *thing) {
	for (; field->key != NULL; field++) {
		const char *value = value_of(line, field->key);
		char *at = (char *)thing + field->offset;
		struct endpoint *endpoint = (void *)at;
		if (value == NULL) continue;
		if (field->size == sizeof *endpoint)
			endpoint->length = (socklen_t)read_bytes(value, &endpoint->at, sizeof endpoint->at);
		else
			store_number(at, field->size, strtoll(value, NULL, 10));
	}
}

static void read_listener(const char *line, struct listener *listener) {
	char key[40];
	read_fields(line, kinds[LISTENER].fields, listener);
	for (enum verdict verdict = VERDICT_ALLOW + 1; verdict < VERDICTS; verdict++) {
		snprintf(key, sizeof key, "refused.%s", verdict_kinds[verdict].word);
		const char *value = value_of(line, key);
		if (value != NULL) listener->refused[verdict] = strtol(value, NULL, 10);
	}
}

static void restore_pending(const char *line, struct listener *listener) {
	struct client client = {.listener = listener, .uid = (uid_t)-1};
	read_fields(line, kinds[PENDING].fields, &client);
	client.source = addr_source(&client.peer, client.uid);
	if (listener == NULL || serve_restore_pending(&client) < 0) close(client.fd);
}

/* Restores what one line describes. */
static void restore(const char *line, bool is_early) {
	char name[1000] = "";
	int number = 0;
	union {
		struct inherited_socket passed;
		struct listening_socket socket;
		struct child child;
		struct watch watch;
		struct denied_source denied;
	} it = {.child = {.linger_fd = -1, .deadline = INT64_MAX}};
	while (number < KINDS && (strncmp(line, kinds[number].name, strlen(kinds[number].name)) != 0 ||
				     line[strlen(kinds[number].name)] != ' '))
		number++;
	if (number == KINDS || kinds[number].is_early != is_early) return;
	const char *word = value_of(line, "name"), *count = value_of(line, "nth");
	size_t nth = count != NULL ? (size_t)strtoul(count, NULL, 10) : 0;
	if (word != NULL) read_bytes(word, name, sizeof name - 1);
	struct listener *listener = listener_find(name, nth);
	switch (number) {
	case TOTALS:
		read_fields(line, kinds[TOTALS].fields, &metrics_totals);
		metrics_totals.upgrades++;
		return;
	case LISTENER:
		if (listener != NULL) read_listener(line, listener);
		return;
	case PENDING: restore_pending(line, listener); return;
	default: read_fields(line, kinds[number].fields, &it);
	}
	switch (number) {
	case PASSED: inherited_add(it.passed.fd, SOCKET_PASSED, NULL, name); break;
	case SOCKET: inherited_add(it.socket.watch.fd, SOCKET_OWN, &it.socket.configured, name); break;
	case CHILD: serve_restore_child(name, nth, &it.child); break;
	case LINGERING: linger_begin(it.watch.fd, it.watch.timer.when); break;
	default: access_deny(it.denied.source, it.denied.until);
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
		sys_close_from(STDERR_FILENO + 1, false);
		upgrade.lines.count = 0;
		return error_set(error, "the state of the running superd is not whole, or not of this version's form");
	}
	for (size_t i = 0; i < lines->count; i++) restore(lines->word[i], true);
	return 0;
}

/* Restores the rest, once the services are open. */
void upgrade_restore_late(void) {
	if (!upgrade.is_successor) return;
	for (size_t i = 0; i < upgrade.lines.count; i++) restore(upgrade.lines.word[i], false);
	upgrade.lines.count = 0;
	inherited_drop(SOCKET_OWN);
	log_notice("upgraded in place to superd " VERSION);
}

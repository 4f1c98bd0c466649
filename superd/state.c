/*
 * state: an upgrade in place (USR2). The superd on disk is first run as a child that only checks; then it is executed
 * in our place and finds in a file without a name what it has to go on with: sockets, children, counters, and whom we
 * still hold. One line a thing, so that images of different versions can read each other's; a field's type must stay.
 */
#include "superd.h"

#include <fcntl.h>
#include <sys/wait.h>

#define VARIABLE "SUPERD_STATE"

enum { CHECK_TIME = 10, SAID = 400 }; /* CHECK_TIME in seconds */

extern char **environ;

static struct {
	struct arena *arena; /* of path and check_argv */
	const char *path;
	char **argv;
	struct words check_argv; /* the same with -t */
	pid_t checking;
	int said;             /* what the checking child says */
	bool is_due, is_ours; /* the next one; the one that made this process superd */
} upgrade = {.said = -1};

/* Whether this process goes on where another image left off, or is asked whether it could. */
bool state_is_upgrade(void) {
	return upgrade.is_ours || getenv(VARIABLE) != NULL;
}

/* Remembers how superd was started, to start the superd that will be on disk then in the same way. */
void state_remember(char **argv) {
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

/* Whether the superd on disk is being checked, by a child that serves nobody. */
bool state_is_checking(void) {
	return upgrade.checking > 0;
}

/* A child has ended: perhaps the check. Its first line, if it said one, is the reason why not. */
void state_note_end(pid_t pid, int status) {
	char said[SAID] = "it gave no reason";
	if (pid != upgrade.checking) return;
	ssize_t length = read(upgrade.said, said, sizeof said - 1);
	if (length > 0) said[length] = '\0';
	said[strcspn(said, "\n")] = '\0';
	close(upgrade.said);
	upgrade.checking = 0;
	upgrade.is_due = status == 0;
	if (status != 0) log_error("upgrade cancelled: the new superd would not start: %s", said);
}

/* Whether the superd on disk has been found good and is now to take over. */
bool state_is_due(void) {
	return upgrade.is_due;
}

/*
 * One line of the file is one thing: its kind, which of its service's namesakes it belongs to, the bytes of these
 * fields, and its service's id. An image that knows fewer fields passes over the rest; one that knows more finds 0.
 */
enum kind { TOTALS, HANDED, SOCKET, LISTENER, CONN, LINGERING, CAUGHT, HELD, KINDS };

struct field {
	size_t offset, size;
	bool is_descriptor; /* it shall outlive the exec */
};

#define FIELD(type, member)                                                                                            \
	{ offsetof(struct type, member), sizeof(((struct type *)0)->member), false }
#define DESCRIPTOR(type, member)                                                                                       \
	{ offsetof(struct type, member), sizeof(int), true }

static const struct {
	const char *name;
	struct field fields[8];
} kinds[KINDS] = {
    [TOTALS] = {"totals", {FIELD(totals, start_time), FIELD(totals, reloads), FIELD(totals, upgrades)}},
    [HANDED] = {"handed", {DESCRIPTOR(spare, fd)}},
    [SOCKET] = {"socket", {DESCRIPTOR(listening_socket, watch.fd), FIELD(listening_socket, configured)}},
    [LISTENER] = {"listener", {FIELD(listener, accepted), FIELD(listener, spawn_failures),
				  FIELD(listener, closed_until), FIELD(listener, second_began),
				  FIELD(listener, second_count), FIELD(listener, failures), FIELD(listener, refused)}},
    [CONN] = {"conn", {FIELD(conn, pid), DESCRIPTOR(conn, linger_fd), FIELD(conn, began), FIELD(conn, deadline),
			  FIELD(conn, told), FIELD(conn, source)}},
    [LINGERING] = {"lingering", {DESCRIPTOR(watch, fd), FIELD(watch, deadline)}},
    [CAUGHT] = {"caught", {FIELD(caught, source), FIELD(caught, until)}},
    [HELD] = {"held", {DESCRIPTOR(client, fd), FIELD(client, uid), FIELD(client, is_confirmed), FIELD(client, peer),
			  FIELD(client, local)}},
};

/* Writes a thing, which belongs to `listener`, or to none (NULL) and then has a name of its own. */
static void put(FILE *to, enum kind kind, const void *thing, const struct listener *listener, const char *name) {
	fprintf(to, "%s %zu", kinds[kind].name, listener != NULL ? listener_nth(listener) : 0);
	for (const struct field *field = kinds[kind].fields; field->size > 0; field++) {
		const unsigned char *bytes = (const unsigned char *)thing + field->offset;
		for (size_t i = 0; i < field->size; i++) fprintf(to, " %u", bytes[i]);
		if (field->is_descriptor) fcntl(*(const int *)(const void *)bytes, F_SETFD, 0);
	}
	fprintf(to, "|%s\n", listener != NULL ? listener->service->id : name);
}

/* A line that has been read. */
struct record {
	char line[4096], *numbers;
	enum kind kind;
	size_t nth;
	const char *name;
};

static bool read_record(struct record *record, FILE *from) {
	if (fgets(record->line, sizeof record->line, from) == NULL) return false;
	record->line[strcspn(record->line, "\n")] = '\0';
	char *bar = strchr(record->line, '|'), *blank = strchr(record->line, ' ');
	record->kind = KINDS;
	record->name = "";
	if (bar == NULL || blank == NULL || blank > bar) return true;
	*bar = *blank = '\0';
	record->name = bar + 1;
	record->nth = (size_t)strtoll(blank + 1, &record->numbers, 10);
	for (enum kind kind = 0; kind < KINDS; kind++)
		if (strcmp(record->line, kinds[kind].name) == 0) record->kind = kind;
	return true;
}

/* Puts the record's bytes where a thing of its kind has them. */
static void take(struct record *record, void *thing) {
	for (const struct field *field = kinds[record->kind].fields; field->size > 0; field++) {
		unsigned char *bytes = (unsigned char *)thing + field->offset;
		for (size_t i = 0; i < field->size; i++)
			bytes[i] = (unsigned char)strtol(record->numbers, &record->numbers, 10);
	}
}

static void put_listener(FILE *to, const struct listener *listener) {
	for (size_t i = 0; i < listener->socket_count; i++)
		if (listener->sockets[i].watch.fd >= 0) put(to, SOCKET, &listener->sockets[i], listener, NULL);
	put(to, LISTENER, listener, listener, NULL);
}

static void put_state(FILE *to) {
	const struct spare *handed;
	const struct caught *caught;
	put(to, TOTALS, &metrics_totals, NULL, "");
	for (size_t nth = 0; (handed = socket_handed(nth, NULL)) != NULL; nth++)
		put(to, HANDED, handed, NULL, handed->name);
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		if (!listener->retired) put_listener(to, listener);
	for (const struct conn *conn = conn_next(NULL); conn != NULL; conn = conn_next(conn))
		put(to, CONN, conn, conn->listener, NULL);
	for (const struct watch *watch = linger_next(NULL); watch != NULL; watch = linger_next(watch))
		put(to, LINGERING, watch, NULL, "");
	for (const struct client *held = hold_first(); held != NULL; held = held->next)
		put(to, HELD, held, held->listener, NULL);
	for (size_t nth = 0; (caught = access_caught(nth)) != NULL; nth++) put(to, CAUGHT, caught, NULL, "");
}

/* Leaves the state, and all that it names, for the image that will be executed. Returns the file, or NULL and errno. */
static FILE *hand_on(void) {
	char number[16];
	FILE *file = tmpfile();
	if (file == NULL) return NULL;
	put_state(file);
	snprintf(number, sizeof number, "%d", fileno(file));
	if (fflush(file) != 0 || fseek(file, 0, SEEK_SET) != 0 || fcntl(fileno(file), F_SETFD, 0) < 0 ||
	    setenv(VARIABLE, number, 1) < 0) {
		fclose(file);
		return NULL;
	}
	return file;
}

/* The superd on disk, with -t and with all that we would hand on to it. If it hangs, the alarm ends it. */
static _Noreturn void check_child(int said) {
	sigset_t none;
	dup2(said, STDERR_FILENO);
	if (dup2(open("/dev/null", O_RDWR), STDOUT_FILENO) >= 0 && hand_on() != NULL) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		alarm(CHECK_TIME);
		execve(upgrade.path, (char **)(void *)upgrade.check_argv.word, environ);
	}
	dprintf(STDERR_FILENO, "%s: %s\n", upgrade.path, strerror(errno));
	_exit(1);
}

/* Begins an upgrade: asks the superd on disk whether it would start, and goes on serving meanwhile. */
void state_begin(void) {
	int ends[2];
	if (upgrade.checking > 0 || upgrade.is_due) return;
	if (sys_pipe(ends) < 0) {
		log_error("upgrade cancelled: %s", strerror(errno));
		return;
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	pid_t pid = fork();
	if (pid == 0) check_child(ends[1]);
	close(ends[1]);
	if (pid < 0) {
		log_error("upgrade cancelled: fork: %s", strerror(errno));
		close(ends[0]);
		return;
	}
	upgrade.checking = pid;
	upgrade.said = ends[0];
}

/* Executes the superd on disk in our place. Returns only if that cannot be done, and then all is as it was. */
void state_execute(void) {
	upgrade.is_due = false;
	FILE *file = hand_on();
	if (file != NULL) execve(upgrade.path, upgrade.argv, environ);
	log_error("upgrade cancelled: %s: %s", file == NULL ? "temporary file" : upgrade.path, strerror(errno));
	if (file != NULL) fclose(file);
	unsetenv(VARIABLE);
	sys_close_from(STDERR_FILENO + 1, true);
}

/*
 * Takes up what a line is of: before the sockets are opened what has to be known for that, and then (`late`) what
 * belongs to services that have to be there first.
 */
static void take_up(struct record *record, bool late) {
	union {
		struct spare spare;
		struct listening_socket socket;
		struct conn conn;
		struct watch watch;
		struct caught caught;
		struct client client;
	} it = {.conn = {.pid = 0}};
	struct listener *listener = listener_find(record->name, record->nth);
	bool is_early = record->kind == TOTALS || record->kind == HANDED || record->kind == SOCKET;
	if (record->kind == KINDS || is_early == late || (record->kind == LISTENER && listener == NULL)) return;
	take(record, record->kind == TOTALS     ? (void *)&metrics_totals
		     : record->kind == LISTENER ? listener
						: (void *)&it);
	switch (record->kind) {
	case TOTALS: metrics_totals.upgrades++; break;
	case HANDED: socket_offer(it.spare.fd, SOCKET_HANDED, NULL, record->name); break;
	case SOCKET: socket_offer(it.socket.watch.fd, SOCKET_OWNED, &it.socket.configured, record->name); break;
	case CONN: serve_adopt(record->name, record->nth, &it.conn); break;
	case LINGERING: linger_begin(it.watch.fd, it.watch.deadline - loop_now()); break;
	case CAUGHT: access_catch(it.caught.source, it.caught.until); break;
	case HELD:
		it.client.listener = listener;
		it.client.source = addr_source(&it.client.peer, it.client.uid);
		if (listener == NULL || hold_client(&it.client, NULL) < 0) close(it.client.fd);
		break;
	default: break;
	}
}

/*
 * Takes what an earlier image of superd left, if there was one: before the services are opened their sockets, and after
 * that (`late`) the rest.
 */
void state_take(bool late) {
	static FILE *file;
	struct record record;
	const char *number = getenv(VARIABLE);
	if (!late && number != NULL) {
		file = fdopen((int)strtol(number, NULL, 10), "r");
		unsetenv(VARIABLE);
		upgrade.is_ours = true;
	}
	if (file == NULL) return;
	rewind(file);
	while (read_record(&record, file)) take_up(&record, late);
	if (!late) return;
	fclose(file);
	file = NULL;
	socket_drop_offers(SOCKET_OWNED);
	log_notice("upgraded in place to superd " VERSION);
}

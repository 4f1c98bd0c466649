/*
 * state: an upgrade in place (USR2). The superd on disk is first run as a child that only checks; then it is executed
 * in our place and finds in a file without a name what it has to go on with: sockets, children, counters, and whom we
 * still hold. One line a thing, of numbers, so that images of different versions can read each other's.
 */
#include "superd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define VARIABLE "SUPERD_STATE"

enum { CHECK_TIME = 10 * 1000, SAID = 400 };

extern char **environ;

static struct {
	char *path, **argv;
	pid_t checking;
	int said; /* what the checking child says */
	int64_t deadline;
	bool is_due, is_ours; /* the next one; the one that made this process superd */
} upgrade = {.said = -1};

/* Whether this process goes on where another image left off, or is asked whether it could. */
bool state_is_upgrade(void) {
	return upgrade.is_ours || getenv(VARIABLE) != NULL;
}

/* Remembers how superd was started, to start the superd that will be on disk then in the same way. */
void state_remember(char **argv) {
	char directory[PATH_MAX] = "";
	struct arena *arena = mem_arena_new();
	const char *path = strchr(argv[0], '/') != NULL ? argv[0] : command_find_in_path(arena, argv[0]);
	if (path != NULL && path[0] != '/' && getcwd(directory, sizeof directory) != NULL)
		path = mem_print(arena, "%s/%s", directory, path);
	upgrade.path = strdup(path != NULL ? path : "/proc/self/exe");
	upgrade.argv = argv;
	mem_arena_free(arena);
}

/* The check has ended. Its first line, if it said one, is the reason why not. */
static void checked(int status) {
	char said[SAID] = "it gave no reason";
	ssize_t length = read(upgrade.said, said, sizeof said - 1);
	if (length > 0) said[length] = '\0';
	said[strcspn(said, "\n")] = '\0';
	close(upgrade.said);
	upgrade.checking = 0;
	upgrade.is_due = status == 0;
	if (status != 0) log_error("no upgrade: the superd on disk would not start: %s", said);
}

/* Ends a check that takes too long. */
void state_tick(void) {
	if (upgrade.checking > 0 && loop_now() >= upgrade.deadline)
		kill(upgrade.checking, SIGKILL);
	else if (upgrade.checking > 0)
		loop_wake_at(upgrade.deadline);
}

/* Whether the superd on disk has been found good and is now to take over. */
bool state_is_due(void) {
	return upgrade.is_due;
}

/* One line of the file: what it is of, numbers, and a name at the end. It is read in the order it was written in. */
struct record {
	char kind[16];
	size_t count, next;
	long long number[2 * sizeof(struct endpoint) + 24];
	char name[256];
};

static void put_all(struct record *record, const long long *numbers, size_t count) {
	memcpy(record->number + record->count, numbers, count * sizeof *numbers);
	record->count += count;
}

#define NUMBERS(...) (const long long[]){__VA_ARGS__}, sizeof((const long long[]){__VA_ARGS__}) / sizeof(long long)

static void put(struct record *record, long long number) {
	put_all(record, &number, 1);
}

static void put_descriptor(struct record *record, int fd) {
	put(record, fd);
	if (fd >= 0) fcntl(fd, F_SETFD, 0); /* it shall outlive the exec */
}

static void put_endpoint(struct record *record, const struct endpoint *endpoint) {
	const unsigned char *bytes = (const unsigned char *)&endpoint->at;
	put(record, endpoint->length);
	for (socklen_t i = 0; i < endpoint->length; i++) put(record, bytes[i]);
}

/* Ends the record and empties it for the next one. */
static void put_line(struct record *record, FILE *to, const char *kind, const char *name) {
	fputs(kind, to);
	for (size_t i = 0; i < record->count; i++) fprintf(to, " %lld", record->number[i]);
	fprintf(to, "|%s\n", name);
	record->count = 0;
}

static long long take(struct record *record) {
	return record->next < record->count ? record->number[record->next++] : 0;
}

static struct endpoint take_endpoint(struct record *record) {
	struct endpoint endpoint = {.length = (socklen_t)take(record)};
	unsigned char *bytes = (unsigned char *)&endpoint.at;
	for (socklen_t i = 0; i < endpoint.length && i < sizeof endpoint.at; i++)
		bytes[i] = (unsigned char)take(record);
	return endpoint;
}

static bool take_line(struct record *record, FILE *from) {
	char line[4096], *text = line;
	*record = (struct record){.count = 0};
	if (fgets(line, sizeof line, from) == NULL) return false;
	line[strcspn(line, "\n")] = '\0';
	size_t length = strcspn(line, " |");
	snprintf(record->kind, sizeof record->kind, "%.*s", (int)length, line);
	for (text += length; *text == ' ' && record->count < LENGTH(record->number);)
		record->number[record->count++] = strtoll(text, &text, 10);
	snprintf(record->name, sizeof record->name, "%s", *text == '|' ? text + 1 : "");
	return true;
}

struct writing {
	struct record record;
	FILE *to;
};

static void put_handed(int fd, const char *name, bool taken, void *argument) {
	struct writing *writing = argument;
	(void)taken;
	put_descriptor(&writing->record, fd);
	put_line(&writing->record, writing->to, "handed", name);
}

static void put_conn(struct conn *conn, void *argument) {
	struct writing *writing = argument;
	put(&writing->record, conn->pid);
	put_descriptor(&writing->record, conn->linger_fd);
	put_all(&writing->record, NUMBERS(conn->began, conn->deadline, conn->told, (long long)conn->source.high,
				      (long long)conn->source.low, (long long)listener_nth(conn->listener)));
	put_line(&writing->record, writing->to, "conn", conn->listener->service->id);
}

static void take_conn(struct record *record) {
	struct conn conn = {.pid = (pid_t)take(record)};
	conn.linger_fd = (int)take(record);
	conn.began = take(record);
	conn.deadline = take(record);
	conn.told = take(record);
	conn.source.high = (uint64_t)take(record);
	conn.source.low = (uint64_t)take(record);
	serve_adopt(record->name, (size_t)take(record), &conn);
}

static void put_lingering(int fd, int64_t deadline, void *argument) {
	struct writing *writing = argument;
	put_descriptor(&writing->record, fd);
	put(&writing->record, deadline);
	put_line(&writing->record, writing->to, "lingering", "");
}

static void put_caught(struct source source, int64_t until, void *argument) {
	struct writing *writing = argument;
	put_all(&writing->record, NUMBERS((long long)source.high, (long long)source.low, until));
	put_line(&writing->record, writing->to, "caught", "");
}

static void put_listener(const struct listener *listener, struct writing *writing) {
	for (size_t i = 0; i < listener->socket_count; i++) {
		if (listener->sockets[i].watch.fd < 0) continue;
		put_descriptor(&writing->record, listener->sockets[i].watch.fd);
		put_endpoint(&writing->record, &listener->sockets[i].configured);
		put_line(&writing->record, writing->to, "socket", listener->service->id);
	}
	put_all(&writing->record,
	    NUMBERS((long long)listener->accepted, (long long)listener->spawn_failures, listener->closed_until,
		listener->second_began, listener->second_count, listener->failures));
	for (enum verdict verdict = VERDICT_WELCOME; verdict < VERDICTS; verdict++)
		put(&writing->record, (long long)listener->refused[verdict]);
	put(&writing->record, (long long)listener_nth(listener));
	put_line(&writing->record, writing->to, "listener", listener->service->id);
}

static void take_listener(struct record *record) {
	size_t nth = record->count > 0 ? (size_t)record->number[record->count - 1] : 0;
	struct listener *listener = listener_find(record->name, nth);
	if (listener == NULL) return;
	listener->accepted = (unsigned long)take(record);
	listener->spawn_failures = (unsigned long)take(record);
	listener->closed_until = take(record);
	listener->second_began = take(record);
	listener->second_count = (long)take(record);
	listener->failures = (int)take(record);
	for (enum verdict verdict = VERDICT_WELCOME; verdict < VERDICTS; verdict++)
		listener->refused[verdict] = (unsigned long)take(record);
}

static void put_held(const struct client *held, void *argument) {
	struct writing *writing = argument;
	put_descriptor(&writing->record, held->fd);
	put_all(&writing->record, NUMBERS(held->uid, held->is_confirmed, (long long)listener_nth(held->listener)));
	put_endpoint(&writing->record, &held->peer);
	put_endpoint(&writing->record, &held->local);
	put_line(&writing->record, writing->to, "held", held->listener->service->id);
}

static void take_held(struct record *record) {
	struct client client = {.fd = (int)take(record)};
	client.uid = (uid_t)take(record);
	client.is_confirmed = take(record);
	client.listener = listener_find(record->name, (size_t)take(record));
	client.peer = take_endpoint(record);
	client.local = take_endpoint(record);
	client.source = addr_source(&client.peer, client.uid);
	if (client.listener == NULL || hold_client(&client, NULL) < 0) close(client.fd);
}

static void put_state(FILE *to) {
	struct writing writing = {.to = to};
	put_all(
	    &writing.record, NUMBERS(metrics_totals.start_time, metrics_totals.reloads, metrics_totals.upgrades + 1));
	put_line(&writing.record, to, "totals", "");
	socket_each_handed(put_handed, &writing);
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		if (!listener->retired) put_listener(listener, &writing);
	conn_each(put_conn, &writing);
	linger_each(put_lingering, &writing);
	access_each_caught(put_caught, &writing);
	hold_each(put_held, &writing);
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

/* The superd on disk, with -t and with all that we would hand on to it. */
static _Noreturn void check_child(int said, char **argv) {
	sigset_t none;
	argv[0] = upgrade.argv[0];
	argv[1] = "-t";
	for (size_t i = 1; upgrade.argv[i - 1] != NULL; i++) argv[i + 1] = upgrade.argv[i];
	dup2(said, STDERR_FILENO);
	if (dup2(open("/dev/null", O_RDWR), STDOUT_FILENO) >= 0 && hand_on() != NULL) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execve(upgrade.path, argv, environ);
	}
	dprintf(STDERR_FILENO, "%s: %s\n", upgrade.path, strerror(errno));
	_exit(1);
}

/* Begins an upgrade: asks the superd on disk whether it would start, and goes on serving meanwhile. */
void state_begin(void) {
	int ends[2];
	size_t count = 0;
	if (upgrade.checking > 0 || upgrade.is_due) return;
	while (upgrade.argv[count] != NULL) count++;
	char **argv = calloc(count + 2, sizeof *argv);
	if (argv == NULL || pipe(ends) < 0) {
		log_error("no upgrade: %s", strerror(errno));
		free(argv);
		return;
	}
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	pid_t pid = fork();
	if (pid == 0) check_child(ends[1], argv);
	free(argv);
	close(ends[1]);
	if (pid < 0) {
		log_error("no upgrade: fork: %s", strerror(errno));
		close(ends[0]);
		return;
	}
	upgrade.checking = pid;
	upgrade.said = ends[0];
	upgrade.deadline = loop_now() + CHECK_TIME;
	loop_wake_at(upgrade.deadline);
	conn_watch_other(pid, checked);
}

/* Executes the superd on disk in our place. Returns only if that cannot be done, and then all is as it was. */
void state_execute(void) {
	upgrade.is_due = false;
	FILE *file = hand_on();
	if (file != NULL) execve(upgrade.path, upgrade.argv, environ);
	log_error("no upgrade: %s: %s", file == NULL ? "temporary file" : upgrade.path, strerror(errno));
	if (file != NULL) fclose(file);
	unsetenv(VARIABLE);
	sys_close_from(STDERR_FILENO + 1, true);
}

/* What has to be known before the sockets are opened. */
static void take_early(struct record *record) {
	if (strcmp(record->kind, "totals") == 0) {
		metrics_totals.start_time = take(record);
		metrics_totals.reloads = take(record);
		metrics_totals.upgrades = take(record);
	} else if (strcmp(record->kind, "handed") == 0) {
		socket_offer((int)take(record), SOCKET_HANDED, NULL, record->name);
	} else if (strcmp(record->kind, "socket") == 0) {
		int fd = (int)take(record);
		struct endpoint configured = take_endpoint(record);
		socket_offer(fd, SOCKET_OWNED, &configured, record->name);
	}
}

/* What belongs to services that have to be there first. */
static void take_late(struct record *record) {
	if (strcmp(record->kind, "listener") == 0) {
		take_listener(record);
	} else if (strcmp(record->kind, "conn") == 0) {
		take_conn(record);
	} else if (strcmp(record->kind, "held") == 0) {
		take_held(record);
	} else if (strcmp(record->kind, "lingering") == 0) {
		int fd = (int)take(record);
		linger_begin(fd, take(record) - loop_now());
	} else if (strcmp(record->kind, "caught") == 0) {
		struct source source = {.high = (uint64_t)take(record)};
		source.low = (uint64_t)take(record);
		access_catch(source, take(record));
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
	while (take_line(&record, file)) (late ? take_late : take_early)(&record);
	if (!late) return;
	fclose(file);
	file = NULL;
	socket_drop_offers(SOCKET_OWNED);
	log_notice("upgraded in place to superd " VERSION);
}

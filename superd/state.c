/*
 * state: an upgrade in place (USR2). The superd on disk is first run as a child that only checks; then it is executed
 * in our place and finds in a file without a name what it has to go on with: sockets, children, counters, and whom we
 * still hold. One line a thing, read by the same table that wrote it.
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
	bool is_due;
} upgrade = {.said = -1};

/* Whether this process goes on where another image left off, or is asked whether it could. */
bool state_is_handed(void) {
	return getenv(VARIABLE) != NULL;
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

static _Noreturn void check_child(int said, char **argv) {
	sigset_t none;
	size_t count = 0;
	while (upgrade.argv[count] != NULL)
		count++;
	argv[0] = upgrade.argv[0];
	argv[1] = "-t";
	for (size_t i = 1; i <= count; i++)
		argv[i + 1] = upgrade.argv[i];
	int null = open("/dev/null", O_RDWR);
	dup2(null, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	setenv(VARIABLE, "check", 1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(upgrade.path, argv, environ);
	fprintf(stderr, "%s: %s\n", upgrade.path, strerror(errno));
	_exit(1);
}

/* The check has ended. Its first line, if it said one, is the reason why not. */
static void checked(int status) {
	char said[SAID] = "it gave no reason";
	ssize_t length = read(upgrade.said, said, sizeof said - 1);
	if (length > 0)
		said[length] = '\0';
	said[strcspn(said, "\n")] = '\0';
	close(upgrade.said);
	upgrade.checking = 0;
	upgrade.is_due = status == 0;
	if (status != 0)
		log_error("no upgrade: the superd on disk would not start: %s", said);
}

/* Begins an upgrade: asks the superd on disk whether it would start, and goes on serving meanwhile. */
void state_begin(void) {
	int ends[2];
	size_t count = 0;
	if (upgrade.checking > 0 || upgrade.is_due)
		return;
	while (upgrade.argv[count] != NULL)
		count++;
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
	if (pid == 0)
		check_child(ends[1], argv);
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

static void keep(int fd) {
	if (fd >= 0)
		fcntl(fd, F_SETFD, 0);
}

/* A socket address as hexadecimal digits, or back. */
static void print_endpoint(FILE *to, const struct endpoint *endpoint) {
	const unsigned char *bytes = (const unsigned char *)&endpoint->at;
	fprintf(to, "%u:", (unsigned)endpoint->length);
	for (socklen_t i = 0; i < endpoint->length; i++)
		fprintf(to, "%02x", bytes[i]);
	fputc(' ', to);
}

static bool read_endpoint(char **text, struct endpoint *endpoint) {
	unsigned byte;
	unsigned char *bytes = (unsigned char *)&endpoint->at;
	*endpoint = (struct endpoint){.length = (socklen_t)strtoul(*text, text, 10)};
	if (endpoint->length > sizeof endpoint->at || *(*text)++ != ':')
		return false;
	for (socklen_t i = 0; i < endpoint->length; i++, *text += 2) {
		if (sscanf(*text, "%2x", &byte) != 1)
			return false;
		bytes[i] = (unsigned char)byte;
	}
	return *(*text)++ == ' ';
}

static void print_handed(int fd, const char *name, bool taken, void *to) {
	(void)taken;
	keep(fd);
	fprintf(to, "handed %d %s\n", fd, name);
}

static void print_conn(struct conn *conn, void *to) {
	keep(conn->linger_fd);
	fprintf(to, "conn %ld %d %lld %lld %d %d %llx %llx %s\n", (long)conn->pid, conn->linger_fd,
	    (long long)conn->began, (long long)conn->deadline, conn->told, conn->reaped,
	    (unsigned long long)conn->source.high, (unsigned long long)conn->source.low,
	    conn->listener->service->id);
}

static void print_lingering(int fd, int64_t deadline, void *to) {
	keep(fd);
	fprintf(to, "lingering %d %lld\n", fd, (long long)deadline);
}

static void print_caught(struct source source, int64_t until, void *to) {
	fprintf(to, "caught %llx %llx %lld\n", (unsigned long long)source.high,
	    (unsigned long long)source.low, (long long)until);
}

static void print_listener(const struct listener *listener, FILE *to) {
	for (size_t i = 0; i < listener->socket_count; i++) {
		if (listener->sockets[i].watch.fd < 0)
			continue;
		keep(listener->sockets[i].watch.fd);
		fprintf(to, "socket %d ", listener->sockets[i].watch.fd);
		print_endpoint(to, &listener->sockets[i].configured);
		fputc('\n', to);
	}
	fprintf(to, "listener %lu %lu %lld %lld %ld %d", listener->accepted, listener->spawn_failures,
	    (long long)listener->closed_until, (long long)listener->second_began, listener->second_count,
	    listener->failures);
	for (enum verdict verdict = VERDICT_WELCOME; verdict < VERDICTS; verdict++)
		fprintf(to, " %lu", listener->refused[verdict]);
	fprintf(to, " %s\n", listener->service->id);
}

static void print_held(const struct client *held, FILE *to) {
	keep(held->fd);
	fprintf(to, "held %d %ld ", held->fd, (long)held->uid);
	print_endpoint(to, &held->peer);
	print_endpoint(to, &held->local);
	fprintf(to, "%s\n", held->listener->service->id);
}

static void print_state(FILE *to) {
	fprintf(to, "totals %lld %llu %llu\n", metrics_totals.start_time, metrics_totals.reloads,
	    metrics_totals.upgrades + 1);
	socket_each_handed(print_handed, to);
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		if (!listener->retired)
			print_listener(listener, to);
	conn_each(print_conn, to);
	linger_each(print_lingering, to);
	access_each_caught(print_caught, to);
	if (serve_held() != NULL)
		print_held(serve_held(), to);
}

/* Executes the superd on disk in our place. Returns only if that cannot be done, and then all is as it was. */
void state_execute(void) {
	char number[16];
	FILE *file = tmpfile();
	upgrade.is_due = false;
	if (file != NULL) {
		print_state(file);
		snprintf(number, sizeof number, "%d", fileno(file));
		if (fflush(file) == 0 && lseek(fileno(file), 0, SEEK_SET) == 0 &&
		    setenv(VARIABLE, number, 1) == 0) {
			keep(fileno(file));
			execve(upgrade.path, upgrade.argv, environ);
		}
	}
	log_error("no upgrade: %s: %s", file == NULL ? "temporary file" : upgrade.path, strerror(errno));
	if (file != NULL)
		fclose(file);
	unsetenv(VARIABLE);
	sys_close_from(STDERR_FILENO + 1, true);
}

/* What has to be known before the sockets are opened. */
static bool read_early(char *text) {
	int fd, length = 0;
	long long start_time, until;
	unsigned long long high, low;
	struct endpoint configured;
	if (sscanf(text, "totals %lld %llu %llu", &start_time, &high, &low) == 3) {
		metrics_totals = (struct totals){start_time, high, low};
		return true;
	}
	if (sscanf(text, "handed %d%n", &fd, &length) == 1) {
		socket_offer(fd, SOCKET_HANDED, NULL, text + length + 1);
		return true;
	}
	if (sscanf(text, "caught %llx %llx %lld", &high, &low, &until) == 3) {
		access_catch((struct source){high, low}, until);
		return true;
	}
	if (sscanf(text, "socket %d %n", &fd, &length) != 1)
		return false;
	text += length;
	if (read_endpoint(&text, &configured))
		socket_offer(fd, SOCKET_OWNED, &configured, "");
	return true;
}

static void read_listener(char *text) {
	struct listener numbers = {0};
	long long closed_until, second_began;
	int length;
	if (sscanf(text, "%lu %lu %lld %lld %ld %d%n", &numbers.accepted, &numbers.spawn_failures,
		&closed_until, &second_began, &numbers.second_count, &numbers.failures, &length) != 6)
		return;
	text += length;
	for (enum verdict verdict = VERDICT_WELCOME; verdict < VERDICTS; verdict++)
		numbers.refused[verdict] = strtoul(text, &text, 10);
	struct listener *listener = listener_find(text + 1);
	if (listener == NULL)
		return;
	listener->accepted = numbers.accepted;
	listener->spawn_failures = numbers.spawn_failures;
	listener->closed_until = closed_until;
	listener->second_began = second_began;
	listener->second_count = numbers.second_count;
	listener->failures = numbers.failures;
	memcpy(listener->refused, numbers.refused, sizeof numbers.refused);
}

static void read_conn(const char *text) {
	long pid;
	int linger_fd, told, reaped, length;
	long long began, deadline;
	unsigned long long high, low;
	if (sscanf(text, "%ld %d %lld %lld %d %d %llx %llx%n", &pid, &linger_fd, &began, &deadline, &told,
		&reaped, &high, &low, &length) != 8 ||
	    conn_reserve() < 0)
		return;
	serve_adopt(text + length + 1, &(struct conn){
					   .pid = (pid_t)pid,
					   .linger_fd = linger_fd,
					   .began = began,
					   .deadline = deadline,
					   .told = told,
					   .reaped = reaped,
					   .source = {high, low}
        });
}

static void read_held(char *text) {
	struct client client = {0};
	long uid;
	int length;
	if (sscanf(text, "%d %ld %n", &client.fd, &uid, &length) != 2)
		return;
	text += length;
	client.uid = (uid_t)uid;
	if (!read_endpoint(&text, &client.peer) || !read_endpoint(&text, &client.local))
		return;
	client.source = addr_source(&client.peer, client.uid);
	client.listener = listener_find(text);
	if (client.listener != NULL)
		serve_hold(&client);
	else
		close(client.fd);
}

static void read_late(char *text) {
	int fd;
	long long deadline;
	if (strncmp(text, "listener ", 9) == 0)
		read_listener(text + 9);
	else if (strncmp(text, "conn ", 5) == 0)
		read_conn(text + 5);
	else if (strncmp(text, "held ", 5) == 0)
		read_held(text + 5);
	else if (sscanf(text, "lingering %d %lld", &fd, &deadline) == 2)
		linger_begin(fd, deadline - loop_now());
}

/*
 * Takes what an earlier image of superd left, if there is one: before the services are opened the sockets, and after
 * that (`late`) the rest.
 */
void state_take(bool late) {
	static FILE *file;
	char line[1024];
	if (!late && state_is_handed()) {
		file = fdopen((int)strtol(getenv(VARIABLE), NULL, 10), "r");
		unsetenv(VARIABLE);
	}
	if (file == NULL)
		return;
	rewind(file);
	while (fgets(line, sizeof line, file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (late)
			read_late(line);
		else
			read_early(line);
	}
	if (!late)
		return;
	fclose(file);
	file = NULL;
	socket_drop_offers(SOCKET_OWNED);
	log_notice("upgraded in place to superd " VERSION);
}

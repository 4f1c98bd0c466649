/* SPDX-License-Identifier: ISC */
/*
 * notify: what superd and its supervisor tell each other: sockets that it passes (sd_listen_fds(3)), state and the
 * watchdog (sd_notify(3)), readiness at a descriptor (s6).
 */
#include "superd.h"

#include <fcntl.h>
#include <time.h>

enum { FIRST_PASSED = 3, STATUS_DELAY_MS = 1000 };

static struct {
	int fd;
	struct endpoint to;
	int64_t interval; /* between two signs of life */
	struct timer watchdog, status;
	size_t reported; /* how many children the supervisor knows of */
} notify = {.fd = -1};

static long long read_variable(const char *name) {
	const char *text = getenv(name);
	return text != NULL ? strtoll(text, NULL, 10) : 0;
}

static bool is_for_us(const char *variable) {
	return getenv(variable) == NULL || read_variable(variable) == (long long)getpid();
}

/* Why superd cannot serve at a descriptor that a supervisor passed, or NULL. */
static const char *find_fault(int fd) {
	struct endpoint peer = {.length = sizeof peer.at};
	int type = 0, is_listening = 0;
	socklen_t length = sizeof type;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0) return "not a socket";
	if (getpeername(fd, &peer.at.any, &peer.length) == 0) return "a connected socket, such as of Accept=yes";
	getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &length);
	return (type == SOCK_STREAM || type == SOCK_SEQPACKET) && !is_listening ? "a socket that does not listen"
										: NULL;
}

/*
 * Takes the sockets that a supervisor passed to this process. No child learns of them. Returns 0, or -1 and an error if one
 * is of a kind at which superd cannot serve.
 */
int notify_take_sockets(struct error *error) {
	long long count = is_for_us("LISTEN_PID") ? read_variable("LISTEN_FDS") : 0;
	const char *rest = getenv("LISTEN_FDNAMES");
	if (rest == NULL) rest = "";
	for (int fd = FIRST_PASSED; fd < FIRST_PASSED + count && fcntl(fd, F_GETFD) >= 0; fd++) {
		size_t length = strcspn(rest, ":");
		char name[64];
		snprintf(name, sizeof name, "%.*s", (int)length, rest);
		rest += length + (rest[length] == ':');
		const char *fault = find_fault(fd);
		if (fault != NULL) return error_set(error, "LISTEN_FDS: descriptor %d (%s) is %s", fd, name, fault);
		inherited_add(fd, name);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return 0;
}

/* Tells the supervisor `state` (READY=1, STOPPING=1..., or nothing), and how many services and children there are. */
void notify_send(const char *state) {
	char text[200];
	if (notify.fd < 0) return;
	notify.reported = child_count();
	int length = snprintf(text, sizeof text, "%s%sSTATUS=%zu services, %zu running\n", state,
	    *state == '\0' ? "" : "\n", listener_count(), notify.reported);
	if (sendto(notify.fd, text, (size_t)length, 0, &notify.to.at.any, notify.to.length) < 0)
		log_detail("NOTIFY_SOCKET: %s", strerror(errno));
}

/* Tells the supervisor that a reload begins, and when. */
void notify_reloading(void) {
	char text[80];
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long long microseconds = now.tv_sec * 1000000LL + now.tv_nsec / 1000;
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", microseconds);
	notify_send(text);
}

static void send_status(struct timer *timer) {
	(void)timer;
	notify_send("");
}

/* Called in each turn of the loop. The supervisor is told of a change a second later, so that many cost one message. */
void notify_changes(void) {
	if (notify.fd >= 0 && child_count() != notify.reported && !loop_timer_is_set(&notify.status))
		loop_set_timer(&notify.status, loop_now() + STATUS_DELAY_MS);
}

static void send_sign_of_life(struct timer *timer) {
	notify_send("WATCHDOG=1");
	loop_set_timer(timer, loop_now() + notify.interval);
}

/* Finds the supervisor's socket, and begins with the signs of life that it asks for. */
void notify_open(void) {
	const char *path = getenv("NOTIFY_SOCKET");
	struct error error = {0};
	if (path == NULL) return;
	if (addr_from_path(path, &notify.to, &error) < 0) {
		log_warning("NOTIFY_SOCKET: %s", error.text);
		return;
	}
	if (path[0] == '@') { /* a name in Linux's abstract space */
		notify.to.at.un.sun_path[0] = '\0';
		notify.to.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	}
	notify.fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (notify.fd < 0 || fcntl(notify.fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(notify.fd, F_SETFL, O_NONBLOCK) < 0)
		log_warning("NOTIFY_SOCKET: %s", strerror(errno));
	long long microseconds = is_for_us("WATCHDOG_PID") ? read_variable("WATCHDOG_USEC") : 0;
	notify.interval = microseconds / 2000;
	notify.watchdog.due = send_sign_of_life;
	notify.status.due = send_status;
	if (notify.fd >= 0 && notify.interval > 0) loop_set_timer(&notify.watchdog, loop_now());
}

/* Writes a newline to a descriptor for readiness, and closes it (-r). Of 0, 1 and 2 none may stay free. */
void notify_descriptor(int fd) {
	if (fd < 0) return;
	if (write(fd, "\n", 1) < 0) log_warning("-r %d: %s", fd, strerror(errno));
	close(fd);
	if (fd <= STDERR_FILENO && open("/dev/null", O_RDWR) != fd) log_warning("-r %d: %s", fd, strerror(errno));
}

/*
 * conn: the table of running children, by process id. A child past its time, or past the time that a stop leaves it, is
 * sent TERM, and KILL_GRACE later KILL, each to its whole process group.
 */
#include "superd.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GROUP_POLL = 200, KILL_GRACE = 5000 };

static struct {
	struct conn **buckets;
	size_t size, count;
	struct conn *spare;
	bool draining, is_over; /* the time that a stop leaves has begun, or is over */
	pid_t other;            /* a child that serves nobody */
	void (*other_ended)(int status);
} conns;

static int make_room(void) {
	if (conns.count < conns.size) return 0;
	size_t size = conns.size == 0 ? 64 : conns.size * 2;
	struct conn **buckets = calloc(size, sizeof(struct conn *));
	if (buckets == NULL) return -1;
	for (size_t i = 0; i < conns.size; i++)
		for (struct conn *conn = conns.buckets[i], *next; conn != NULL; conn = next) {
			next = conn->next;
			struct conn **bucket = &buckets[(size_t)conn->pid & (size - 1)];
			conn->next = *bucket;
			*bucket = conn;
		}
	free(conns.buckets);
	conns.buckets = buckets;
	conns.size = size;
	return 0;
}

/* Sees that the next conn_add cannot fail, so that no child runs uncounted. Returns -1 for want of memory. */
int conn_reserve(void) {
	if (conns.spare == NULL) conns.spare = malloc(sizeof *conns.spare);
	return conns.spare == NULL ? -1 : make_room();
}

static int64_t drain_deadline(const struct conn *conn) {
	int64_t latest = loop_now() + (conns.is_over ? 0 : conn->listener->service->drain_time * INT64_C(1000));
	return latest < conn->deadline ? latest : conn->deadline;
}

/* Notes a child that has been started. Its `deadline` may be INT64_MAX. */
struct conn *conn_add(const struct conn *conn) {
	struct conn *added = conns.spare, **bucket = &conns.buckets[(size_t)conn->pid & (conns.size - 1)];
	conns.spare = NULL;
	*added = *conn;
	if (conns.draining) added->deadline = drain_deadline(added);
	added->next = *bucket;
	*bucket = added;
	conns.count++;
	loop_wake_at(conn->deadline);
	return added;
}

static struct conn **find(pid_t pid) {
	if (conns.size == 0) return NULL;
	for (struct conn **link = &conns.buckets[(size_t)pid & (conns.size - 1)]; *link != NULL; link = &(*link)->next)
		if ((*link)->pid == pid) return link;
	return NULL;
}

static void unlink_conn(struct conn **link) {
	struct conn *conn = *link;
	*link = conn->next;
	conns.count--;
	free(conn);
}

size_t conn_count(void) {
	return conns.count;
}

/* Calls `visit` for each child that has not ended. */
void conn_each(void (*visit)(struct conn *, void *), void *argument) {
	for (size_t i = 0; i < conns.size; i++)
		for (struct conn *conn = conns.buckets[i]; conn != NULL; conn = conn->next)
			if (!conn->reaped) visit(conn, argument);
}

static bool group_lives(pid_t pid) {
	return kill(-pid, 0) == 0 || errno == EPERM;
}

/* One more child to reap, which serves nobody. */
void conn_watch_other(pid_t pid, void (*ended)(int status)) {
	conns.other = pid;
	conns.other_ended = ended;
}

static void note_asking(struct conn *conn, void *found) {
	*(bool *)found |= conn->asking != NULL;
}

/* Whether a child is asking the DNS. */
bool conn_is_asking(void) {
	bool found = false;
	conn_each(note_asking, &found);
	return found;
}

/*
 * Reaps every child that has ended and calls `ended` for each that is in the table; as process 1, superd reaps
 * orphans here too. A child that was sent TERM but left others in its group is kept until they have had KILL.
 */
void conn_reap(void (*ended)(struct conn *, int status)) {
	bool adopts_orphans = getpid() == 1;
	int status;
	pid_t pid;
	while ((conns.count > 0 || conns.other > 0 || adopts_orphans) && (pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct conn **link = find(pid);
		if (pid == conns.other) {
			conns.other = 0;
			conns.other_ended(status);
		}
		if (link == NULL) continue;
		struct conn *conn = *link;
		ended(conn, status);
		conn->reaped = true;
		if (!conn->told || !group_lives(pid))
			unlink_conn(link);
		else
			loop_wake_at(loop_now() + GROUP_POLL);
	}
}

static void drain(struct conn *conn, void *unused) {
	(void)unused;
	if (!conn->told) conn->deadline = drain_deadline(conn);
	loop_wake_at(conn->deadline);
}

/* No child, of now or later, may run longer than its service's drain_time; with `at_once`, no longer than now. */
void conn_drain(bool at_once) {
	conns.draining = true;
	conns.is_over = at_once;
	conn_each(drain, NULL);
}

static bool has_ended(struct conn *conn) {
	if (conn->reaped && !group_lives(conn->pid)) return true;
	if (loop_now() < conn->deadline) {
		loop_wake_at(conn->reaped ? loop_now() + GROUP_POLL : conn->deadline);
		return false;
	}
	kill(-conn->pid, conn->told ? SIGKILL : SIGTERM);
	if (conn->reaped) return true;
	conn->deadline = conn->told ? INT64_MAX : loop_now() + KILL_GRACE;
	conn->told = true;
	loop_wake_at(conn->deadline);
	return false;
}

/* Ends whose time is up, and names when the next one's is. */
void conn_tick(void) {
	for (size_t i = 0; i < conns.size; i++)
		for (struct conn **link = &conns.buckets[i]; *link != NULL;)
			if (has_ended(*link))
				unlink_conn(link);
			else
				link = &(*link)->next;
}

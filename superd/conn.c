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

enum { BUCKETS = 4096, GROUP_POLL = 200, KILL_GRACE = 5000 };

static struct {
	struct conn *buckets[BUCKETS];
	size_t count;
	struct conn *spare;
	bool draining, is_over; /* the time that a stop leaves has begun, or is over */
	pid_t other;            /* a child that serves nobody */
	void (*other_ended)(int status);
} conns;

static struct conn **bucket_of(pid_t pid) {
	return &conns.buckets[(size_t)pid % BUCKETS];
}

/* Sees that the next conn_add cannot fail, so that no child runs uncounted. Returns -1 for want of memory. */
int conn_reserve(void) {
	if (conns.spare == NULL) conns.spare = malloc(sizeof *conns.spare);
	return conns.spare == NULL ? -1 : 0;
}

static int64_t drain_deadline(const struct conn *conn) {
	int64_t latest = loop_now() + (conns.is_over ? 0 : conn->listener->service->drain_time * INT64_C(1000));
	return latest < conn->deadline ? latest : conn->deadline;
}

static void link_conn(struct conn *conn) {
	struct conn **bucket = bucket_of(conn->pid);
	conn->next = *bucket;
	*bucket = conn;
	conns.count++;
}

/* Notes a child that has been started. Its `deadline` may be INT64_MAX. */
void conn_add(const struct conn *conn) {
	struct conn *added = conns.spare;
	conns.spare = NULL;
	*added = *conn;
	if (conns.draining) added->deadline = drain_deadline(added);
	link_conn(added);
	loop_wake_at(added->deadline);
}

static struct conn **find(pid_t pid) {
	for (struct conn **link = bucket_of(pid); *link != NULL; link = &(*link)->next)
		if ((*link)->pid == pid) return link;
	return NULL;
}

static struct conn *unlink_conn(struct conn **link) {
	struct conn *conn = *link;
	*link = conn->next;
	conns.count--;
	return conn;
}

size_t conn_count(void) {
	return conns.count;
}

/* The child after `last` (NULL: the first) of those that have not ended, or NULL. */
struct conn *conn_next(const struct conn *last) {
	struct conn *conn = last != NULL ? last->next : NULL;
	size_t next = last != NULL ? (size_t)(bucket_of(last->pid) - conns.buckets) + 1 : 0;
	while (conn == NULL || conn->reaped) {
		if (conn != NULL)
			conn = conn->next;
		else if (next < BUCKETS)
			conn = conns.buckets[next++];
		else
			return NULL;
	}
	return conn;
}

static bool group_lives(pid_t pid) {
	return kill(-pid, 0) == 0 || errno == EPERM;
}

/* One more child to reap, which serves nobody. */
void conn_watch_other(pid_t pid, void (*ended)(int status)) {
	conns.other = pid;
	conns.other_ended = ended;
}

/* Whether a child is asking the DNS. */
bool conn_is_asking(void) {
	const struct conn *conn = conn_next(NULL);
	while (conn != NULL && conn->asking == NULL) conn = conn_next(conn);
	return conn != NULL;
}

/*
 * Reaps every child that has ended and calls `ended` for each that is in the table; as process 1, superd reaps
 * orphans here too. A child that was sent TERM but left others in its group is kept until they have had KILL.
 */
void conn_reap(void (*ended)(struct conn *, int status)) {
	static pid_t own; /* asking each time would be a system call */
	if (own == 0) own = getpid();
	bool adopts_orphans = own == 1;
	int status;
	pid_t pid;
	while ((conns.count > 0 || conns.other > 0 || adopts_orphans) && (pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct conn **link = find(pid);
		if (pid == conns.other) {
			conns.other = 0;
			conns.other_ended(status);
		}
		if (link == NULL) continue;
		struct conn *conn = unlink_conn(link); /* before `ended`, which may add another */
		ended(conn, status);
		conn->reaped = conn->told && group_lives(pid);
		if (conn->reaped) {
			link_conn(conn);
			loop_wake_at(loop_now() + GROUP_POLL);
		} else
			free(conn);
	}
}

/* No child, of now or later, may run longer than its service's drain_time; with `at_once`, no longer than now. */
void conn_drain(bool at_once) {
	conns.draining = true;
	conns.is_over = at_once;
	for (struct conn *conn = conn_next(NULL); conn != NULL; conn = conn_next(conn)) {
		if (!conn->told) conn->deadline = drain_deadline(conn);
		loop_wake_at(conn->deadline);
	}
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
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct conn **link = &conns.buckets[i]; *link != NULL;)
			if (has_ended(*link))
				free(unlink_conn(link));
			else
				link = &(*link)->next;
}

/*
 * conn: the table of running children, by process id. A child past its time, or past the time that a stop leaves it, is
 * sent TERM, and KILL_GRACE later KILL, each to its whole process group.
 */
#include "superd.h"

#include <sys/wait.h>

enum { BUCKETS = 4096, GROUP_POLL = 200, KILL_GRACE = 5000, MANY = 256, SWEEP_AFTER = 10 };

static struct {
	struct conn *buckets[BUCKETS];
	size_t count;
	int64_t sweep_at;       /* 0: none is needed */
	bool draining, is_over; /* the time that a stop leaves has begun, or is over */
} conns;

static struct conn **bucket_of(pid_t pid) {
	return &conns.buckets[(size_t)pid % BUCKETS];
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

/*
 * Notes a child that has been started, and will free its `conn`, which was allocated before that, so that no child runs
 * uncounted. Its `deadline` may be INT64_MAX.
 */
void conn_add(struct conn *conn) {
	if (conns.draining) conn->deadline = drain_deadline(conn);
	link_conn(conn);
	loop_wake_at(conn->deadline);
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

/* Whether a child is asking the DNS. */
bool conn_is_asking(void) {
	const struct conn *conn = conn_next(NULL);
	while (conn != NULL && conn->asking == NULL) conn = conn_next(conn);
	return conn != NULL;
}

/*
 * Reaps that child, or any (-1), if it has ended. That it had been on its way to its program is settled first. One that
 * was sent TERM but left others in its group is kept until they have had KILL. Returns whether one was reaped.
 */
static bool reap(pid_t pid) {
	int status;
	pid = waitpid(pid, &status, WNOHANG);
	if (pid <= 0) return false;
	state_note_end(pid, status);
	spawn_note_end(pid);
	serve_settle(SPAWN_MOST, 0);
	struct conn **link = find(pid);
	if (link == NULL) return true;
	struct conn *conn = unlink_conn(link); /* before serve_ended, which may add another */
	serve_ended(conn, status);
	conn->reaped = conn->told && group_lives(pid);
	if (conn->reaped) {
		link_conn(conn);
		loop_wake_at(loop_now() + GROUP_POLL);
	} else
		free(conn);
	return true;
}

/*
 * Reaps every child that has ended, and orphans where superd is process 1. To ask the system for any child costs the
 * more the more there are; so of many, `known` is reaped, the one that the signal told of (0: none), and a little later
 * all whose signals came as one.
 */
void conn_reap(pid_t known) {
	static pid_t own; /* asking each time would be a system call */
	if (own == 0) own = getpid();
	if (conns.count <= MANY) {
		while ((conns.count > 0 || state_is_checking() || own == 1) && reap(-1))
			;
		return;
	}
	if (known > 0) reap(known);
	if (conns.sweep_at == 0) conns.sweep_at = loop_now() + SWEEP_AFTER;
	loop_wake_at(conns.sweep_at);
}

/* Asks after each child by its number, which costs the same however many there are; and then for who else there is. */
static void sweep(void) {
	conns.sweep_at = 0;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct conn *conn = conns.buckets[i]; conn != NULL;)
			conn = !conn->reaped && reap(conn->pid) ? conns.buckets[i] : conn->next;
	while (reap(-1))
		;
}

/* Takes a child that has not come to its program out of the table, and waits for its end. */
void conn_forget(pid_t pid) {
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	struct conn **link = find(pid);
	if (link != NULL) free(unlink_conn(link));
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

/* Ends whose time is up, and names when the next one's is. Who ended unseen is reaped, as conn_reap does it. */
void conn_tick(void) {
	if (conns.sweep_at != 0 && loop_now() >= conns.sweep_at) sweep();
	if (conns.sweep_at != 0) loop_wake_at(conns.sweep_at);
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct conn **link = &conns.buckets[i]; *link != NULL;)
			if (has_ended(*link))
				free(unlink_conn(link));
			else
				link = &(*link)->next;
}

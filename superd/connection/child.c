/* SPDX-License-Identifier: ISC */
/*
 * child: the table of running children, by process id. At its deadline, a child's process group is sent TERM, and
 * KILL_GRACE_MS later KILL.
 */
#include "connection.h"

#include <sys/wait.h>

enum { GROUP_POLL_MS = 200, KILL_GRACE_MS = 5000, MANY = 256, CHILDREN_A_MS = 20, MOST_UNASKED = 32 };

static struct hash children;

static struct child *child_of(struct hash_link *link) {
	return link != NULL ? CONTAINER(link, struct child, link) : NULL;
}

static struct child *find(pid_t pid) { return child_of(hash_find(&children, (uint64_t)pid)); }

static void remove_child(struct child *child) {
	hash_remove(&children, &child->link);
	loop_cancel_timer(&child->timer);
}

static bool group_lives(pid_t pid) { return kill(-pid, 0) == 0 || errno == EPERM; }

/* The deadline has come, or it is time to look whether the group of a child that has exited is empty. */
static void time_is_up(struct timer *timer) {
	struct child *child = CONTAINER(timer, struct child, timer);
	bool is_over = child->exited && !group_lives(child->pid);
	if (!is_over && loop_now() >= child->deadline) {
		int number = child->term_sent ? SIGKILL : SIGTERM;
		kill(-child->pid, number);
		if (!child->exited && getpgid(child->pid) != child->pid)
			kill(child->pid, number); /* it has left its group */
		is_over = child->exited;
		if (child->term_sent && child->killed == 0) child->killed = loop_now();
		child->deadline = loop_now() + KILL_GRACE_MS;
		child->term_sent = true;
	}
	if (is_over) {
		remove_child(child);
		free(child);
		return;
	}
	loop_set_timer(timer, child->exited ? loop_now() + GROUP_POLL_MS : child->deadline);
}

/*
 * Adds a child that has been started. The table frees it, after `ended` has been called. It was allocated before the child
 * was started, so that no child runs uncounted. Its deadline may be INT64_MAX.
 */
void child_add(struct child *child) {
	struct child *exited = find(child->pid); /* others of its group have ended, too: the number is used again */
	if (exited != NULL) {
		remove_child(exited);
		free(exited);
	}
	child->timer = (struct timer){.due = time_is_up};
	hash_add(&children, &child->link, (uint64_t)child->pid);
	loop_set_timer(&child->timer, child->deadline);
}

/* The child may not run longer than that. */
void child_limit(struct child *child, int64_t deadline) {
	if (child->term_sent || deadline >= child->deadline) return;
	child->deadline = deadline;
	child->is_hurried = true;
	loop_set_timer(&child->timer, deadline);
}

/* Ends the groups whose leader has exited after TERM: another superd, which goes on with the children, is not told of them. */
void child_end_groups(void) {
	for (struct child *child = child_of(hash_each(&children, NULL)); child != NULL;
	     child = child_of(hash_each(&children, &child->link)))
		if (child->exited) kill(-child->pid, SIGKILL);
}

/* Whether all children have been sent KILL long ago: a process that traces one can keep its end from superd. */
bool child_all_lost(void) {
	const struct child *child = child_next(NULL);
	while (child != NULL && child->killed > 0 && loop_now() >= child->killed + KILL_GRACE_MS)
		child = child_next(child);
	return child == NULL;
}

size_t child_count(void) { return children.count; }

/* The child after `last` (NULL: the first) of those that have not exited, or NULL. */
struct child *child_next(const struct child *last) {
	struct child *child = child_of(hash_each(&children, last != NULL ? &last->link : NULL));
	while (child != NULL && child->exited) child = child_of(hash_each(&children, &child->link));
	return child;
}

/*
 * Reaps that child, or any (-1), if it has ended. What its start still has to do is done before. A child that was sent TERM
 * and left others in its group is kept until they have been sent KILL. Returns whether one was reaped.
 */
static bool reap(pid_t pid) {
	int status;
	pid = waitpid(pid, &status, WNOHANG);
	if (pid <= 0) return false;
	struct child *child = find(pid);
	if (child == NULL) return true;
	spawn_note_end(child);
	remove_child(child); /* first, since `ended` may add another child */
	if (child->ended != NULL) child->ended(child, status);
	child->exited = child->term_sent && group_lives(pid);
	if (child->exited) {
		hash_add(&children, &child->link, (uint64_t)pid);
		loop_set_timer(&child->timer, loop_now() + GROUP_POLL_MS);
	} else free(child);
	return true;
}

/* Asks for each child by its number: quicker than asking for any child, where many have ended. */
static void reap_each(void) {
	size_t count = 0;
	pid_t *pids = malloc(children.count * sizeof *pids);
	if (pids == NULL) return;
	for (struct child *child = child_next(NULL); child != NULL; child = child_next(child))
		pids[count++] = child->pid;
	while (count > 0) reap(pids[--count]);
	free(pids);
}

/* Reaps those whose signals came as one. */
static void sweep(struct timer *timer) {
	(void)timer;
	for (int reaped = 0; reap(-1);)
		if (++reaped == MOST_UNASKED) reap_each();
}

/*
 * Reaps every child that has ended, and orphans where superd is process 1. The system walks through all children to find
 * any that has ended; with many, `known` is reaped, which the signal named (0: none), and the others later: the more
 * children, the later, so that these walks stay a small part of the work.
 */
void child_reap(pid_t known) {
	static pid_t own; /* getpid each time would be a system call */
	static struct timer sweep_timer = {.due = sweep};
	if (own == 0) own = getpid();
	if (children.count <= MANY) {
		while ((children.count > 0 || own == 1) && reap(-1))
			;
		return;
	}
	if (known > 0) reap(known);
	if (!loop_timer_is_set(&sweep_timer))
		loop_set_timer(&sweep_timer, loop_now() + (int64_t)children.count / CHILDREN_A_MS);
}

/* Makes a child that could not start its program one of no service, of which nobody hears any more. */
void child_forget(struct child *child) {
	child->listener = NULL;
	child->ended = NULL;
}

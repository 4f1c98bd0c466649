/*
 * loop: the descriptors that are polled, the clock, the timers, and the signals. Signals are blocked and arrive through a
 * descriptor, so that nothing is interrupted halfway, and no signal waits behind a busy socket.
 */
#include "base.h"

#include <time.h>

enum { MOST_READY = 64 };

static struct {
	struct watch *ready[MOST_READY]; /* of this round, those that are still to be called */
	int ready_count;
	struct timer *timers; /* a pairing heap: the root is due first */
	int64_t now;
	struct watch signals;
	pid_t sender;
	bool taken[32];
} loop;

/* Reads the clock. The loop does so once a round; what follows in the round calls loop_now. */
static void read_clock(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	loop.now = now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

int64_t loop_now(void) {
	return loop.now;
}

static void read_signal(struct watch *watch) {
	int number = sys_signal_read(watch->fd, &loop.sender);
	if (number > 0 && number < (int)LENGTH(loop.taken)) loop.taken[number] = true;
}

/*
 * Takes the signals over. All get their default, so that a program that is started finds each as at a fresh login, and
 * those that superd answers are blocked. SIGPIPE and SIGXFSZ are blocked only so that a failed write is an error like any
 * other. Returns 0, or -1 and errno.
 */
int loop_open(void) {
	static const int handled[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ};
	sigset_t blocked;
	sigemptyset(&blocked);
	for (size_t i = 0; i < LENGTH(handled); i++) sigaddset(&blocked, handled[i]);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	sys_default_signals();
	sigdelset(&blocked, SIGPIPE);
	sigdelset(&blocked, SIGXFSZ);
	loop.signals = (struct watch){.fd = sys_signals_open(&blocked), .ready = read_signal};
	loop.taken[SIGCHLD] = true; /* one that was pending before an upgrade may have been lost */
	read_clock();
	return sys_poller_open() < 0 || loop.signals.fd < 0 ? -1 : loop_watch(&loop.signals);
}

/* Whether the signal has arrived since the last call for it. */
bool loop_signal_taken(int number) {
	bool taken = loop.taken[number];
	loop.taken[number] = false;
	return taken;
}

/* The process that sent the last signal: for SIGCHLD, the child that has ended. 0 where the system does not tell. */
pid_t loop_signal_sender(void) {
	return loop.sender;
}

/* One heap of two; either may be NULL. */
static struct timer *merge(struct timer *a, struct timer *b) {
	if (a == NULL || b == NULL) return a != NULL ? a : b;
	struct timer *first = b->when < a->when ? b : a, *second = first == a ? b : a;
	second->next = first->child;
	if (second->next != NULL) second->next->previous = second;
	second->previous = first;
	first->child = second;
	return first;
}

/* One heap of a list of them: first pairs, from left to right, then all of those. */
static struct timer *merge_list(struct timer *list) {
	struct timer *pairs = NULL, *heap = NULL, *next;
	while (list != NULL) {
		struct timer *first = list, *second = list->next;
		list = second != NULL ? second->next : NULL;
		first->next = NULL;
		if (second != NULL) second->next = NULL;
		first = merge(first, second);
		first->next = pairs;
		pairs = first;
	}
	for (; pairs != NULL; pairs = next) {
		next = pairs->next;
		pairs->next = NULL;
		heap = merge(heap, pairs);
	}
	return heap;
}

/* Only timers that are set have a previous one; that of the root is itself. */
static void set_root(struct timer *root) {
	loop.timers = root;
	if (root != NULL) root->previous = root;
}

bool loop_timer_is_set(const struct timer *timer) {
	return timer->previous != NULL;
}

/* The timer will not be called. Nothing happens if it is not set. */
void loop_cancel_timer(struct timer *timer) {
	if (!loop_timer_is_set(timer)) return;
	struct timer *rest = merge_list(timer->child);
	if (timer != loop.timers) {
		*(timer->previous->child == timer ? &timer->previous->child : &timer->previous->next) = timer->next;
		if (timer->next != NULL) timer->next->previous = timer->previous;
		rest = merge(loop.timers, rest);
	}
	set_root(rest);
	timer->child = timer->next = timer->previous = NULL;
}

/* Calls `timer->due` at that time, or as soon as it has passed, and not at an earlier setting; INT64_MAX: never. */
void loop_set_timer(struct timer *timer, int64_t when) {
	loop_cancel_timer(timer);
	timer->when = when;
	if (when == INT64_MAX) return;
	set_root(merge(loop.timers, timer));
}

/* Polls `watch->fd` for input, and calls `watch->ready` when there is some. Returns 0, or -1 and errno. */
int loop_watch(struct watch *watch) {
	if (watch->is_polled || watch->fd < 0) return 0;
	if (sys_poller_add(watch) < 0) return -1;
	watch->is_polled = true;
	return 0;
}

/* Stops polling, for a while or for good. The timer stays as it is. */
void loop_unwatch(struct watch *watch) {
	if (!watch->is_polled) return;
	sys_poller_remove(watch);
	watch->is_polled = false;
	for (int i = 0; i < loop.ready_count; i++)
		if (loop.ready[i] == watch) loop.ready[i] = NULL;
}

static void call_timers(void) {
	while (loop.timers != NULL && loop.timers->when <= loop.now) {
		struct timer *timer = loop.timers;
		loop_cancel_timer(timer);
		timer->due(timer);
	}
}

/*
 * Sleeps until a descriptor is readable, a timer is due or a signal arrives, or with `only_look` not at all, and calls
 * what is to be called. Returns how many descriptors were ready.
 */
int loop_run_once(bool only_look) {
	int64_t span = loop.timers == NULL ? -1 : loop.timers->when - loop.now;
	if (loop.timers != NULL && span < 0) span = 0;
	int timeout = only_look ? 0 : span > INT_MAX ? INT_MAX : (int)span;
	int count = sys_poller_wait(loop.ready, MOST_READY, timeout);
	read_clock();
	for (loop.ready_count = count; loop.ready_count > 0;) {
		struct watch *watch = loop.ready[--loop.ready_count];
		if (watch != NULL) watch->ready(watch);
	}
	call_timers();
	return count;
}

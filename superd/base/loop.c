/* SPDX-License-Identifier: ISC */
/*
 * loop: the descriptors that are polled, the clock, the timers, and the signals. Signals are blocked and arrive through a
 * descriptor, so that nothing is interrupted halfway, and no signal waits behind a busy socket.
 */
#include "base.h"

#include <time.h>

static struct {
	struct watch *ready[MOST_READY]; /* of this round, those that are still to be called */
	int ready_count;
	struct timer top; /* has a skew heap of all timers on its left, so that each has a parent */
	int64_t now;
	struct watch signals;
	pid_t sender;
	bool taken[32];
	bool ticks, needs_ticks; /* needs_ticks: loop_limit_waits has been called since the last one */
} loop;

static volatile sig_atomic_t has_ticked;

static void tick(int number) {
	(void)number;
	has_ticked = 1;
}

/* The clock. The loop reads it once a round; what follows in the round calls loop_now. */
int64_t loop_read_clock(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

int64_t loop_now(void) { return loop.now; }

static void read_signal(struct watch *watch) {
	int number = sys_signal_read(watch->fd, &loop.sender);
	if (number > 0 && number < (int)LENGTH(loop.taken)) loop.taken[number] = true;
}

/*
 * Takes the signals over. All get their default, so that a program that is started finds each as at a fresh login, and
 * those that superd answers are blocked. SIGPIPE and SIGXFSZ are blocked only so that a failed write is an error like any
 * other. Returns 0, or -1 and errno; then it may be called again.
 */
int loop_open(void) {
	static const int handled[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ};
	sigset_t blocked;
	sigemptyset(&blocked);
	for (size_t i = 0; i < LENGTH(handled); i++) sigaddset(&blocked, handled[i]);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	sys_default_signals();
	sigaction(SIGALRM, &(struct sigaction){.sa_handler = tick, .sa_flags = SA_RESTART}, NULL);
	sigdelset(&blocked, SIGPIPE);
	sigdelset(&blocked, SIGXFSZ);
	loop.signals = (struct watch){.fd = sys_signals_open(&blocked), .ready = read_signal};
	loop.taken[SIGCHLD] = true; /* one that was pending before an upgrade may have been lost */
	loop.now = loop_read_clock();
	if (loop.signals.fd < 0) return -1;
	if (sys_poller_open() >= 0 && loop_watch(&loop.signals) == 0) return 0;
	close(loop.signals.fd);
	return -1;
}

/*
 * Before superd closes, or reads from, a socket that a program or a client may have prepared: where such a descriptor is the last
 * one, and SO_LINGER is set, the kernel waits until all data is sent, and no flag forbids that. A signal ends the wait: from now
 * on one comes at short intervals, until a whole interval has passed without need.
 */
void loop_limit_waits(void) {
	loop.needs_ticks = true;
	if (loop.ticks || loop.signals.fd == 0) return; /* before loop_open, the signal would end superd */
	loop.ticks = true;
	sys_set_ticks(true);
}

/* No such signal comes any more: an exec would be ended by it. */
void loop_stop_ticks(void) {
	if (loop.ticks) sys_set_ticks(false);
	loop.ticks = false;
}

/* Whether the signal has arrived since the last call for it. */
bool loop_signal_taken(int number) {
	bool taken = loop.taken[number];
	loop.taken[number] = false;
	return taken;
}

/* The process that sent the last signal: for SIGCHLD, the child that has ended. 0 where the system does not tell. */
pid_t loop_signal_sender(void) { return loop.sender; }

/*
 * Puts one heap of two, either of which may be NULL, at `*at`, which is a part of `parent`. In a skew heap, each merge swaps
 * the sides that it passes; that alone keeps the cost of all operations at the logarithm of the number of timers, on average
 * (Sleator and Tarjan, "Self-adjusting heaps").
 */
static void merge(struct timer *parent, struct timer **at, struct timer *a, struct timer *b) {
	while (a != NULL && b != NULL) {
		struct timer *first = b->when < a->when ? b : a;
		b = first == a ? b : a;
		a = first->right;
		first->right = first->left;
		first->parent = parent;
		*at = parent = first;
		at = &first->left;
	}
	*at = a != NULL ? a : b;
	if (*at != NULL) (*at)->parent = parent;
}

bool loop_timer_is_set(const struct timer *timer) { return timer->parent != NULL; }

/* The timer will not be called. Nothing happens if it is not set. */
void loop_cancel_timer(struct timer *timer) {
	struct timer *parent = timer->parent;
	if (parent == NULL) return;
	merge(parent, parent->left == timer ? &parent->left : &parent->right, timer->left, timer->right);
	timer->parent = timer->left = timer->right = NULL;
}

/* Calls `timer->due` at that time, or as soon as it has passed, and not at an earlier setting; INT64_MAX: never. */
void loop_set_timer(struct timer *timer, int64_t when) {
	loop_cancel_timer(timer);
	timer->when = when;
	if (when != INT64_MAX) merge(&loop.top, &loop.top.left, loop.top.left, timer);
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

/*
 * Sleeps until a descriptor is readable, a timer is due or a signal arrives, at most `most` milliseconds, and calls what is to
 * be called. Returns how many descriptors were ready.
 */
int loop_run_once(int most) {
	if (has_ticked) {
		has_ticked = 0;
		if (!loop.needs_ticks) loop_stop_ticks();
		loop.needs_ticks = false;
	}
	int64_t span = loop.top.left != NULL ? loop.top.left->when - loop.now : INT_MAX;
	if (span < 0) span = 0;
	int count = sys_poller_wait(loop.ready, span < most ? (int)span : most);
	loop.now = loop_read_clock();
	for (loop.ready_count = count; loop.ready_count > 0;) {
		struct watch *watch = loop.ready[--loop.ready_count];
		if (watch != NULL) watch->ready(watch);
	}
	for (struct timer *timer; (timer = loop.top.left) != NULL && timer->when <= loop.now;) {
		loop_cancel_timer(timer);
		timer->due(timer);
	}
	return count;
}

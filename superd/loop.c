/*
 * loop: the descriptors that are watched, the clock, the next time that something is due, and the signals. Signals are
 * blocked and come through a descriptor, so nothing is interrupted halfway, and none waits behind a busy socket.
 */
#include "superd.h"

#include <poll.h>
#include <time.h>

static struct {
	struct pollfd *polls;
	struct watch **watches;
	size_t count, room;
	int64_t now, due;
	struct watch signals;
	pid_t sender;
	bool taken[32];
} loop = {.due = INT64_MAX};

/* Reads the clock. The loop does so once a round; what follows in the round asks loop_now. */
static void read_clock(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	loop.now = now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void read_signal(struct watch *watch) {
	int number = sys_signal_read(watch->fd, &loop.sender);
	if (number > 0 && number < (int)LENGTH(loop.taken)) loop.taken[number] = true;
}

/*
 * Takes the signals over. All get their default, so that a program that is started finds each as at a fresh login, and
 * those that superd answers are blocked. SIGPIPE and SIGXFSZ are among them only to be out of the way: what cannot be
 * written is an error like others. Returns 0, or -1 and errno.
 */
int loop_open(void) {
	static const int handled[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ};
	sigset_t blocked;
	sigemptyset(&blocked);
	for (size_t i = 0; i < LENGTH(handled); i++) sigaddset(&blocked, handled[i]);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	loop_close();
	sigdelset(&blocked, SIGPIPE);
	sigdelset(&blocked, SIGXFSZ);
	loop.signals = (struct watch){.fd = sys_signals_open(&blocked), .ready = read_signal};
	loop.taken[SIGCHLD] = true; /* one that was pending when an earlier image was replaced may have been lost */
	read_clock();
	return loop.signals.fd < 0 ? -1 : loop_watch(&loop.signals);
}

/* Every signal finds its default again, as it does at an exec. */
void loop_close(void) {
	struct sigaction action = {.sa_handler = SIG_DFL};
	for (int number = 1; number < (int)LENGTH(loop.taken); number++) sigaction(number, &action, NULL);
}

/* Whether the signal has come since this was last asked. */
bool loop_signal_taken(int number) {
	bool taken = loop.taken[number];
	loop.taken[number] = false;
	return taken;
}

/* Who sent the signal that came last: of SIGCHLD, the child that has ended. 0 where the system does not tell. */
pid_t loop_signal_sender(void) {
	return loop.sender;
}

int64_t loop_now(void) {
	return loop.now;
}

/* Something is due at that time: the loop will not sleep past it. */
void loop_wake_at(int64_t when) {
	if (when < loop.due) loop.due = when;
}

/* Whether something is due. Whoever is asked then names its next time with loop_wake_at. */
bool loop_is_due(void) {
	if (loop.now < loop.due) return false;
	loop.due = INT64_MAX;
	return true;
}

/*
 * Watches `watch->fd` for input and calls `watch->ready` when there is some, and `watch->expired`, if it has one, when
 * its deadline comes first. Returns 0, or -1 for want of memory.
 */
int loop_watch(struct watch *watch) {
	if (loop.count == loop.room) {
		size_t room = loop.room * 2 + 16;
		struct pollfd *polls = realloc(loop.polls, room * sizeof *polls);
		if (polls == NULL) return -1;
		loop.polls = polls;
		struct watch **watches = realloc(loop.watches, room * sizeof(struct watch *));
		if (watches == NULL) return -1;
		loop.watches = watches;
		loop.room = room;
	}
	watch->slot = loop.count++;
	loop.watches[watch->slot] = watch;
	loop.polls[watch->slot] = (struct pollfd){.fd = watch->fd, .events = POLLIN};
	if (watch->expired != NULL) loop_wake_at(watch->deadline);
	return 0;
}

void loop_unwatch(struct watch *watch) {
	loop.count--;
	loop.polls[watch->slot] = loop.polls[loop.count];
	loop.watches[watch->slot] = loop.watches[loop.count];
	loop.watches[watch->slot]->slot = watch->slot;
}

/* Looks away from the descriptor for a while, or looks again. poll(2) passes over one that is below 0. */
void loop_pause(struct watch *watch, bool paused) {
	loop.polls[watch->slot].fd = paused ? -1 : watch->fd;
	loop.polls[watch->slot].revents = 0;
}

/* The next one after `last` (NULL: the first) of those that are watched for `ready`, or NULL. */
struct watch *loop_next(const struct watch *last, void ready(struct watch *)) {
	for (size_t i = last == NULL ? 0 : last->slot + 1; i < loop.count; i++)
		if (loop.watches[i]->ready == ready) return loop.watches[i];
	return NULL;
}

/* Tells those whose deadline has come. Whoever is told may unwatch itself, so the last ones are told first. */
void loop_tick(void) {
	for (size_t i = loop.count; i > 0; i--) {
		struct watch *watch = loop.watches[i - 1];
		if (watch->expired == NULL) continue;
		if (loop.now >= watch->deadline)
			watch->expired(watch);
		else
			loop_wake_at(watch->deadline);
	}
}

/*
 * Sleeps until something happens, or only looks whether something has, and tells whoever watches. Returns how many were
 * told.
 */
int loop_sleep(bool only_look) {
	int64_t span = loop.due == INT64_MAX ? -1 : loop.due - loop.now;
	int timeout = only_look || span < -1 ? 0 : span > INT_MAX ? INT_MAX : (int)span;
	int happened = sys_poll(loop.polls, loop.count, timeout), ready = happened;
	read_clock();
	for (size_t i = loop.count; i > 0 && ready > 0; i--) {
		if (loop.polls[i - 1].revents == 0) continue;
		ready--;
		loop.polls[i - 1].revents = 0;
		loop.watches[i - 1]->ready(loop.watches[i - 1]);
	}
	return happened;
}

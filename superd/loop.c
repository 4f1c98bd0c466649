/*
 * loop: the descriptors that are watched, the clock, the next time that something is due, and the signals. Signals are blocked
 * except while the loop sleeps, and a handler only sets a flag; so nothing is interrupted halfway, a child of vfork
 * cannot run a handler in our memory, and no byte has to go through a pipe.
 */
#include "superd.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	struct pollfd *polls;
	struct watch **watches;
	size_t count, room;
	int64_t now, due;
	sigset_t open_mask;
	pid_t self;
} loop = {.due = INT64_MAX};

static const int handled[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};

static volatile sig_atomic_t taken[LENGTH(handled)];

static void note_signal(int number) {
	int saved = errno;
	for (size_t i = 0; i < LENGTH(handled); i++)
		if (handled[i] == number && getpid() == loop.self) taken[i] = 1;
	errno = saved;
}

/*
 * Takes the signals over: those that superd answers get a handler and are blocked, all others get their default, so
 * that a program that is started finds each as at a fresh login. SIGPIPE's handler does nothing, and exec undoes it.
 */
void loop_open(void) {
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t blocked;
	sigemptyset(&loop.open_mask);
	sigemptyset(&blocked);
	loop.self = getpid();
	for (int number = 1; number < 32; number++) sigaction(number, &action, NULL);
	action.sa_handler = note_signal;
	sigaction(SIGPIPE, &action, NULL);
	for (size_t i = 0; i < LENGTH(handled); i++) {
		sigaddset(&blocked, handled[i]);
		sigaction(handled[i], &action, NULL);
	}
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	loop_read_clock();
}

/* In a child that goes on without exec: every signal finds its default again. */
void loop_close(void) {
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigaction(SIGPIPE, &action, NULL);
	for (size_t i = 0; i < LENGTH(handled); i++) sigaction(handled[i], &action, NULL);
}

/* Whether the signal has come since this was last asked. */
bool loop_signal_taken(int number) {
	for (size_t i = 0; i < LENGTH(handled); i++)
		if (handled[i] == number && taken[i]) {
			taken[i] = 0;
			return true;
		}
	return false;
}

/* Reads the clock. The loop does so once a round; what follows in the round asks loop_now. */
void loop_read_clock(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	loop.now = now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
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

/* Watches `watch->fd` for input and calls `watch->ready` when there is some. Returns 0, or -1 for want of memory. */
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

/* Sleeps until something happens, and tells whoever watches. */
void loop_sleep(void) {
	int64_t span = loop.due == INT64_MAX ? -1 : loop.due - loop.now;
	int timeout = span > INT_MAX ? INT_MAX : span < -1 ? 0 : (int)span;
	int ready = sys_poll(loop.polls, loop.count, timeout, &loop.open_mask);
	loop_read_clock();
	for (size_t i = loop.count; i > 0 && ready > 0; i--) {
		if (loop.polls[i - 1].revents == 0) continue;
		ready--;
		loop.polls[i - 1].revents = 0;
		loop.watches[i - 1]->ready(loop.watches[i - 1]);
	}
}

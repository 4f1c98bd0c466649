/* SPDX-License-Identifier: ISC */
/*
 * Signal handlers, and what SIGALRM is for: the time limit of a program, and an end to calls that would block for as
 * long as nobody reads the screen. Both may be on at the same time, so the timer is set to what comes first.
 */
/* For setitimer(2) and syscall(2). */
#define _XOPEN_SOURCE 700 /* NOLINT(bugprone-reserved-identifier,cert-dcl37-c) */
#define _DEFAULT_SOURCE   /* NOLINT(bugprone-reserved-identifier,cert-dcl37-c) */

#include <errno.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "cmd.h"

static void (*on_limit)(void);
static long long limit_end; /* 0 is no limit; it changes only while the timer is off or SIGALRM is blocked */
static volatile sig_atomic_t is_guarded, is_interrupted;

/* Returns milliseconds that no change of the date affects. */
long long signal_clock(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Sets a handler that no other handler interrupts, and unblocks the signal. Flags are those of sigaction(2). */
void signal_handle(int number, int flags, void (*handler)(int)) {
	struct sigaction action;
	sigset_t set;

	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	action.sa_flags = flags;
	sigfillset(&action.sa_mask);
	sigaction(number, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/*
 * Gives the signals 32 and 33 their default again: GNU make leaves them ignored in what it starts. By the system call, since
 * libc keeps these two to itself.
 */
void signal_default_reserved(void) {
#ifdef __linux__
	static const long action[8]; /* at least the kernel's struct: SIG_DFL, no flags, no mask */

	for (int number = 32; number <= 33; number++) syscall(SYS_rt_sigaction, number, action, NULL, _NSIG / 8);
#endif
}

/* 0 milliseconds turn the timer off. */
static void set_timer(long long milliseconds) {
	struct itimerval timer = {.it_value.tv_sec = (time_t)(milliseconds / 1000)};

	timer.it_value.tv_usec = (suseconds_t)(milliseconds % 1000 * 1000);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void set_next_timer(void) {
	long long left = limit_end == 0 ? 0 : limit_end - signal_clock();

	if (limit_end != 0 && left < 1) left = 1;
	if (is_guarded && (left == 0 || left > SIGNAL_GUARD_MS)) left = SIGNAL_GUARD_MS;
	set_timer(left);
}

static void on_alarm(int number) {
	int saved = errno;

	(void)number;
	is_interrupted = 1;
	if (limit_end != 0 && signal_clock() >= limit_end) {
		limit_end = 0;
		on_limit();
	}
	set_next_timer();
	errno = saved;
}

/* No SA_RESTART: a call that blocks must end. */
static void handle_alarm(void) {
	static bool is_handled;

	if (!is_handled) signal_handle(SIGALRM, 0, on_alarm);
	is_handled = true;
}

/* Prepares for signal_limit(). The action is called in a signal handler. */
void signal_open_limit(void (*action)(void)) {
	on_limit = action;
	handle_alarm();
}

/* Calls the action once after so many seconds; 0 cancels that. */
void signal_limit(unsigned seconds) {
	set_timer(0);
	limit_end = seconds == 0 ? 0 : signal_clock() + (long long)seconds * 1000;
	set_next_timer();
}

/*
 * From now on, a call that blocks fails with EINTR after SIGNAL_GUARD_MS, and so does the next one. Not every call
 * that might block has a flag against that: the descriptor is shared with other processes.
 */
void signal_begin_guard(void) {
	handle_alarm();
	is_interrupted = 0;
	is_guarded = 1;
	set_next_timer();
}

/* Returns whether a call was interrupted since signal_begin_guard(). */
bool signal_end_guard(void) {
	is_guarded = 0;
	set_next_timer();
	return is_interrupted != 0;
}

/* SPDX-License-Identifier: ISC */
/*
 * superd: a superserver. It accepts a connection, puts it on a program's stdin and stdout, and starts the program.
 * Here: start-up, the loop, and what each signal does.
 */
#include "superd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

/*
 * While one child starts and nothing else is to be done, superd sleeps until it has started. While several do, new connections
 * are not kept waiting for any of them: on a busy machine each waits for its turn on a processor.
 */
enum { LOOK_AGAIN_MS = 1 };

static struct options options;

/* Opens descriptors 0, 1 and 2 if they are closed; no other reaches a program. */
static void tidy_descriptors(void) {
	int fd;
	do fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0 && fcntl(STDERR_FILENO, F_GETFD) < 0) _exit(EXIT_FAILURE); /* nobody could be told why */
	if (fd > STDERR_FILENO) close(fd);
	task_close_from(STDERR_FILENO + 1, CLOSE_AT_EXEC);
}

static void stop(void) {
	upgrade_interrupt();
	if (!serve_is_stopping()) {
		notify_send("STOPPING=1");
		log_notice(
		    "stopping: %zu programs running, at most %ld s (again: now)", child_count(), serve_drain_time());
	}
	serve_stop(serve_is_stopping());
}

static void quit(void) {
	upgrade_interrupt();
	serve_stop(true);
	metrics_close();
	pid_file_remove();
	exit(EXIT_SUCCESS);
}

/* What signals ask for, but not those that change the services. */
static void answer_signals(void) {
	if (loop_signal_taken(SIGCHLD)) child_reap(loop_signal_sender());
	if (loop_signal_taken(SIGTERM) || loop_signal_taken(SIGINT)) stop();
	if (loop_signal_taken(SIGUSR1)) metrics_log_state();
	if (loop_signal_taken(SIGQUIT) || (serve_is_stopping() && serve_is_idle())) quit();
}

/* What goes on while the configuration is read. A child that lacks memory must not go on as a reload. */
static void serve_meanwhile(void) {
	void (*const exhausted)(void) = mem_exhausted;
	mem_exhausted = abort;
	answer_signals();
	loop_run_once(0);
	spawn_collect();
	mem_exhausted = exhausted;
}

static void reload(void) {
	notify_reloading();
	log_files_reopen();
	upgrade_interrupt();
	reload_again(&options, serve_meanwhile);
	metrics_totals.reloads++;
	metrics_write();
	pid_file_touch();
	if (!serve_is_stopping()) notify_send("READY=1");
}

/* Without a configuration to read again, HUP tells that the terminal is gone. More than one may: the shell's, the kernel's. */
static void hang_up(void) {
	if (options.program == NULL) reload();
	else if (!upgrade_ignores_hangup()) stop();
}

static _Noreturn void run(void) {
	for (;;) {
		answer_signals();
		if (loop_signal_taken(SIGHUP) && !serve_is_stopping()) hang_up();
		if (loop_signal_taken(SIGUSR2) && !serve_is_stopping()) upgrade_begin();
		if (!serve_is_stopping()) upgrade_advance();
		notify_changes();
		size_t starting = spawn_starting();
		int most = starting == 0 ? INT_MAX : starting == 1 ? 0 : LOOK_AGAIN_MS;
		bool is_quiet = loop_run_once(most) == 0;
		spawn_collect();
		if (is_quiet && starting == 1) spawn_wait();
	}
}

static void end_without_memory(void) {
	log_error("out of memory while the configuration is read");
	exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
	struct error error = {.text = ""};
	mem_exhausted = end_without_memory;
	tidy_descriptors();
	int restored = upgrade_restore_early(&error);
	options_read(&options, argc, argv);
	addr_numeric_only = options.numeric;
	umask(umask(022) | 022);
	tzset(); /* now: without descriptors, local time would be UTC for ever */
	log_open(options.verbose ? LEVEL_DETAIL
		 : options.quiet ? LEVEL_ALWAYS
				 : LEVEL_NOTICE,
	    options.facility, options.check);
	if (restored < 0) log_error("%s", error.text);
	if (getuid() != geteuid() || getgid() != getegid()) { /* a program could become either */
		log_error("superd runs as two users or groups; it must not be a set-user-id or set-group-id program");
		return EXIT_FAILURE;
	}
	if (options.check) return restored < 0 ? EXIT_FAILURE : reload_check(&options);
	upgrade_remember(argv);
	while (loop_open() < 0) {
		log_error("signals: %s", strerror(errno));
		if (!upgrade_is_successor()) return EXIT_FAILURE;
		sleep(1);
	}
	if (pid_file_open(options.pid_file, &error) < 0) {
		log_error("%s", error.text);
		if (!upgrade_is_successor()) return EXIT_FAILURE;
	}
	bool is_passed = notify_take_sockets(&error) == 0;
	if (!is_passed) log_error("%s", error.text);
	void (*const meanwhile)(void) = upgrade_is_successor() ? NULL : serve_meanwhile;
	if ((!is_passed || reload_start(&options, meanwhile) < 0) && !upgrade_is_successor()) {
		pid_file_remove();
		return EXIT_FAILURE;
	}
	log_listening();
	upgrade_restore_late();
	pid_file_write();
	metrics_open(options.metrics_file);
	notify_open();
	notify_send("READY=1");
	if (!upgrade_is_successor()) notify_descriptor(options.ready_fd);
	run();
}

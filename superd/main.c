/*
 * superd: a superserver. It accepts a connection, puts it on a program's stdin and stdout, and starts the program.
 * Here: start-up, the loop, and what each signal does.
 */
#include "superd.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct options options;

static bool stopping;

/* Opens descriptors 0, 1 and 2 if they are closed; no other reaches a program. */
static void tidy_descriptors(void) {
	int fd;
	do fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO) close(fd);
	sys_close_from(STDERR_FILENO + 1, true);
}

/* Opens the file for the process id before anything listens, so that an error ends the start. */
static int open_pid_file(void) {
	int fd = options.pid_file == NULL ? -1 : open(options.pid_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0 || options.pid_file == NULL) return fd;
	log_error("-P %s: %s", options.pid_file, strerror(errno));
	if (!upgrade_is_successor()) exit(EXIT_FAILURE);
	return -1;
}

/* Removes a file that superd has only just created; one with a process id in it stays. */
static void remove_new_pid_file(int fd) {
	if (fd >= 0 && lseek(fd, 0, SEEK_END) == 0) unlink(options.pid_file);
}

static void write_pid_file(int fd) {
	if (fd < 0) return;
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0)
		log_warning("-P %s: %s", options.pid_file, strerror(errno));
	close(fd);
}

static void stop(void) {
	if (!stopping) {
		notify_send("STOPPING=1");
		log_notice(
		    "stopping: %zu programs running, at most %ld s (again: now)", child_count(), serve_drain_time());
	}
	serve_stop(stopping);
	stopping = true;
}

static void quit(void) {
	serve_stop(true);
	metrics_write();
	if (options.pid_file != NULL) unlink(options.pid_file);
	exit(EXIT_SUCCESS);
}

/* Whether nothing is left that a stop waits for. */
static bool is_idle(void) {
	return child_count() == 0 && linger_next(NULL) == NULL && pending_first() == NULL && proxy_pending() == 0;
}

static void reload(void) {
	notify_reloading();
	log_files_reopen();
	reload_again(&options);
	metrics_totals.reloads++;
	metrics_write();
	notify_send("READY=1");
}

/* What cannot be handed over is awaited first, and nothing more is accepted meanwhile. */
static void upgrade(void) {
	serve_set_paused(true);
	if (spawn_is_starting() || serve_is_waiting()) return;
	upgrade_execute();
	serve_set_paused(false);
}

static _Noreturn void run(void) {
	for (;;) {
		if (loop_signal_taken(SIGCHLD)) child_reap(loop_signal_sender());
		if (loop_signal_taken(SIGTERM) || loop_signal_taken(SIGINT)) stop();
		if (loop_signal_taken(SIGHUP) && !stopping) reload();
		if (loop_signal_taken(SIGUSR1)) metrics_log_state();
		if (loop_signal_taken(SIGUSR2) && !stopping) upgrade_begin();
		if (upgrade_is_due() && !stopping) upgrade();
		if (loop_signal_taken(SIGQUIT) || (stopping && is_idle())) quit();
		bool is_quiet = loop_run_once(spawn_is_starting()) == 0;
		spawn_collect();
		if (is_quiet) spawn_wait();
	}
}

static void end_without_memory(void) {
	log_error("out of memory while the configuration is read");
	exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
	struct error error;
	tidy_descriptors();
	int restored = upgrade_restore_early(&error);
	options_read(&options, argc, argv);
	addr_numeric_only = options.numeric;
	umask(umask(022) | 022);
	log_open(options.verbose ? LEVEL_DETAIL
		 : options.quiet ? LEVEL_ALWAYS
				 : LEVEL_NOTICE,
	    options.facility, options.check);
	mem_exhausted = end_without_memory;
	if (restored < 0) log_error("%s", error.text);
	if (options.check) return restored < 0 ? EXIT_FAILURE : reload_check(&options);
	if (loop_open() < 0) {
		log_error("signals: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	upgrade_remember(argv);
	int pid_file = open_pid_file();
	notify_take_sockets();
	if (reload_start(&options) < 0 && !upgrade_is_successor()) {
		remove_new_pid_file(pid_file);
		return EXIT_FAILURE;
	}
	upgrade_restore_late();
	write_pid_file(pid_file);
	metrics_open(options.metrics_file);
	notify_open();
	notify_send("READY=1");
	if (!upgrade_is_successor()) notify_descriptor(options.ready_fd);
	run();
}

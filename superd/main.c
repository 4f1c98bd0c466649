/*
 * superd: a superserver. It accepts a connection, puts it on a program's stdin and stdout, and starts the program.
 * Here: start-up, the loop, and what each signal does.
 */
#include "superd.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct options options;

static bool stopping, reload_is_due;

/* Descriptors 0, 1 and 2 are there, and no other reaches a program. */
static void tidy_descriptors(void) {
	int fd;
	do fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO) close(fd);
	sys_close_from(STDERR_FILENO + 1, true);
}

/* Opens the file for the process id before anything listens, so that what is wrong with it is said in time. */
static int open_pid_file(void) {
	int fd = options.pid_file == NULL ? -1 : open(options.pid_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0 || options.pid_file == NULL) return fd;
	log_error("-P %s: %s", options.pid_file, strerror(errno));
	if (!state_is_upgrade()) exit(1);
	return -1;
}

/* A file that superd has only just made goes; one with somebody's process id in it stays. */
static void give_up_pid_file(int fd) {
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
		notify_say("STOPPING=1");
		log_notice("stopping: %zu programs running, at most %ld s (again: now)", conn_count(), serve_drain_time());
	}
	serve_stop(stopping);
	conn_drain(stopping);
	stopping = true;
}

static void quit(void) {
	serve_stop(true);
	metrics_write();
	if (options.pid_file != NULL) unlink(options.pid_file);
	exit(0);
}

/* Whether nobody is left who has to be waited for. */
static bool is_idle(void) {
	return conn_count() == 0 && linger_next(NULL) == NULL && hold_first() == NULL && !proxy_is_waiting();
}

/* A child on its way still reads its service. */
static void reload(void) {
	if (!serve_settle(0, 1)) return;
	reload_is_due = false;
	notify_reloading();
	log_files_reopen();
	reload_again(&options);
	metrics_totals.reloads++;
	metrics_write();
	notify_say("READY=1");
}

/*
 * What cannot be handed on is first brought to an end: a child on its way, who is halfway through a PROXY header, a
 * question to the DNS.
 */
static void replace(void) {
	serve_pause(true);
	if (!serve_settle(0, 1) || proxy_is_waiting() || conn_is_asking()) return;
	state_execute();
	serve_pause(false);
}

static void tick(void) {
	conn_tick();
	loop_tick();
	listener_tick();
	serve_tick();
	metrics_tick();
	notify_tick();
}

static _Noreturn void run(void) {
	for (;;) {
		if (loop_signal_taken(SIGCHLD)) conn_reap(loop_signal_sender());
		if (loop_signal_taken(SIGTERM) || loop_signal_taken(SIGINT)) stop();
		if (loop_signal_taken(SIGHUP)) reload_is_due = true;
		if (reload_is_due && !stopping) reload();
		if (loop_signal_taken(SIGUSR1)) serve_log_state();
		if (loop_signal_taken(SIGUSR2) && !stopping) state_begin();
		if (loop_is_due()) tick();
		if (state_is_due() && !stopping) replace();
		if (loop_signal_taken(SIGQUIT) || (stopping && is_idle())) quit();
		bool is_quiet = loop_sleep(spawn_is_busy()) == 0;
		serve_settle(0, is_quiet ? SPAWN_MOST : 0);
	}
}

int main(int argc, char **argv) {
	tidy_descriptors();
	options_read(&options, argc, argv);
	addr_numeric_only = options.numeric;
	umask(umask(022) | 022);
	log_open(&options);
	if (options.check) {
		state_take(false);
		return reload_check(&options);
	}
	if (loop_open() < 0) {
		log_error("signals: %s", strerror(errno));
		return 1;
	}
	state_remember(argv);
	int pid_file = open_pid_file();
	notify_take_sockets();
	state_take(false);
	if (reload_start(&options) < 0 && !state_is_upgrade()) {
		give_up_pid_file(pid_file);
		return 1;
	}
	state_take(true);
	write_pid_file(pid_file);
	metrics_open(options.metrics_file);
	notify_open();
	notify_say("READY=1");
	if (!state_is_upgrade()) notify_descriptor(options.ready_fd);
	run();
}

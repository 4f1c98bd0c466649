/*
 * superd: a superserver. It accepts a connection, puts it on a program's stdin and stdout, and starts the program.
 * Here: start-up, the loop, and what each signal does.
 */
#include "superd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct options options;

static bool stopping;

/* Descriptors 0, 1 and 2 are there, and no other reaches a program. */
static void tidy_descriptors(void) {
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	sys_close_from(STDERR_FILENO + 1, true);
}

static int write_pid_file(void) {
	FILE *file = fopen(options.pid_file, "w");
	if (file == NULL || fprintf(file, "%ld\n", (long)getpid()) < 0 || fclose(file) != 0) {
		log_error("-P %s: %s", options.pid_file, strerror(errno));
		return -1;
	}
	return 0;
}

/* Tells a supervisor that waits at a descriptor that superd is listening (s6). */
static void tell_ready(void) {
	if (options.ready_fd < 0)
		return;
	if (write(options.ready_fd, "\n", 1) < 0)
		log_warning("-r %d: %s", options.ready_fd, strerror(errno));
	close(options.ready_fd);
}

static void stop(void) {
	if (stopping) {
		conn_drain(true);
		return;
	}
	stopping = true;
	serve_stop();
	conn_drain(false);
	if (conn_count() > 0)
		log_notice("stopping; %zu still running", conn_count());
}

static void quit(void) {
	if (options.pid_file != NULL)
		unlink(options.pid_file);
	serve_stop();
	exit(0);
}

/* Whether nobody is left who has to be waited for. */
static bool is_idle(void) {
	return conn_count() == 0 && linger_count() == 0 && !serve_is_holding() && !proxy_is_waiting();
}

static void reload(void) {
	log_files_reopen();
	reload_again(&options);
}

static void run(void) {
	for (;;) {
		if (loop_signal_taken(SIGCHLD))
			conn_reap(serve_ended);
		if (loop_signal_taken(SIGTERM) || loop_signal_taken(SIGINT))
			stop();
		if (loop_signal_taken(SIGQUIT) || (stopping && is_idle()))
			quit();
		if (loop_signal_taken(SIGHUP))
			reload();
		if (loop_signal_taken(SIGUSR1))
			serve_log_state();
		if (loop_is_due()) {
			conn_tick();
			proxy_tick();
			linger_tick();
			listener_tick();
			serve_tick();
		}
		loop_sleep();
	}
}

int main(int argc, char **argv) {
	tidy_descriptors();
	options_read(&options, argc, argv);
	addr_set_numeric(options.numeric);
	umask(umask(022) | 022);
	log_open(&options);
	loop_open();
	int status = reload_start(&options);
	if (status != 0 || options.check)
		return status;
	if (options.pid_file != NULL && write_pid_file() < 0) {
		serve_stop();
		return 1;
	}
	tell_ready();
	run();
}

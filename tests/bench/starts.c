/*
 * starts COUNT PROGRAM [ARGUMENT]...: runs the program COUNT times, one after the other, its input empty and its output
 * thrown away, and prints the microseconds that one run took, from vfork to the end. A run that does not end with
 * status 0 is an error.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void start(char **argv) {
	int status = 1;
	pid_t pid = vfork();
	if (pid == 0) {
		execv(argv[0], argv);
		_exit(111);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "starts: %s: wait status %d\n", argv[0], status);
		exit(1);
	}
}

int main(int argc, char **argv) {
	int count = argc > 2 ? atoi(argv[1]) : 0;
	if (count <= 0) {
		fprintf(stderr, "usage: starts COUNT PROGRAM [ARGUMENT]...\n");
		return 2;
	}
	int output = dup(STDOUT_FILENO), null = open("/dev/null", O_RDWR);
	fcntl(output, F_SETFD, FD_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	double began = now();
	for (int i = 0; i < count; i++) start(argv + 2);
	dprintf(output, "%.2f\n", (now() - began) / count);
	return 0;
}

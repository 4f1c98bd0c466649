/* SPDX-License-Identifier: ISC */
/*
 * starts COUNT PROGRAM...: run each program COUNT times, in turns, with empty input and its output to /dev/null. Prints
 * one line for each program: the median duration of a run, from vfork to exit, in microseconds. A run that ends with
 * another exit status than 0 is an error.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RUNS_MAX = 10000, PROGRAMS_MAX = 8 };

static double now(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* Runs the program once. Returns the duration of the run. */
static double run(char *program) {
	int status = 1;
	double begin = now();
	pid_t pid = vfork();
	if (pid == 0) {
		execl(program, program, (char *)NULL);
		_exit(111);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "starts: %s: wait status %d\n", program, status);
		exit(1);
	}
	return now() - begin;
}

static int compare_durations(const void *a, const void *b) {
	double first = *(const double *)a, second = *(const double *)b;
	return (first > second) - (first < second);
}

int main(int argc, char **argv) {
	static double durations[PROGRAMS_MAX][RUNS_MAX];
	int count = argc > 2 ? atoi(argv[1]) : 0, programs = argc - 2;
	if (count <= 0 || count > RUNS_MAX || programs > PROGRAMS_MAX) {
		fprintf(stderr, "usage: starts COUNT PROGRAM...\n");
		return 2;
	}
	int output = dup(STDOUT_FILENO), null = open("/dev/null", O_RDWR);
	fcntl(output, F_SETFD, FD_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	for (int i = 0; i < count; i++)
		for (int program = 0; program < programs; program++) durations[program][i] = run(argv[2 + program]);
	for (int program = 0; program < programs; program++) {
		qsort(durations[program], (size_t)count, sizeof **durations, compare_durations);
		dprintf(output, "%.2f\n", durations[program][count / 2]);
	}
	return 0;
}

/* SPDX-License-Identifier: ISC */
/*
 * report_process: a server program that sends its process attributes to the client. It sends one line for each argument,
 * the directory, the users, the mask, the limits, the signals, the descriptors, and the environment, sorted. It uses the
 * connection on descriptor 0; if this is a listening socket, it accepts one connection; if this is a datagram socket, it
 * answers one datagram.
 *
 * Then it reads a line: `exit N` and `kill N` end it with this exit status or signal, any other line with status 0.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static FILE *report;

static void tell_identity(void) {
	gid_t groups[64];
	int count = getgroups(64, groups);
	fprintf(report, "user %u %u group %u %u groups", getuid(), geteuid(), getgid(), getegid());
	for (int i = 0; i < count; i++) fprintf(report, " %u", groups[i]);
	fprintf(report, "\n");
	fprintf(report, "session %s group %s\n", getsid(0) == getpid() ? "own" : "other",
	    getpgrp() == getpid() ? "own" : "other");
}

static void tell_limits(void) {
	static const struct {
		const char *name;
		int kind;
	} limits[] = {
	    {"as", RLIMIT_AS},
	    {"core", RLIMIT_CORE},
	    {"cpu", RLIMIT_CPU},
	    {"data", RLIMIT_DATA},
	    {"files", RLIMIT_NOFILE},
	    {"rss", RLIMIT_RSS},
	    {"stack", RLIMIT_STACK},
	};
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct rlimit limit;
		getrlimit((unsigned)limits[i].kind, &limit);
		fprintf(report, "limit %s %lld %lld\n", limits[i].name, (long long)limit.rlim_cur,
		    (long long)limit.rlim_max);
	}
}

static void tell_signals(void) {
	sigset_t blocked;
	struct sigaction action;
	sigprocmask(SIG_SETMASK, NULL, &blocked);
	for (int number = 1; number < 32; number++)
		if (sigaction(number, NULL, &action) == 0 &&
		    (action.sa_handler == SIG_IGN || sigismember(&blocked, number)))
			fprintf(report, "signal %d %s\n", number, action.sa_handler == SIG_IGN ? "ignored" : "blocked");
}

static void tell_descriptors(void) {
	struct stat about, first = {0};
	fstat(0, &first);
	for (int fd = 0; fd < 1024; fd++)
		if (fstat(fd, &about) == 0 && (report == NULL || fd != fileno(report)))
			fprintf(report, "descriptor %d %s%s\n", fd, S_ISSOCK(about.st_mode) ? "socket" : "other",
			    about.st_ino == first.st_ino && about.st_dev == first.st_dev ? " the same as 0" : "");
}

static int by_text(const void *a, const void *b) {
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void tell_environment(void) {
	size_t count = 0;
	while (environ[count] != NULL) count++;
	qsort(environ, count, sizeof *environ, by_text);
	for (size_t i = 0; i < count; i++) fprintf(report, "env %s\n", environ[i]);
}

static void tell_all(char **argv) {
	char directory[PATH_MAX];
	mode_t mask = umask(0);
	for (char **argument = argv; *argument != NULL; argument++) fprintf(report, "argument %s\n", *argument);
	fprintf(report, "directory %s\n", getcwd(directory, sizeof directory));
	tell_identity();
	fprintf(report, "mask %03o\nnice %d\n", mask, getpriority(PRIO_PROCESS, 0));
	tell_limits();
	tell_signals();
	tell_descriptors();
	tell_environment();
	fclose(report);
}

int main(int argc, char **argv) {
	char *text, line[64] = "";
	size_t length;
	struct sockaddr_storage peer;
	socklen_t room = sizeof peer;
	int listens = 0, type = 0, fd = 0;
	(void)argc;
	report = open_memstream(&text, &length);
	tell_all(argv);

	getsockopt(0, SOL_SOCKET, SO_ACCEPTCONN, &listens, &(socklen_t){sizeof listens});
	getsockopt(0, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof type});
	if (listens) fd = accept(0, NULL, NULL);
	if (type == SOCK_DGRAM) {
		recvfrom(0, line, sizeof line - 1, 0, (struct sockaddr *)&peer, &room);
		sendto(0, text, length, 0, (struct sockaddr *)&peer, room);
	} else {
		write(fd, text, length);
		for (size_t used = 0; used < sizeof line - 1 && strchr(line, '\n') == NULL; used++)
			if (read(fd, line + used, 1) <= 0) break;
	}
	if (strncmp(line, "kill ", 5) == 0) raise(atoi(line + 5));
	return strncmp(line, "exit ", 5) == 0 ? atoi(line + 5) : 0;
}

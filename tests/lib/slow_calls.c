/* SPDX-License-Identifier: ISC */
/*
 * slow_calls: a library to preload into superd. It widens the moment between a system call of superd or of its child and its
 * error's being read: the functions that SLOW_CALLS names (accept4, recv, execve) return half a second after they have failed,
 * and errno is then what it is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void be_slow(const char *name) {
	const struct timespec span = {0, 500 * 1000 * 1000};
	const char *names = getenv("SLOW_CALLS");
	if (names != NULL && strstr(names, name) != NULL) nanosleep(&span, NULL);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
	int (*real)(int, struct sockaddr *, socklen_t *, int) = dlsym(RTLD_NEXT, "accept4");
	int result = real(fd, address, length, flags);
	if (result < 0) be_slow("accept4");
	return result;
}

ssize_t recv(int fd, void *bytes, size_t size, int flags) {
	ssize_t (*real)(int, void *, size_t, int) = dlsym(RTLD_NEXT, "recv");
	ssize_t result = real(fd, bytes, size, flags);
	if (result < 0) be_slow("recv");
	return result;
}

int execve(const char *path, char *const *argv, char *const *environment) {
	int (*real)(const char *, char *const *, char *const *) = dlsym(RTLD_NEXT, "execve");
	real(path, argv, environment);
	if (errno == ETXTBSY) be_slow("execve");
	return -1;
}

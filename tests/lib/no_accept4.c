/* SPDX-License-Identifier: ISC */
/*
 * no_accept4: a library to preload into superd. accept4(2) fails with the error that ACCEPT4_ERROR is the number of, as in a
 * sandbox that knows only accept(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
	(void)fd;
	(void)address;
	(void)length;
	(void)flags;
	errno = atoi(getenv("ACCEPT4_ERROR"));
	return -1;
}

/* SPDX-License-Identifier: ISC */
/*
 * Connects to the server within a time, and returns a non-blocking socket.
 *
 * All addresses of a name are tried in turn. Each gets its share of the time that is left, so that an address that
 * does not answer leaves time for the next one.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cmdc.h"

/* How often to try a UNIX-domain server whose backlog is full; poll(2) does not tell when it has room. */
enum { BACKLOG_INTERVAL_MS = 10 };

/* Returns milliseconds that no change of the date affects. */
long long connection_clock(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Returns the milliseconds until end, for poll(2); -1 if the timeout is 0, which is no limit. */
static int time_left(int timeout, long long end) {
	long long left = end - connection_clock();

	if (timeout == 0) return -1;
	return left > 0 ? (int)left : 0;
}

/* Waits for a connect that has begun. Returns 0 or an errno value. */
static int await_connect(int fd, int timeout, long long end) {
	struct pollfd event = {.fd = fd, .events = POLLOUT};
	int ready, error = 0;

	do ready = poll(&event, 1, time_left(timeout, end));
	while (ready == -1 && errno == EINTR);
	if (ready == 0) return ETIMEDOUT;
	if (ready == -1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}) == -1) return errno;
	return error;
}

/* Returns 0 or an errno value. */
static int connect_within(int fd, const struct sockaddr *address, socklen_t length, int timeout) {
	long long end = connection_clock() + timeout;

	while (connect(fd, address, length) == -1) {
		if (errno == EINPROGRESS || errno == EINTR) return await_connect(fd, timeout, end);
		/* A UNIX-domain socket whose backlog is full. */
		if (errno != EAGAIN) return errno;
		if (time_left(timeout, end) == 0) return ETIMEDOUT;
		poll(NULL, 0, BACKLOG_INTERVAL_MS);
	}
	return 0;
}

/* Returns the socket, or -1 with errno. */
static int open_address(const struct sockaddr *address, socklen_t length, int timeout) {
	int fd = socket(address->sa_family, SOCK_STREAM, 0);

	if (fd == -1) return -1;
	/* A request is sent at once, and does not wait for the reply to the previous one. */
	if (address->sa_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));

	int error = fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ? errno : connect_within(fd, address, length, timeout);

	if (error == 0) return fd;
	close(fd);
	errno = error;
	return -1;
}

/* Adds `ADDRESS: WHY` to the reason; without the address if it is what the user wrote. */
static void add_reason(char *reason, const char *host, const struct addrinfo *address, const char *why) {
	char name[256];
	size_t used = strlen(reason);
	const char *comma = used > 0 ? ", " : "";

	if (getnameinfo(address->ai_addr, address->ai_addrlen, name, sizeof name, NULL, 0, NI_NUMERICHOST) != 0 ||
	    strcmp(name, host) == 0)
		snprintf(reason + used, MESSAGE_SIZE - used, "%s%s", comma, why);
	else snprintf(reason + used, MESSAGE_SIZE - used, "%s%s: %s", comma, name, why);
}

/* Returns the socket, or -1 after a message. */
static int open_host(const char *host, const char *port, int timeout, const char *peer) {
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	char reason[MESSAGE_SIZE] = "";
	int failure = getaddrinfo(host, port, &hints, &list);
	int fd = -1, untried = 0;

	if (failure != 0)
		return output_message("%s: %s", peer, failure == EAI_SYSTEM ? strerror(errno) : gai_strerror(failure));
	for (struct addrinfo *address = list; address != NULL; address = address->ai_next) untried++;

	long long end = connection_clock() + timeout;

	for (struct addrinfo *address = list; address != NULL && fd == -1; address = address->ai_next, untried--) {
		/* At least 1: 0 would be no limit. */
		int share = timeout == 0 ? 0 : 1 + time_left(timeout, end) / untried;

		fd = open_address(address->ai_addr, address->ai_addrlen, share);
		if (fd == -1) add_reason(reason, host, address, strerror(errno));
	}
	freeaddrinfo(list);
	return fd == -1 ? output_message("%s: %s", peer, reason) : fd;
}

/* Returns the socket, or -1 after a message. */
static int open_path(const char *path, int timeout) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);

	if (length >= sizeof address.sun_path)
		return output_message("%s: a socket's path may have %zu bytes", path, sizeof address.sun_path - 1);
	memcpy(address.sun_path, path, length);

	int fd = open_address((const struct sockaddr *)&address, sizeof address, timeout);

	return fd == -1 ? output_message("%s: %s", path, strerror(errno)) : fd;
}

/*
 * Connects to a host, or to the UNIX-domain socket that its path names, within timeout milliseconds; 0 is no limit.
 * Messages call it peer. Returns the socket, or -1 after a message.
 */
int connection_open(const char *host, const char *port, int timeout, const char *peer) {
	return host[0] == '/' ? open_path(host, timeout) : open_host(host, port, timeout, peer);
}

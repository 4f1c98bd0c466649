/*
 * A name to a connected socket, non-blocking, within a time.
 *
 * Every address of a name is tried in turn. Each gets its share of the time that is left, so that one which never
 * answers leaves some for the next.
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
#include <unistd.h>

#include "cmdc.h"

/* How often to look whether there is room again in a UNIX-domain server's backlog; poll cannot tell. */
enum { BACKLOG_INTERVAL = 10 };

/* What poll is to wait, where the time ends at end; timeout 0 is for ever. */
static int time_left(int timeout, long long end) {
	long long left = end - clock_milliseconds();

	if (timeout == 0) return -1;
	return left > 0 ? (int)left : 0;
}

/* Wait for a connect that is under way. Returns 0 or an errno. */
static int await_connect(int fd, int timeout, long long end) {
	struct pollfd event = {.fd = fd, .events = POLLOUT};
	int ready;

	do ready = poll(&event, 1, time_left(timeout, end));
	while (ready == -1 && errno == EINTR);
	if (ready == -1) return errno;
	if (ready == 0) return ETIMEDOUT;

	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}) == -1) return errno;
	return error;
}

/* Returns 0 or an errno. */
static int connect_within(int fd, const struct sockaddr *address, socklen_t length, int timeout) {
	long long end = clock_milliseconds() + timeout;

	while (connect(fd, address, length) == -1) {
		if (errno == EINPROGRESS || errno == EINTR) return await_connect(fd, timeout, end);
		/* A UNIX-domain socket whose backlog is full. */
		if (errno != EAGAIN) return errno;
		if (time_left(timeout, end) == 0) return ETIMEDOUT;
		poll(NULL, 0, BACKLOG_INTERVAL);
	}
	return 0;
}

/* Returns the socket, or -1 with errno set. */
static int open_address(const struct sockaddr *address, socklen_t length, int timeout) {
	int fd = socket(address->sa_family, SOCK_STREAM, 0);

	if (fd == -1) return -1;
	/* Requests are sent in as few pieces as can be, and none is to wait for the reply to the one before. */
	if (address->sa_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));

	int error = fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ? errno : connect_within(fd, address, length, timeout);

	if (error == 0) return fd;
	close(fd);
	errno = error;
	return -1;
}

/* Add `ADDRESS: why` to the reason; the address only where it is not what the user wrote. */
static void add_reason(char *reason, const char *host, const struct addrinfo *address, const char *why) {
	char name[256];
	size_t used = strlen(reason);
	const char *comma = used > 0 ? ", " : "";

	if (getnameinfo(address->ai_addr, address->ai_addrlen, name, sizeof name, NULL, 0, NI_NUMERICHOST) != 0 ||
	    strcmp(name, host) == 0)
		snprintf(reason + used, REASON_SIZE - used, "%s%s", comma, why);
	else
		snprintf(reason + used, REASON_SIZE - used, "%s%s: %s", comma, name, why);
}

/* Connect to a host within timeout milliseconds, 0 for ever. Returns the socket, or -1 with the reason. */
int connection_open_host(const char *host, const char *port, int timeout, char *reason) {
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	int failure = getaddrinfo(host, port, &hints, &list);
	int fd = -1, left = 0;

	if (failure != 0) {
		snprintf(reason, REASON_SIZE, "%s", failure == EAI_SYSTEM ? strerror(errno) : gai_strerror(failure));
		return -1;
	}
	for (struct addrinfo *address = list; address != NULL; address = address->ai_next) left++;

	long long end = clock_milliseconds() + timeout;

	reason[0] = '\0';
	for (struct addrinfo *address = list; address != NULL && fd == -1; address = address->ai_next, left--) {
		/* Never 0 where there is a limit, which would be none. */
		int share = timeout == 0 ? 0 : 1 + time_left(timeout, end) / left;

		fd = open_address(address->ai_addr, address->ai_addrlen, share);
		if (fd == -1) add_reason(reason, host, address, strerror(errno));
	}
	freeaddrinfo(list);
	return fd;
}

/* The same for a UNIX-domain socket. */
int connection_open_path(const char *path, int timeout, char *reason) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	size_t length = strlen(path);

	if (length >= sizeof address.sun_path) {
		snprintf(reason, REASON_SIZE, "a socket's path may have %zu bytes", sizeof address.sun_path - 1);
		return -1;
	}
	memcpy(address.sun_path, path, length);

	int fd = open_address((const struct sockaddr *)&address, sizeof address, timeout);

	if (fd == -1) snprintf(reason, REASON_SIZE, "%s", strerror(errno));
	return fd;
}

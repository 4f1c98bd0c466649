/* SPDX-License-Identifier: ISC */
/*
 * builtin: xinetd's internal services, each in a child that has nothing else open: echo, discard, chargen,
 * daytime and time, for streams and for datagrams (RFC 862, 863, 864, 867, 868).
 */
#include "connection.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <poll.h>
#include <time.h>

enum { BUFFER = 16384, MOST_DATAGRAMS = 64 };
enum { CHARGEN_LINE = 72, CHARGEN_RING = '~' - '!' + 1, CHARGEN_REPLY = 512 };

static int write_all(const char *bytes, size_t length) {
	while (length > 0) {
		ssize_t written = write(STDOUT_FILENO, bytes, length);
		if (written < 0 && errno != EINTR) return -1;
		bytes += written > 0 ? written : 0;
		length -= written > 0 ? (size_t)written : 0;
	}
	return 0;
}

/*
 * As many lines of the rotating pattern, 72 printable characters each, as fit into a reply of at most 512 bytes (RFC
 * 864).
 */
static size_t make_chargen(char *bytes) {
	static unsigned number;
	size_t filled = 0;
	for (; filled + CHARGEN_LINE + 2 <= CHARGEN_REPLY; number++) {
		for (unsigned i = 0; i < CHARGEN_LINE; i++) bytes[filled++] = (char)('!' + (number + i) % CHARGEN_RING);
		bytes[filled++] = '\r';
		bytes[filled++] = '\n';
	}
	return filled;
}

static size_t make_daytime(char *bytes) {
	time_t now = time(NULL);
	struct tm local;
	size_t filled = strftime(bytes, BUFFER, "%d %b %Y %H:%M:%S %Z\r\n", localtime_r(&now, &local));
	for (size_t i = 0; i < filled; i++) bytes[i] = (char)toupper((unsigned char)bytes[i]);
	return filled;
}

/* Seconds since 1900, 32 bits, in network order. */
static size_t make_time(char *bytes) {
	uint32_t seconds = htonl((uint32_t)((uint64_t)time(NULL) + UINT64_C(2208988800)));
	memcpy(bytes, &seconds, sizeof seconds);
	return sizeof seconds;
}

/* How a service makes a reply (NULL: it is the input), whether it sends it, and whether a stream gets more than one. */
struct builtin {
	size_t (*make)(char *bytes);
	bool replies, repeats;
};

static const struct builtin builtins[] = {
    [INTERNAL_ECHO] = {.replies = true, .repeats = true},
    [INTERNAL_DISCARD] = {.repeats = true},
    [INTERNAL_CHARGEN] = {.make = make_chargen, .replies = true, .repeats = true},
    [INTERNAL_DAYTIME] = {.make = make_daytime, .replies = true},
    [INTERNAL_TIME] = {.make = make_time, .replies = true},
};

static void serve_stream(const struct builtin *builtin) {
	char bytes[BUFFER];
	do {
		ssize_t length =
		    builtin->make != NULL ? (ssize_t)builtin->make(bytes) : read(STDIN_FILENO, bytes, sizeof bytes);
		if (length < 0 && errno == EINTR) continue;
		if (length <= 0 || (builtin->replies && write_all(bytes, (size_t)length) < 0)) return;
	} while (builtin->repeats);
}

/* Answers the datagrams that are queued. superd checks the limits and access again before the next ones. */
static void serve_datagrams(const struct service *service, const struct client *client) {
	const struct builtin *builtin = &builtins[service->internal];
	struct pollfd readable = {.fd = STDIN_FILENO, .events = POLLIN};
	char bytes[BUFFER];
	for (int i = 0; i < MOST_DATAGRAMS && poll(&readable, 1, 0) > 0; i++) {
		struct endpoint peer = {.length = sizeof peer.at};
		ssize_t length = recvfrom(STDIN_FILENO, bytes, sizeof bytes, 0, &peer.at.any, &peer.length);
		if (length < 0 || client->is_refused(&peer) ||
		    !addr_lists_admit(service, addr_source(&peer, (uid_t)-1)))
			continue;
		size_t reply = builtin->make != NULL ? builtin->make(bytes) : (size_t)length;
		if (builtin->replies) sendto(STDIN_FILENO, bytes, reply, 0, &peer.at.any, peer.length);
	}
}

/* Accepts the one connection that this child answers, in place of the listening socket, if the lists admit the client. */
static void take_client(const struct service *service) {
	struct endpoint peer;
	int fd = sys_accept(STDIN_FILENO, &peer);
	if (fd < 0 || !addr_lists_admit(service, addr_source(&peer, sys_peer_uid(fd)))) _exit(1);
	if (sys_dup(fd, STDIN_FILENO) != 0 || sys_dup(fd, STDOUT_FILENO) != 0) _exit(1);
	close(fd);
}

/* Runs the internal service or the redirection in this child, on descriptors 0 and 1, and ends it. */
_Noreturn void builtin_run(const struct service *service, const struct client *client) {
	if (service->redirect.host != NULL) _exit(redirect_run(service));
	if (service->wait && service->socket_type == SOCK_STREAM) take_client(service);
	if (service->socket_type == SOCK_DGRAM) serve_datagrams(service, client);
	else serve_stream(&builtins[service->internal]);
	_exit(0);
}

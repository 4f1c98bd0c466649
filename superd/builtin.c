/*
 * builtin: xinetd's internal services, each in a child of its own that has nothing else open: echo, discard, chargen,
 * daytime and time, for streams and for datagrams (RFC 862, 863, 864, 867, 868).
 */
#include "superd.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <poll.h>
#include <strings.h>
#include <time.h>

enum { BUFFER = 16384, IDLE = 30 * 1000, SMALLEST_PORT = 1024 };
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

/*
 * What superd itself can be: how it makes a reply (NULL: that is what has come in), whether it sends the reply, and
 * whether a stream gets more than one.
 */
struct builtin {
	const char *name;
	size_t (*make)(char *bytes);
	bool replies, repeats;
};

static const struct builtin builtins[] = {
    {"echo", NULL, true, true},
    {"discard", NULL, false, true},
    {"chargen", make_chargen, true, true},
    {"daytime", make_daytime, true, false},
    {"time", make_time, true, false},
};

/* The internal service of that name, or NULL. */
const struct builtin *builtin_find(const char *name) {
	for (size_t i = 0; i < LENGTH(builtins); i++)
		if (strcasecmp(builtins[i].name, name) == 0) return &builtins[i];
	return NULL;
}

static void serve_stream(const struct builtin *builtin) {
	char bytes[BUFFER];
	do {
		ssize_t length =
		    builtin->make != NULL ? (ssize_t)builtin->make(bytes) : read(STDIN_FILENO, bytes, sizeof bytes);
		if (length < 0 && errno == EINTR) continue;
		if (length <= 0 || (builtin->replies && write_all(bytes, (size_t)length) < 0)) return;
	} while (builtin->repeats);
}

/*
 * Whether the peer may answer an answer, so that a forged datagram could set two on each other for ever: a well-known
 * port, or one where an internal service of this superd answers.
 */
static bool is_reflector(const struct endpoint *peer) {
	if (addr_port(peer) < SMALLEST_PORT) return true;
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		for (size_t i = 0; i < listener->socket_count && listener->service->builtin != NULL; i++)
			if (addr_port(&listener->sockets[i].address) == addr_port(peer)) return true;
	return false;
}

/* Answers datagrams until none has come for a while; superd then watches the socket again. */
static void serve_datagrams(const struct service *service) {
	const struct builtin *builtin = service->builtin;
	struct pollfd readable = {.fd = STDIN_FILENO, .events = POLLIN};
	char bytes[BUFFER];
	while (poll(&readable, 1, IDLE) > 0) {
		struct endpoint peer = {.length = sizeof peer.at};
		ssize_t length = recvfrom(STDIN_FILENO, bytes, sizeof bytes, 0, &peer.at.any, &peer.length);
		if (length < 0 || is_reflector(&peer) || !access_allows(service, addr_source(&peer, (uid_t)-1)))
			continue;
		size_t reply = builtin->make != NULL ? builtin->make(bytes) : (size_t)length;
		if (builtin->replies) sendto(STDIN_FILENO, bytes, reply, 0, &peer.at.any, peer.length);
	}
}

/* Runs the internal service or the redirection in this child, on descriptors 0 and 1, and ends it. */
_Noreturn void builtin_run(const struct service *service) {
	if (service->redirect.host != NULL) _exit(redirect_run(service));
	if (service->socket_type == SOCK_DGRAM)
		serve_datagrams(service);
	else
		serve_stream(service->builtin);
	_exit(0);
}

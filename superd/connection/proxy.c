/*
 * proxy: the PROXY protocol header, versions 1 and 2, in which a proxy of proxy_from names its client. No byte after the
 * header is read: it is the program's. (haproxy.org, proxy-protocol.txt)
 */
#include "connection.h"

#include <arpa/inet.h>

enum { SHORTEST = 15, V1_MAX = HEADER_BYTES, V2_HEAD = 16, SKIPPED = 512, HEADER_TIMEOUT_MS = 3000, MAX_WAITING = 256 };

struct header_read {
	struct waiting waiting;
	struct client client;
	void (*done)(struct client *client, enum header_result result);
	size_t length;                /* read so far */
	char bytes[V1_MAX + SKIPPED]; /* what comes after the first V1_MAX bytes is read over what came before it */
};

static const char v1_signature[] = "PROXY ", v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

/* Makes an endpoint with everything but its address, whose place is returned. */
static void *make_endpoint(struct endpoint *endpoint, int family, unsigned port) {
	*endpoint = (struct endpoint){.at.any.sa_family = (sa_family_t)family};
	endpoint->length = family == AF_INET ? sizeof endpoint->at.in : sizeof endpoint->at.in6;
	addr_set_port(endpoint, port);
	return family == AF_INET ? (void *)&endpoint->at.in.sin_addr : &endpoint->at.in6.sin6_addr;
}

/* The address and the port in version 1's words. */
static bool read_v1_address(struct endpoint *endpoint, int family, const char *host, const char *port) {
	int64_t number = text_read_number(&port, strlen(port), 65535);
	if (number < 0 || *port != '\0') return false;
	return inet_pton(family, host, make_endpoint(endpoint, family, (unsigned)number)) == 1;
}

/* PROXY TCP4|TCP6 SOURCE DESTINATION SOURCEPORT DESTINATIONPORT, or PROXY UNKNOWN and anything. */
static int parse_v1(char *line, struct client *client) {
	char *words[7] = {NULL}, *rest;
	size_t count = 0;
	for (char *word = strtok_r(line, " ", &rest); word != NULL && count < 7; word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	if (count >= 2 && strcmp(words[1], "UNKNOWN") == 0) return 0;
	int family = count == 6 && strcmp(words[1], "TCP4") == 0   ? AF_INET
		     : count == 6 && strcmp(words[1], "TCP6") == 0 ? AF_INET6
								   : 0;
	struct endpoint peer, local;
	if (family == 0 || !read_v1_address(&peer, family, words[2], words[4]) ||
	    !read_v1_address(&local, family, words[3], words[5]))
		return -1;
	client->peer = peer;
	client->local = local;
	return 0;
}

static unsigned number_at(const char *bytes) {
	return (unsigned)(unsigned char)bytes[0] << 8 | (unsigned char)bytes[1];
}

static size_t v2_length(const char *bytes) {
	return V2_HEAD + number_at(bytes + 14);
}

/* LOCAL and families other than TCP's leave the connection's own addresses; whatever follows the addresses is skipped. */
static int parse_v2(const char *bytes, struct client *client) {
	int command = bytes[12] & 0x0f, version = (bytes[12] >> 4) & 0x0f, transport = (unsigned char)bytes[13];
	size_t length = v2_length(bytes) - V2_HEAD;
	if (version != 2 || command > 1) return -1;
	if (command == 0 || (transport != 0x11 && transport != 0x21)) return 0;
	int family = transport == 0x11 ? AF_INET : AF_INET6;
	size_t size = family == AF_INET ? 4 : 16;
	const char *addresses = bytes + V2_HEAD;
	if (length < 2 * size + 4) return -1;
	memcpy(make_endpoint(&client->peer, family, number_at(addresses + 2 * size)), addresses, size);
	memcpy(make_endpoint(&client->local, family, number_at(addresses + 2 * size + 2)), addresses + size, size);
	return 0;
}

static bool has_signature(const struct header_read *header, const char *signature, size_t size) {
	return memcmp(header->bytes, signature, header->length < size ? header->length : size) == 0;
}

static bool is_v1(const struct header_read *header) {
	return has_signature(header, v1_signature, sizeof v1_signature - 1);
}

static bool is_v2(const struct header_read *header) {
	return has_signature(header, v2_signature, sizeof v2_signature - 1);
}

/* How many more bytes belong to the header for certain; 0 when it is whole. A line is read byte by byte to its end. */
static size_t wanted(const struct header_read *header) {
	if (header->length < SHORTEST) return SHORTEST - header->length;
	if (is_v1(header)) return header->length < V1_MAX && header->bytes[header->length - 1] != '\n';
	return header->length < V2_HEAD ? V2_HEAD - header->length : v2_length(header->bytes) - header->length;
}

static int parse(struct header_read *header) {
	if (is_v2(header)) return parse_v2(header->bytes, &header->client);
	char *end = header->bytes + header->length - 2;
	if (memcmp(end, "\r\n", 2) != 0 || memchr(header->bytes, '\0', header->length) != NULL) return -1;
	*end = '\0';
	return parse_v1(header->bytes, &header->client);
}

static void finish(struct header_read *header, enum header_result result) {
	struct client client = header->client;
	void (*done)(struct client *, enum header_result) = header->done;
	waiting_remove(&header->waiting);
	free(header);
	client.source = addr_source(&client.peer, client.uid);
	done(&client, result);
}

static void time_out(struct timer *timer) {
	finish(CONTAINER(timer, struct header_read, waiting.watch.timer), HEADER_BAD);
}

/* Reads what belongs to the header and has arrived. */
static void read_header(struct watch *watch) {
	struct header_read *header = CONTAINER(watch, struct header_read, waiting.watch);
	for (size_t size; (size = wanted(header)) > 0;) {
		size_t begin = header->length < V1_MAX ? header->length : V1_MAX;
		size_t room = sizeof header->bytes - begin;
		ssize_t count = sys_receive_nonblocking(watch->fd, header->bytes + begin, size < room ? size : room);
		if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
		header->length += count > 0 ? (size_t)count : 0;
		if (count <= 0 || (!is_v1(header) && !is_v2(header))) {
			finish(header, header->length > 0 ? HEADER_BAD : HEADER_NONE);
			return;
		}
	}
	finish(header, parse(header) == 0 ? HEADER_GOOD : HEADER_BAD);
}

/*
 * Reads the header of a client that connects through a proxy, and calls `done` with the client that the header names.
 * `list` holds the clients of one service whose header is awaited; past MAX_WAITING, the oldest one's header is bad.
 * `read` are the bytes of the header that an earlier superd has read, if there are any. Without memory, the header is bad.
 */
void proxy_read_header(struct waiting_list *list, const struct client *client, const struct header_bytes *read,
    void (*done)(struct client *client, enum header_result result)) {
	struct header_read *header = calloc(1, sizeof *header);
	int64_t deadline = read != NULL ? read->deadline : loop_now() + HEADER_TIMEOUT_MS;
	if (header != NULL) {
		header->client = *client;
		header->done = done;
		header->length = read != NULL ? read->length : 0;
		if (read != NULL) memcpy(header->bytes, read->bytes, sizeof read->bytes);
		header->waiting.watch = (struct watch){.fd = client->fd, .ready = read_header, .timer.due = time_out};
	}
	if (header == NULL || waiting_add(list, &header->waiting, deadline) < 0) {
		struct client unnamed = *client;
		free(header);
		done(&unnamed, HEADER_BAD);
		return;
	}
	waiting_end(list, MAX_WAITING);
}

/* The client of a header that is awaited, and what has been read of the header. */
const struct client *proxy_bytes_read(const struct waiting *waiting, struct header_bytes *read) {
	const struct header_read *header = CONTAINER(waiting, struct header_read, waiting);
	*read = (struct header_bytes){.length = header->length, .deadline = waiting->watch.timer.when};
	memcpy(read->bytes, header->bytes, sizeof read->bytes);
	return &header->client;
}

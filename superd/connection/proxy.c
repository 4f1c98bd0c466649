/* SPDX-License-Identifier: ISC */
/*
 * proxy: the PROXY protocol header, versions 1 and 2, in which a proxy of proxy_from names its client. No byte after the
 * header is read: it is the program's. (haproxy.org, proxy-protocol.txt)
 */
#include "connection.h"

#include <arpa/inet.h>

enum { SHORTEST = 15, V2_HEAD = 16, SKIPPED = 512, HEADER_TIMEOUT_MS = 3000, MAX_WAITING = 256 };

struct header_read {
	struct waiting waiting;
	struct header header;
	void (*done)(struct client *client, enum header_result result);
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
	int64_t number = text_read_number(&port, 5, 65535);
	if (number < 0 || *port != '\0') return false;
	return inet_pton(family, host, make_endpoint(endpoint, family, (unsigned)number)) == 1;
}

/* PROXY TCP4|TCP6 SOURCE DESTINATION SOURCEPORT DESTINATIONPORT, or PROXY UNKNOWN and anything. */
static bool parse_v1(char *line, struct client *client) {
	char *words[7] = {NULL}, *rest;
	size_t count = 0;
	for (char *word = strtok_r(line, " ", &rest); word != NULL && count < 7; word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	if (count >= 2 && strcmp(words[1], "UNKNOWN") == 0) return true;
	if (count != 6 || (strcmp(words[1], "TCP4") != 0 && strcmp(words[1], "TCP6") != 0)) return false;
	int family = strcmp(words[1], "TCP4") == 0 ? AF_INET : AF_INET6;
	return read_v1_address(&client->peer, family, words[2], words[4]) &&
	       read_v1_address(&client->local, family, words[3], words[5]);
}

static unsigned number_at(const char *bytes) {
	return (unsigned)(unsigned char)bytes[0] << 8 | (unsigned char)bytes[1];
}

static size_t v2_length(const char *bytes) { return V2_HEAD + number_at(bytes + 14); }

/* LOCAL and families other than TCP's leave the connection's own addresses; whatever follows the addresses is skipped. */
static bool parse_v2(const char *bytes, struct client *client) {
	enum { V2_LOCAL = 0x20, V2_PROXY = 0x21, V2_TCP4 = 0x11, V2_TCP6 = 0x21 };
	int family = bytes[13] == V2_TCP4 ? AF_INET : AF_INET6;
	size_t size = family == AF_INET ? 4 : 16;
	const char *source = bytes + V2_HEAD, *ports = source + 2 * size;
	if (bytes[12] == V2_LOCAL) return true;
	if (bytes[12] != V2_PROXY) return false;
	if (family == AF_INET6 && bytes[13] != V2_TCP6) return true;
	if (v2_length(bytes) < V2_HEAD + 2 * size + 4) return false;
	memcpy(make_endpoint(&client->peer, family, number_at(ports)), source, size);
	memcpy(make_endpoint(&client->local, family, number_at(ports + 2)), source + size, size);
	return true;
}

static bool is_v1(const struct header *header) { return header->bytes[0] == v1_signature[0]; }

/* Whether the bytes so far are those of a signature. */
static bool has_signature(const struct header *header) {
	const char *signature = is_v1(header) ? v1_signature : v2_signature;
	size_t size = is_v1(header) ? sizeof v1_signature - 1 : sizeof v2_signature - 1;
	return memcmp(header->bytes, signature, header->length < size ? header->length : size) == 0;
}

/* How many more bytes belong to the header for certain; 0 when it is whole. A line is read byte by byte to its end. */
static size_t wanted(const struct header *header) {
	if (header->length < SHORTEST) return SHORTEST - header->length;
	if (is_v1(header)) return header->length < HEADER_BYTES && header->bytes[header->length - 1] != '\n';
	return header->length < V2_HEAD ? V2_HEAD - header->length : v2_length(header->bytes) - header->length;
}

/* Reads the client's addresses from a whole header. Returns whether it is good. */
static bool parse(struct header *header, struct client *client) {
	if (!is_v1(header)) return parse_v2(header->bytes, client);
	char *end = header->bytes + header->length - 2;
	if (memcmp(end, "\r\n", 2) != 0 || memchr(header->bytes, '\0', header->length) != NULL) return false;
	*end = '\0';
	return parse_v1(header->bytes, client);
}

/* Ends with the client that a good header names, or else the one that has connected. */
static void finish(struct header_read *read, enum header_result result) {
	struct client client = read->header.client, named = client;
	void (*done)(struct client *, enum header_result) = read->done;
	if (result == HEADER_GOOD && !parse(&read->header, &named)) result = HEADER_BAD;
	if (result == HEADER_GOOD) client = named;
	waiting_remove(&read->waiting);
	free(read);
	client.source = addr_source(&client.peer, client.uid);
	done(&client, result);
}

static void time_out(struct timer *timer) {
	finish(CONTAINER(timer, struct header_read, waiting.watch.timer), HEADER_BAD);
}

/* Reads what belongs to the header and has arrived. What of it is longer than any line is of no use. */
static void read_header(struct watch *watch) {
	char skipped[SKIPPED] = "";
	struct header_read *read = CONTAINER(watch, struct header_read, waiting.watch);
	struct header *header = &read->header;
	for (size_t size; (size = wanted(header)) > 0;) {
		bool is_used = header->length < HEADER_BYTES;
		size_t room = is_used ? HEADER_BYTES - header->length : sizeof skipped;
		ssize_t count = sys_receive_nonblocking(
		    watch->fd, is_used ? header->bytes + header->length : skipped, size < room ? size : room);
		if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
		header->length += count > 0 ? (size_t)count : 0;
		if (count <= 0 || !has_signature(header)) {
			finish(read, header->length > 0 ? HEADER_BAD : HEADER_NONE);
			return;
		}
	}
	finish(read, HEADER_GOOD);
}

/*
 * Reads a header of which nothing has been read yet, or that an earlier superd has begun to read, and calls `done` with the
 * client that it names, if it is good. `list` holds those of one service; past MAX_WAITING, the oldest one is bad. Without
 * memory, the header is bad.
 */
void proxy_read_header(struct waiting_list *list, const struct header *header,
    void (*done)(struct client *client, enum header_result result)) {
	struct header_read *read = calloc(1, sizeof *read);
	int64_t deadline = header->deadline > 0 ? header->deadline : loop_now() + HEADER_TIMEOUT_MS;
	if (read != NULL) {
		*read = (struct header_read){.header = *header, .done = done};
		read->waiting.watch =
		    (struct watch){.fd = header->client.fd, .ready = read_header, .timer.due = time_out};
		read->header.deadline = deadline;
	}
	if (read != NULL && waiting_add(list, MAX_WAITING, &read->waiting, deadline) == 0) return;
	struct client client = header->client;
	free(read);
	done(&client, HEADER_BAD);
}

/* The header that such a connection waits for, with what has been read of it. */
const struct header *proxy_header(const struct waiting *waiting) {
	return &CONTAINER(waiting, struct header_read, waiting)->header;
}

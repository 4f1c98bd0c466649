/*
 * proxy: the PROXY protocol header, versions 1 and 2, by which a proxy in proxy_from says who its client is. No byte
 * after the header is read: it is the program's. (haproxy.org, proxy-protocol.txt)
 */
#include "superd.h"

#include <arpa/inet.h>

enum { SHORTEST = 15, V1_MAX = 107, V2_HEAD = 16, SKIPPED = 512, PATIENCE = 3000 };

struct greeting {
	struct watch watch;
	struct client client;
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
	char *end;
	unsigned long number = strtoul(port, &end, 10);
	return inet_pton(family, host, make_endpoint(endpoint, family, (unsigned)number)) == 1 && port[0] >= '0' &&
	       port[0] <= '9' && *end == '\0' && number <= 65535;
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

static bool has_signature(const struct greeting *greeting, const char *signature, size_t size) {
	return memcmp(greeting->bytes, signature, greeting->length < size ? greeting->length : size) == 0;
}

static bool is_v1(const struct greeting *greeting) {
	return has_signature(greeting, v1_signature, sizeof v1_signature - 1);
}

static bool is_v2(const struct greeting *greeting) {
	return has_signature(greeting, v2_signature, sizeof v2_signature - 1);
}

/* How many more bytes belong to the header for certain; 0 when it is whole. A line is read byte by byte to its end. */
static size_t wanted(const struct greeting *greeting) {
	if (greeting->length < SHORTEST) return SHORTEST - greeting->length;
	if (is_v1(greeting)) return greeting->length < V1_MAX && greeting->bytes[greeting->length - 1] != '\n';
	return greeting->length < V2_HEAD ? V2_HEAD - greeting->length : v2_length(greeting->bytes) - greeting->length;
}

static int parse(struct greeting *greeting) {
	if (is_v2(greeting)) return parse_v2(greeting->bytes, &greeting->client);
	char *end = greeting->bytes + greeting->length - 2;
	if (memcmp(end, "\r\n", 2) != 0 || memchr(greeting->bytes, '\0', greeting->length) != NULL) return -1;
	*end = '\0';
	return parse_v1(greeting->bytes, &greeting->client);
}

static void finish(struct greeting *greeting, bool is_good) {
	struct client client = greeting->client;
	loop_unwatch(&greeting->watch);
	free(greeting);
	client.listener->waiting--;
	client.source = addr_source(&client.peer, client.uid);
	serve_greeted(&client, is_good);
}

static void run_out(struct watch *watch) {
	finish((struct greeting *)(void *)watch, false);
}

/* Reads what belongs to the header and has come. */
static void read_header(struct watch *watch) {
	struct greeting *greeting = (struct greeting *)(void *)watch;
	for (size_t size; (size = wanted(greeting)) > 0;) {
		size_t begin = greeting->length < V1_MAX ? greeting->length : V1_MAX;
		size_t room = sizeof greeting->bytes - begin;
		ssize_t count = sys_receive_unblocked(watch->fd, greeting->bytes + begin, size < room ? size : room);
		if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
		greeting->length += count > 0 ? (size_t)count : 0;
		if (count <= 0 || (!is_v1(greeting) && !is_v2(greeting))) {
			finish(greeting, false);
			return;
		}
	}
	finish(greeting, parse(greeting) == 0);
}

/* Waits for the header of a client that comes from a proxy. For want of memory that is as if there were none. */
void proxy_greet(const struct client *client) {
	struct greeting *greeting = malloc(sizeof *greeting);
	if (greeting != NULL) {
		*greeting = (struct greeting){.client = *client};
		greeting->watch = (struct watch){client->fd, 0, read_header, run_out, loop_now() + PATIENCE};
	}
	if (greeting == NULL || loop_watch(&greeting->watch) < 0) {
		free(greeting);
		serve_greeted(client, false);
		return;
	}
	client->listener->waiting++;
}

/* Whether a header is being waited for. */
bool proxy_is_waiting(void) {
	return loop_next(NULL, read_header) != NULL;
}

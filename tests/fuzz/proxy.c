/* SPDX-License-Identifier: ISC */
/* sources: superd/connection/proxy.c superd/connection/waiting.c superd/base/addr.c superd/base/sys_linux.c superd/base/mem.c */
/*
 * The reader of PROXY headers. The first byte of the input seeds the sizes of the pieces in which the rest arrives. For
 * every division into pieces, the reader must accept a header that the protocol allows, with the addresses in it. It
 * must reject everything else, and it must not read a byte after a valid header.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../superd/connection/connection.h"

enum { INPUT_MAX = 4096 };

static void require(bool condition) {
	if (!condition) abort();
}

/* Replacements for the parts of superd that the reader calls: one watch, a clock that never advances, the callback. */
static struct watch *watched;

static struct {
	bool is_set, is_good;
	struct client client;
} verdict;

static struct waiting_list list;

int loop_watch(struct watch *watch) {
	watched = watch;
	return 0;
}

void loop_unwatch(struct watch *watch) {
	require(watch == watched);
	watched = NULL;
}

int64_t loop_now(void) { return 1000; }

void loop_set_timer(struct timer *timer, int64_t when) {
	(void)timer;
	require(when > loop_now());
}

void loop_cancel_timer(struct timer *timer) { (void)timer; }

static void header_done(struct client *client, enum header_result result) {
	require(!verdict.is_set);
	verdict.is_set = true;
	verdict.is_good = result == HEADER_GOOD;
	verdict.client = *client;
}

/* The length of the header by the rules of the protocol, or 0 if there is no header. */
static size_t header_length(const uint8_t *data, size_t size) {
	if (size >= 16 && memcmp(data, "\r\n\r\n\0\r\nQUIT\n", 12) == 0) {
		size_t length = 16 + ((size_t)data[14] << 8 | data[15]);
		return length <= size ? length : 0;
	}
	if (size < 6 || memcmp(data, "PROXY ", 6) != 0) return 0;
	for (size_t i = 6; i + 1 < size && i + 2 <= 107; i++)
		if (data[i] == '\r' && data[i + 1] == '\n') return i + 2;
	return 0;
}

/* Whether the line of version 1 (without CR LF) is the canonical form of the addresses that the reader returned. */
static bool is_canonical(const char *line, const struct client *client) {
	char peer[INET6_ADDRSTRLEN], local[INET6_ADDRSTRLEN], printed[200];
	int family = client->peer.at.any.sa_family;
	const void *from =
	    family == AF_INET ? (const void *)&client->peer.at.in.sin_addr : &client->peer.at.in6.sin6_addr;
	const void *to =
	    family == AF_INET ? (const void *)&client->local.at.in.sin_addr : &client->local.at.in6.sin6_addr;
	require(
	    inet_ntop(family, from, peer, sizeof peer) != NULL && inet_ntop(family, to, local, sizeof local) != NULL);
	snprintf(printed, sizeof printed, "PROXY TCP%c %s %s %u %u", family == AF_INET ? '4' : '6', peer, local,
	    addr_port(&client->peer), addr_port(&client->local));
	return strcmp(line, printed) == 0;
}

/* Whether the protocol clearly allows the line: its addresses, parsed and printed again, give the same line. */
static bool must_accept_v1(const char *line) {
	char peer[64], local[64], family, more;
	unsigned from, to;
	struct client client = {.fd = -1};
	if (strcmp(line, "PROXY UNKNOWN") == 0) return true;
	if (sscanf(line, "PROXY TCP%c %63s %63s %5u %5u%c", &family, peer, local, &from, &to, &more) != 5) return false;
	if ((family != '4' && family != '6') || from > 65535 || to > 65535) return false;
	int number = family == '4' ? AF_INET : AF_INET6;
	client.peer.at.any.sa_family = client.local.at.any.sa_family = (sa_family_t)number;
	void *source = number == AF_INET ? (void *)&client.peer.at.in.sin_addr : &client.peer.at.in6.sin6_addr;
	void *target = number == AF_INET ? (void *)&client.local.at.in.sin_addr : &client.local.at.in6.sin6_addr;
	if (inet_pton(number, peer, source) != 1 || inet_pton(number, local, target) != 1) return false;
	addr_set_port(&client.peer, from);
	addr_set_port(&client.local, to);
	return is_canonical(line, &client);
}

static void check_v1(const uint8_t *data, size_t end) {
	char line[108];
	memcpy(line, data, end - 2);
	line[end - 2] = '\0';
	bool has_nul = strlen(line) != end - 2;
	if (!has_nul && must_accept_v1(line)) {
		require(verdict.is_good);
		require(strcmp(line, "PROXY UNKNOWN") == 0 || is_canonical(line, &verdict.client));
	}
	require(!has_nul || !verdict.is_good);
}

static void check_v2(const uint8_t *data, size_t end) {
	int family = data[13] == 0x11 ? AF_INET : data[13] == 0x21 ? AF_INET6 : 0;
	size_t size = family == AF_INET ? 4 : 16;
	bool is_proxied = data[12] == 0x21 && family != 0;
	bool is_good = data[12] == 0x20 || (data[12] == 0x21 && (family == 0 || end >= 16 + 2 * size + 4));
	require(verdict.is_good == is_good);
	if (!is_good || !is_proxied) return;
	const struct endpoint *peer = &verdict.client.peer;
	require(peer->at.any.sa_family == family);
	require(memcmp(family == AF_INET ? (const void *)&peer->at.in.sin_addr : &peer->at.in6.sin6_addr, data + 16,
		    size) == 0);
	require(addr_port(peer) == ((unsigned)data[16 + 2 * size] << 8 | data[17 + 2 * size]));
}

/* Checks that the bytes after a valid header are unread. */
static void check_unread(int fd, const uint8_t *data, size_t sent, size_t end) {
	char unread[INPUT_MAX + 1];
	ssize_t length = sys_receive_nonblocking(fd, unread, sizeof unread);
	size_t left = length > 0 ? (size_t)length : 0;
	require(sent >= end && left == sent - end);
	require(memcmp(unread, data + end, left) == 0);
}

/* Sends the data in pieces until there is a verdict. Returns the number of bytes sent. */
static size_t send_pieces(int to, const uint8_t *data, size_t size, unsigned state) {
	size_t sent = 0;
	while (sent < size && !verdict.is_set) {
		state = state * 1103515245U + 12345U;
		size_t piece = 1 + (state >> 16) % 40;
		if (piece > size - sent) piece = size - sent;
		require(write(to, data + sent, piece) == (ssize_t)piece);
		sent += piece;
		watched->ready(watched);
	}
	return sent;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	int ends[2];
	if (size < 1 || size > INPUT_MAX) return 0;
	require(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	struct header header = {.client = {.fd = ends[0], .uid = (uid_t)-1}};
	struct client *client = &header.client;
	client->peer.at.in.sin_family = client->local.at.in.sin_family = AF_INET;
	client->peer.length = client->local.length = sizeof client->peer.at.in;
	memset(&verdict, 0, sizeof verdict);
	unsigned state = data[0];
	data++, size--;

	proxy_read_header(&list, &header, header_done);
	require(list.count == 1);
	size_t sent = send_pieces(ends[1], data, size, state);
	close(ends[1]);
	if (!verdict.is_set) watched->ready(watched);
	require(verdict.is_set && watched == NULL && list.count == 0);

	size_t end = header_length(data, size);
	require(end > 0 || !verdict.is_good);
	if (end > 0 && data[0] == 'P') check_v1(data, end);
	if (end > 0 && data[0] == '\r') check_v2(data, end);
	if (verdict.is_good) check_unread(ends[0], data, sent, end);
	close(ends[0]);
	return 0;
}

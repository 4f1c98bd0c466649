/* SPDX-License-Identifier: ISC */
/*
 * addr: socket addresses, from text and to text. An IPv4-mapped IPv6 address (::ffff:127.0.0.1) is shown and matched as
 * IPv4. All names are looked up when the configuration is loaded; none while serving.
 */
#include "base.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netdb.h>

/* The first half of a source that is a user id, in 100::/64, which no host has as its address (RFC 6666). */
#define UID_HIGH (UINT64_C(0x100) << 48)

/* Names are not looked up (-n). */
bool addr_numeric_only;

/*
 * All addresses of a host name or numeric address, at least one, with `port` a number, a name in /etc/services, or
 * NULL. The array is in the arena. Returns how many there are, or -1 and an error.
 */
int addr_resolve(
    struct arena *arena, const char *host, const char *port, struct endpoint **found, struct error *error) {
	struct addrinfo *list, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	if (addr_numeric_only) hints.ai_flags |= AI_NUMERICHOST;
	int error_number = getaddrinfo(host, port, &hints, &list);
	if (error_number != 0) return error_set(error, "%s: %s", host, gai_strerror(error_number));
	int count = 0;
	*found = NULL;
	for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
		*found = mem_grow(arena, *found, (size_t)count, sizeof **found);
		struct endpoint *endpoint = &(*found)[count++];
		endpoint->length = info->ai_addrlen;
		memcpy(&endpoint->at, info->ai_addr, info->ai_addrlen);
	}
	freeaddrinfo(list);
	return count;
}

/* The UNIX-domain address of a path. Returns 0, or -1 and an error if the path is too long for one. */
int addr_from_path(const char *path, struct endpoint *endpoint, struct error *error) {
	*endpoint = (struct endpoint){.length = sizeof endpoint->at.un};
	size_t length = strlen(path);
	if (length >= sizeof endpoint->at.un.sun_path)
		return error_set(
		    error, "%s: a socket's path is shorter than %zu bytes", path, sizeof endpoint->at.un.sun_path);
	endpoint->at.un.sun_family = AF_UNIX;
	memcpy(endpoint->at.un.sun_path, path, length + 1);
	return 0;
}

unsigned addr_port(const struct endpoint *endpoint) {
	switch (endpoint->at.any.sa_family) {
	case AF_INET: return ntohs(endpoint->at.in.sin_port);
	case AF_INET6: return ntohs(endpoint->at.in6.sin6_port);
	default: return 0;
	}
}

void addr_set_port(struct endpoint *endpoint, unsigned port) {
	if (endpoint->at.any.sa_family == AF_INET) endpoint->at.in.sin_port = htons((uint16_t)port);
	else if (endpoint->at.any.sa_family == AF_INET6) endpoint->at.in6.sin6_port = htons((uint16_t)port);
}

/* Whether the address is every interface's, so that each connection has its own local address. */
bool addr_is_wildcard(const struct endpoint *endpoint) {
	if (endpoint->at.any.sa_family == AF_INET) return endpoint->at.in.sin_addr.s_addr == htonl(INADDR_ANY);
	return endpoint->at.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&endpoint->at.in6.sin6_addr);
}

/* The address without its port, a link-local one with its interface; of a UNIX-domain socket, its path. Returns `text`. */
const char *addr_format_host(const struct endpoint *endpoint, char text[ADDR_TEXT]) {
	const struct in6_addr *in6 = &endpoint->at.in6.sin6_addr;
	int family = endpoint->at.any.sa_family;
	text[0] = '\0';
	if (family == AF_UNIX) snprintf(text, ADDR_TEXT, "%s", endpoint->at.un.sun_path);
	else if (family == AF_INET) inet_ntop(AF_INET, &endpoint->at.in.sin_addr, text, ADDR_TEXT);
	else if (IN6_IS_ADDR_V4MAPPED(in6)) inet_ntop(AF_INET, &in6->s6_addr[12], text, ADDR_TEXT);
	else getnameinfo(&endpoint->at.any, endpoint->length, text, ADDR_TEXT, NULL, 0, NI_NUMERICHOST);
	return text;
}

/* The address with its port: 127.0.0.1:80, [::1]:80; of a UNIX-domain socket, its path. Returns `text`. */
const char *addr_format(const struct endpoint *endpoint, char text[ADDR_TEXT]) {
	char host[ADDR_TEXT];
	if (endpoint->at.any.sa_family == AF_UNIX) return addr_format_host(endpoint, text);
	addr_format_host(endpoint, host);
	snprintf(text, ADDR_TEXT, strchr(host, ':') ? "[%.100s]:%u" : "%.100s:%u", host, addr_port(endpoint));
	return text;
}

/* The address that the socket has: with the port, where the kernel chose it. */
void addr_read_local(int fd, struct endpoint *address) {
	*address = (struct endpoint){.length = sizeof address->at};
	getsockname(fd, &address->at.any, &address->length);
}

/*
 * The source that a peer is: of a UNIX-domain peer, its user id. A link-local address has the number of its interface in bits
 * 32 to 63, which are zero on the wire.
 */
struct source addr_source(const struct endpoint *endpoint, uid_t uid) {
	switch (endpoint->at.any.sa_family) {
	case AF_INET: return (struct source){0, UINT64_C(0xffff) << 32 | ntohl(endpoint->at.in.sin_addr.s_addr)};
	case AF_INET6: break;
	default: return (struct source){UID_HIGH, uid};
	}
	struct source source = {0, 0};
	for (int i = 0; i < 8; i++) {
		source.high = source.high << 8 | endpoint->at.in6.sin6_addr.s6_addr[i];
		source.low = source.low << 8 | endpoint->at.in6.sin6_addr.s6_addr[i + 8];
	}
	if (addr_is_link_local(source)) source.high = source.high >> 32 << 32 | endpoint->at.in6.sin6_scope_id;
	return source;
}

/* The address of a source, as addr_format_host has it; of a UNIX-domain peer, uid:N. Returns `text`, or a text for none. */
const char *addr_format_source(struct source source, char text[ADDR_TEXT]) {
	struct endpoint endpoint = {.at.any.sa_family = AF_INET6, .length = sizeof endpoint.at.in6};
	if (source.high == 0 && source.low == 0) return "<no address>";
	if (addr_is_uid(source)) {
		snprintf(text, ADDR_TEXT, (uid_t)source.low == (uid_t)-1 ? "uid:unknown" : "uid:%" PRIu64, source.low);
		return text;
	}
	if (addr_is_link_local(source)) {
		endpoint.at.in6.sin6_scope_id = (uint32_t)source.high;
		source.high = source.high >> 32 << 32;
	}
	for (int i = 0; i < 8; i++) {
		endpoint.at.in6.sin6_addr.s6_addr[i] = (unsigned char)(source.high >> (56 - 8 * i));
		endpoint.at.in6.sin6_addr.s6_addr[i + 8] = (unsigned char)(source.low >> (56 - 8 * i));
	}
	return addr_format_host(&endpoint, text);
}

bool addr_is_uid(struct source source) { return source.high == UID_HIGH; }

/* Whether the address is unique only on one interface, fe80::/10 (RFC 4291). */
bool addr_is_link_local(struct source source) { return source.high >> 54 == 0xfe80 >> 6; }

bool addr_source_equal(struct source a, struct source b) { return a.high == b.high && a.low == b.low; }

/* Whether all of the addresses, at least one, are paths, which need no port. */
bool addr_are_paths(const struct words *words) {
	for (size_t i = 0; i < words->count; i++)
		if (words->word[i][0] != '/') return false;
	return words->count > 0;
}

bool addr_equal(const struct endpoint *a, const struct endpoint *b) {
	sa_family_t family = a->at.any.sa_family;
	if (family != b->at.any.sa_family) return false;
	if (family == AF_UNIX) return strcmp(a->at.un.sun_path, b->at.un.sun_path) == 0;
	if (family == AF_INET6 && a->at.in6.sin6_scope_id != b->at.in6.sin6_scope_id) return false;
	return addr_port(a) == addr_port(b) && addr_source_equal(addr_source(a, 0), addr_source(b, 0));
}

/* The source with all but its first `bits` (0 to 128) bits cleared. */
struct source addr_source_prefix(struct source source, unsigned bits) {
	if (bits < 128) source.low &= bits <= 64 ? 0 : ~(UINT64_MAX >> (bits - 64));
	if (bits < 64) source.high &= bits == 0 ? 0 : ~(UINT64_MAX >> bits);
	return source;
}

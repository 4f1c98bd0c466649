/*
 * Who is at the other end. The environment comes first (TCPREMOTEIP and TCPREMOTEPORT, which a UCSPI
 * server such as superd sets), so that behind a proxy its client is shown; then the socket itself.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd.h"

static bool from_environment(struct peer *peer) {
	const char *address = getenv("TCPREMOTEIP");
	const char *port = getenv("TCPREMOTEPORT");

	if (address == NULL || port == NULL) return false;
	snprintf(peer->address, sizeof peer->address, "%s", address);
	snprintf(peer->port, sizeof peer->port, "%s", port);
	return true;
}

/* Writes an IPv6 address, or the IPv4 address that it stands for. */
static void print_address6(const struct in6_addr *address, struct peer *peer) {
	if (IN6_IS_ADDR_V4MAPPED(address))
		inet_ntop(AF_INET, &address->s6_addr[12], peer->address, sizeof peer->address);
	else
		inet_ntop(AF_INET6, address, peer->address, sizeof peer->address);
}

static bool from_socket(struct peer *peer) {
	struct sockaddr_storage storage;
	socklen_t size = sizeof storage;
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)&storage;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&storage;
	in_port_t port;

	if (getpeername(STDIN_FILENO, (struct sockaddr *)&storage, &size) == -1) return false;
	if (storage.ss_family == AF_INET) {
		inet_ntop(AF_INET, &in4->sin_addr, peer->address, sizeof peer->address);
		port = in4->sin_port;
	} else if (storage.ss_family == AF_INET6) {
		print_address6(&in6->sin6_addr, peer);
		port = in6->sin6_port;
	} else
		return false;
	snprintf(peer->port, sizeof peer->port, "%u", (unsigned)ntohs(port));
	return true;
}

/* Returns false where there is no peer with an address and a port: a pipe, a UNIX-domain socket. */
bool peer_find(struct peer *peer) {
	return from_environment(peer) || from_socket(peer);
}

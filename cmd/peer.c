/* SPDX-License-Identifier: ISC */
/*
 * The client's address and port, in the environment variables TCPREMOTEIP and TCPREMOTEPORT. A UCSPI server such as
 * superd sets them, behind a proxy to the proxy's client; otherwise they come from the socket on descriptor 0.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd.h"

/* Returns whether a variable has a value that can be an address or a port, and cannot end a field or a line. */
static bool is_set(const char *variable) {
	const char *value = getenv(variable);
	size_t length = 0;

	if (value == NULL) return false;
	while (value[length] > ' ' && value[length] < 0x7f && strchr("<>", value[length]) == NULL) length++;
	return length > 0 && length <= PEER_VALUE_MAX && value[length] == '\0';
}

static bool are_set(void) { return is_set("TCPREMOTEIP") && is_set("TCPREMOTEPORT"); }

/*
 * Sets both variables from the socket unless both are set. Returns whether they are set now; not if the client has no
 * address and port: a pipe, a UNIX-domain socket.
 */
bool peer_set_environment(void) {
	struct sockaddr_storage storage;
	socklen_t size = sizeof storage;
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)&storage;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&storage;
	char address[INET6_ADDRSTRLEN], digits[8];
	in_port_t port;

	if (are_set()) return true;
	if (getpeername(STDIN_FILENO, (struct sockaddr *)&storage, &size) == -1) return false;
	if (storage.ss_family == AF_INET) {
		inet_ntop(AF_INET, &in4->sin_addr, address, sizeof address);
		port = in4->sin_port;
	} else if (storage.ss_family == AF_INET6) {
		bool is_mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);

		inet_ntop(is_mapped ? AF_INET : AF_INET6, &in6->sin6_addr.s6_addr[is_mapped ? 12 : 0], address,
		    sizeof address);
		port = in6->sin6_port;
	} else return false;
	snprintf(digits, sizeof digits, "%u", (unsigned)ntohs(port));
	setenv("TCPREMOTEIP", address, 1);
	setenv("TCPREMOTEPORT", digits, 1);
	return are_set();
}

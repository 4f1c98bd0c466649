/*
 * listener: the sockets of a service at work: open, adopt, pause, retire. What comes in at one is serve.c's.
 */
#include "superd.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PORT_TRIES = 20, ADDRESS_RETRY = 5000 };

static struct listener *first;

/* The first of the listeners, in a list; retired ones stay in it while they have children. */
struct listener *listener_first(void) {
	return first;
}

static int set_option(int fd, int level, int option, int value) {
	return setsockopt(fd, level, option, &value, sizeof value);
}

/* A path that a server left behind when it went is in the way; one where a server answers is not to be touched. */
static int clear_path(const struct endpoint *address, int socket_type, struct reason *why) {
	const char *path = address->at.un.sun_path;
	struct stat about;
	if (lstat(path, &about) < 0)
		return 0;
	if (!S_ISSOCK(about.st_mode))
		return reason_set(why, "%s: in the way, and not a socket", path);
	int probe = socket(AF_UNIX, socket_type, 0);
	int answered = connect(probe, &address->at.any, address->length);
	int error = errno;
	close(probe);
	if (answered == 0 || error != ECONNREFUSED)
		return reason_set(why, "%s: %s", path, strerror(answered == 0 ? EADDRINUSE : error));
	return unlink(path) < 0 ? reason_set(why, "%s: %s", path, strerror(errno)) : 0;
}

/* The socket is made with its mode, so that at no time more may connect. */
static int bind_path(int fd, const struct service *service, const struct endpoint *address) {
	mode_t saved = umask((mode_t)(~service->socket_mode & 0777));
	int bound = bind(fd, &address->at.any, address->length);
	int error = errno;
	umask(saved);
	errno = error;
	if (bound == 0 && service->socket_user.set)
		bound = chown(address->at.un.sun_path, service->socket_user.uid,
		    service->socket_user.group_set ? service->socket_user.gid : (gid_t)-1);
	return bound;
}

static int set_options(int fd, const struct service *service, const struct endpoint *address) {
	int family = address->at.any.sa_family;
	bool is_tcp = service->socket_type == SOCK_STREAM && family != AF_UNIX;
	bool only_v6 = service->v6only || !addr_is_wildcard(address);
	if (family != AF_UNIX && set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
		return -1;
	if (family == AF_INET6 && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, only_v6) < 0)
		return -1;
	if (is_tcp && service->flags & FLAG_NODELAY && set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0)
		return -1;
	if (is_tcp && service->flags & FLAG_KEEPALIVE && set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) < 0)
		return -1;
	return 0;
}

/* A descriptor that is handed over whole blocks, as programs expect; one that superd accepts from does not. */
static int set_blocking(int fd, const struct service *service) {
	int flags = fcntl(fd, F_GETFL);
	flags = service->wait ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : 0;
}

static int start_listening(int fd, const struct service *service, const struct endpoint *address) {
	int bound = address->at.any.sa_family == AF_UNIX ? bind_path(fd, service, address)
							 : bind(fd, &address->at.any, address->length);
	if (bound < 0)
		return -1;
	bool is_connected = service->socket_type == SOCK_STREAM || service->socket_type == SOCK_SEQPACKET;
	return is_connected ? listen(fd, (int)service->backlog) : 0;
}

/* Opens a socket at the address. Returns the descriptor, or -1 with errno and why. */
static int open_socket(const struct service *service, const struct endpoint *address, struct reason *why) {
	char text[ADDR_TEXT];
	int family = address->at.any.sa_family, type = (int)service->socket_type;
	if (family == AF_UNIX && clear_path(address, type, why) < 0) {
		errno = EADDRINUSE;
		return -1;
	}
	int fd = socket(family, type, family == AF_UNIX ? 0 : service->protocol_number);
	if (fd >= 0 && set_options(fd, service, address) == 0 && start_listening(fd, service, address) == 0 &&
	    set_blocking(fd, service) == 0)
		return fd;
	int error = errno;
	if (fd >= 0)
		close(fd);
	reason_set(why, "cannot listen on %s: %s", addr_format(address, text), strerror(error));
	errno = error;
	return -1;
}

/* What the kernel made of the address: the port, where it was to choose one. */
static void read_address(struct listening_socket *socket) {
	socket->address.length = sizeof socket->address.at;
	getsockname(socket->watch.fd, &socket->address.at.any, &socket->address.length);
	socket->wildcard = addr_is_wildcard(&socket->address);
}

static bool is_missing(int error) {
	return error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
}

static void close_sockets(struct listener *listener) {
	for (size_t i = 0; i < listener->socket_count; i++)
		if (listener->sockets[i].watch.fd >= 0)
			close(listener->sockets[i].watch.fd);
	listener->socket_count = 0;
}

/* IPv6's every interface falls back to IPv4's where there is no IPv6. */
static int open_address(struct listening_socket *socket, const struct service *service,
    const struct endpoint *address, struct reason *why) {
	socket->configured = socket->address = *address;
	socket->watch.fd = open_socket(service, address, why);
	if (socket->watch.fd < 0 && errno == EAFNOSUPPORT && addr_is_wildcard(address) &&
	    !(service->flags & FLAG_IPV6)) {
		struct endpoint v4 = {.length = sizeof v4.at.in, .at.in.sin_family = AF_INET};
		addr_set_port(&v4, addr_port(address));
		socket->watch.fd = open_socket(service, &v4, why);
	}
	if (socket->watch.fd < 0)
		return -1;
	read_address(socket);
	return 0;
}

/* Opens all addresses, on one port if the kernel is to choose it. errno is EADDRINUSE where another try may help. */
static int open_all(struct listener *listener, struct reason *why) {
	const struct service *service = listener->service;
	unsigned chosen = 0;
	size_t missing = 0;
	for (size_t i = 0; i < service->address_count; i++) {
		struct listening_socket *socket = &listener->sockets[listener->socket_count];
		struct endpoint address = service->addresses[i];
		if (address.at.any.sa_family != AF_UNIX && addr_port(&address) == 0)
			addr_set_port(&address, chosen);
		if (open_address(socket, service, &address, why) == 0) {
			socket->configured = service->addresses[i];
			chosen = chosen ? chosen : addr_port(&socket->address);
			listener->socket_count++;
		} else if (service->any_loopback && is_missing(errno) &&
			   missing + 1 < service->address_count) {
			missing++;
		} else {
			int error = errno;
			close_sockets(listener);
			errno = chosen != 0 ? error : EIO;
			return -1;
		}
	}
	return 0;
}

/* Opens the sockets of a service. Returns its listener, or NULL and why. */
struct listener *listener_open(struct service *service, struct reason *why) {
	struct listener *listener = calloc(1, sizeof *listener);
	struct listening_socket *sockets = calloc(service->address_count, sizeof *sockets);
	if (listener == NULL || sockets == NULL) {
		free(listener);
		free(sockets);
		reason_set(why, "out of memory");
		return NULL;
	}
	listener->service = service;
	listener->sockets = sockets;
	for (int tries = 0; tries < PORT_TRIES; tries++) {
		if (open_all(listener, why) == 0)
			return listener;
		if (errno != EADDRINUSE || service->port != 0)
			break;
	}
	free(listener);
	free(sockets);
	return NULL;
}

/* Begins to watch the listener's sockets, takes it into the list, and says where it listens. Returns 0, or -1 for want of memory. */
int listener_start(struct listener *listener) {
	char text[ADDR_TEXT];
	for (size_t i = 0; i < listener->socket_count; i++) {
		struct listening_socket *socket = &listener->sockets[i];
		socket->listener = listener;
		socket->watch.ready = serve_comer;
		if (loop_watch(&socket->watch) < 0)
			return -1;
		log_notice("listening %s %s", listener->service->id, addr_format(&socket->address, text));
	}
	struct listener **last = &first;
	while (*last != NULL)
		last = &(*last)->next;
	*last = listener;
	return 0;
}

/* Looks away from the sockets, so that who comes waits in the backlog, or looks again. */
void listener_pause(struct listener *listener, bool paused) {
	if (listener->paused == paused)
		return;
	listener->paused = paused;
	for (size_t i = 0; i < listener->socket_count; i++)
		loop_pause(&listener->sockets[i].watch, paused);
}

/* Closes the sockets. The listener stays for the children that it counts. */
void listener_retire(struct listener *listener) {
	listener->retired = true;
	for (size_t i = 0; i < listener->socket_count; i++) {
		loop_unwatch(&listener->sockets[i].watch);
		if (listener->sockets[i].address.at.any.sa_family == AF_UNIX)
			unlink(listener->sockets[i].address.at.un.sun_path);
	}
	close_sockets(listener);
}

/*
 * socket: one listening (or datagram) socket: opened, or taken from the inherited ones (inherited.c).
 */
#include "server.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

static int set_option(int fd, int level, int option, int value) {
	return setsockopt(fd, level, option, &value, sizeof value);
}

/* Removes a path that a server left behind. It is an error if a server still answers there, or if it is no socket. */
static int clear_path(const struct endpoint *address, int socket_type, struct error *error) {
	const char *path = address->at.un.sun_path;
	struct stat about;
	if (lstat(path, &about) < 0) return 0;
	if (!S_ISSOCK(about.st_mode)) return error_set(error, "%s: in the way, and not a socket", path);
	int probe = sys_socket(AF_UNIX, socket_type, 0);
	int answered = connect(probe, &address->at.any, address->length);
	int saved = errno;
	close(probe);
	if (answered == 0 || saved != ECONNREFUSED)
		return error_set(error, "%s: %s", path, strerror(answered == 0 ? EADDRINUSE : saved));
	return unlink(path) < 0 ? error_set(error, "%s: %s", path, strerror(errno)) : 0;
}

/* Sets the mode and owner of a path, which decide who may connect. A supervisor's path is left alone. */
static int set_path(const struct service *service, const struct endpoint *address, enum socket_owner owner) {
	const struct identity *user = &service->socket_user;
	const char *path = address->at.un.sun_path;
	if (address->at.any.sa_family != AF_UNIX || owner == SOCKET_PASSED) return 0;
	if (chmod(path, (mode_t)service->socket_mode) < 0) return -1;
	return user->set ? chown(path, user->uid, user->group_set ? user->gid : (gid_t)-1) : 0;
}

/* A path is created with its mode, so that at no time others may connect. */
static int bind_at(int fd, const struct service *service, const struct endpoint *address) {
	mode_t saved = umask((mode_t)(~service->socket_mode & 0777));
	int bound = bind(fd, &address->at.any, address->length);
	umask(saved);
	return bound < 0 ? bound : set_path(service, address, SOCKET_OWN);
}

static int set_options(int fd, const struct service *service, const struct endpoint *address) {
	int family = address->at.any.sa_family;
	bool only_v6 = service->v6only || !addr_is_wildcard(address);
	if (family != AF_UNIX && set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0) return -1;
	return family == AF_INET6 ? set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, only_v6) : 0;
}

/* Options that connections take from their listening socket. A supervisor's are kept, unless the service sets them. */
static void set_flags(int fd, const struct service *service, enum socket_owner owner) {
	bool is_delayed = !(service->flags & FLAG_NODELAY), is_kept = service->flags & FLAG_KEEPALIVE;
	if (service->socket_type != SOCK_STREAM) return;
	if (owner != SOCKET_PASSED || !is_delayed) set_option(fd, IPPROTO_TCP, TCP_NODELAY, !is_delayed);
	if (owner != SOCKET_PASSED || is_kept) set_option(fd, SOL_SOCKET, SO_KEEPALIVE, is_kept);
}

/* Listens, and sets what may differ after a reload. A socket that the program gets itself blocks, as programs expect. */
static int set_up(int fd, const struct service *service, enum socket_owner owner) {
	int flags = fcntl(fd, F_GETFL);
	set_flags(fd, service, owner);
	flags = service->wait ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
	if (fcntl(fd, F_SETFL, flags) < 0) return -1;
	bool is_connected = service->socket_type == SOCK_STREAM || service->socket_type == SOCK_SEQPACKET;
	return is_connected ? listen(fd, (int)service->backlog) : 0;
}

/*
 * Opens a socket at the address. With `only_bind`, it does not listen, so that no client can connect. Returns the
 * descriptor, or -1 with errno and an error.
 */
static int open_new(
    const struct service *service, const struct endpoint *address, bool only_bind, struct error *error) {
	char text[ADDR_TEXT];
	int family = address->at.any.sa_family, type = (int)service->socket_type;
	if (family == AF_UNIX && clear_path(address, type, error) < 0) {
		errno = EEXIST;
		return -1;
	}
	int fd = sys_socket(family, type, family == AF_UNIX ? 0 : service->protocol_number);
	if (fd >= 0 && set_options(fd, service, address) == 0 && bind_at(fd, service, address) == 0 &&
	    (only_bind || set_up(fd, service, SOCKET_OWN) == 0))
		return fd;
	int saved = errno;
	if (fd >= 0) close(fd);
	error_set(error, "cannot listen on %s: %s", addr_format(address, text), strerror(saved));
	errno = saved;
	return -1;
}

/* Whether an IPv6 socket for every interface takes IPv4, or not, as the service needs it. That cannot be changed later. */
static bool has_families(int fd, const struct service *service, const struct endpoint *address) {
	int only_v6 = 0;
	socklen_t length = sizeof only_v6;
	if (address->at.any.sa_family != AF_INET6 || !addr_is_wildcard(address)) return true;
	return getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, &length) < 0 || only_v6 == service->v6only;
}

static bool fits(
    const struct inherited_socket *inherited, const struct service *service, const struct endpoint *address) {
	if (inherited->type != service->socket_type) return false;
	bool is_any_port = addr_port(address) == 0 && address->at.any.sa_family != AF_UNIX;
	if (is_any_port && strcmp(inherited->name, service->id) != 0) return false; /* many services have port 0 */
	bool is_equal = addr_equal(&inherited->configured, address);
	if (inherited->owner != SOCKET_PASSED) return is_equal && has_families(inherited->fd, service, address);
	bool both_wild = addr_is_wildcard(&inherited->configured) && addr_is_wildcard(address);
	return is_equal ||
	       (both_wild && addr_port(address) != 0 && addr_port(&inherited->configured) == addr_port(address));
}

/* Takes an inherited socket that fits, if there is one. Returns the descriptor, or -1. */
static int take(const struct service *service, const struct endpoint *address) {
	struct inherited_socket *inherited = inherited_first();
	while (inherited != NULL && !fits(inherited, service, address)) inherited = inherited->next;
	if (inherited == NULL) return -1;
	enum socket_owner owner = inherited->owner;
	int fd = owner == SOCKET_OWN ? inherited->fd : fcntl(inherited->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	inherited->is_used = true;
	if (owner == SOCKET_OWN) inherited_remove(inherited);
	if (fd >= 0 && (set_up(fd, service, owner) < 0 || set_path(service, address, owner) < 0))
		log_warning("%s: %s", service->id, strerror(errno));
	return fd;
}

/*
 * Shuts down a socket that the service will not use any more, if its address or its families conflict with a new one. Its
 * copies end with it, so a supervisor's socket is left alone. Returns whether it did.
 */
bool socket_shutdown_conflicting(int fd, const struct endpoint *configured, const struct service *service) {
	bool is_wanted = false, conflicts = false;
	struct endpoint own;
	addr_read_local(fd, &own);
	if (inherited_is_passed(&own)) return false;
	for (size_t i = 0; i < service->address_count; i++) {
		const struct endpoint *address = &service->addresses[i];
		is_wanted |= addr_equal(configured, address) && has_families(fd, service, address);
		conflicts |= addr_port(configured) == addr_port(address);
	}
	return !is_wanted && conflicts && addr_port(configured) != 0 && shutdown(fd, SHUT_RDWR) == 0;
}

/* Whether socket_open would succeed; no client can connect meanwhile. Returns 0, or -1 and an error. */
int socket_check(const struct service *service, const struct endpoint *configured, struct error *error) {
	for (const struct inherited_socket *inherited = inherited_first(); inherited != NULL;
	     inherited = inherited->next)
		if (fits(inherited, service, configured) ||
		    (inherited->owner == SOCKET_OWN && strcmp(inherited->name, service->id) == 0 &&
			addr_port(configured) != 0 && addr_port(&inherited->configured) == addr_port(configured)))
			return 0; /* it can be taken, or will be shut down */
	if (configured->at.any.sa_family == AF_UNIX) return 0;
	int fd = open_new(service, configured, true, error);
	if (fd < 0) return errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT ? 0 : -1;
	close(fd);
	return 0;
}

/* Moves a descriptor to the numbers that a child does not copy (run_program), if there are so many. */
static int move_up(int fd) {
	int saved = errno, moved = fd < 0 || fd >= LISTENING_FROM ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, LISTENING_FROM);
	if (moved >= 0) close(fd);
	errno = saved;
	return moved >= 0 ? moved : fd;
}

/*
 * A socket for the service at the address: an inherited one, or a new one, at `port` if the kernel chooses the port. Where
 * there is no IPv6, every interface of IPv6 falls back to every interface of IPv4. Returns the descriptor, or -1 with errno
 * and an error.
 */
int socket_open(const struct service *service, const struct endpoint *configured, unsigned port, struct error *error) {
	struct endpoint address = *configured;
	int fd = take(service, configured);
	if (fd >= 0) return move_up(fd);
	if (addr_port(&address) == 0) addr_set_port(&address, port);
	fd = open_new(service, &address, false, error);
	bool lacks_v6 = errno == EAFNOSUPPORT || service->socket_type == SOCK_RAW;
	if (fd < 0 && lacks_v6 && addr_is_wildcard(&address) && !(service->flags & FLAG_IPV6)) {
		address = (struct endpoint){.length = sizeof address.at.in, .at.in.sin_family = AF_INET};
		addr_set_port(&address, addr_port(configured) ? addr_port(configured) : port);
		fd = open_new(service, &address, false, error);
	}
	return move_up(fd);
}

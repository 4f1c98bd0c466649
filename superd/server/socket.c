/* SPDX-License-Identifier: ISC */
/*
 * socket: one listening (or datagram) socket: whether it is what a service needs, how it is opened, set up and closed. Of
 * a socket that a supervisor passed, the listener has a copy; its path and options stay the supervisor's.
 */
#include "server.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>

enum { PATH_SIZE = sizeof((struct sockaddr_un *)NULL)->sun_path + 1, MOST_EMPTY_WAKES = 16, EMPTY_PAUSE_MS = 1000 };

static int set_option(int fd, int level, int option, int value) {
	return setsockopt(fd, level, option, &value, sizeof value);
}

/* The value of an option, or -1 and errno. */
static int get_option(int fd, int level, int option) {
	int value;
	socklen_t length = sizeof value;
	return getsockopt(fd, level, option, &value, &length) < 0 ? -1 : value;
}

/* Moves a descriptor to the numbers that a child does not copy (run_program), if there are so many. Returns it. */
static int move_up(int fd) {
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, LISTENING_FROM);
	if (copy < 0) return fd;
	close(fd);
	return copy;
}

/* Notes the address that an open socket has, and of a path that is superd's the device and inode, unless they are known. */
void socket_identify(struct listening_socket *socket) {
	struct stat about;
	addr_read_local(socket->watch.fd, &socket->address);
	int type = get_option(socket->watch.fd, SOL_SOCKET, SO_TYPE);
	struct inherited_socket *passed = inherited_at(&socket->address, type);
	socket->passed = passed != NULL && addr_equal(&passed->address, &socket->address) ? passed : NULL;
	if (socket->address.at.any.sa_family != AF_UNIX || socket->passed != NULL || socket->inode != 0) return;
	if (sys_find_file(socket->watch.fd, socket->address.at.un.sun_path, &about) < 0) return;
	if (!S_ISSOCK(about.st_mode)) return;
	socket->device = about.st_dev;
	socket->inode = about.st_ino;
}

/* Whether an IPv6 socket for every interface takes IPv4, or not, as the service needs it. That cannot be changed later. */
static bool has_families(int fd, const struct service *service, const struct endpoint *address) {
	if (address->at.any.sa_family != AF_INET6 || !addr_is_wildcard(address)) return true;
	int only_v6 = get_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	return only_v6 < 0 || only_v6 == service->v6only;
}

/* The owner of a path: superd itself, unless the service names one. */
static uid_t owner_of(const struct service *service) {
	return service->socket_user.set ? service->socket_user.uid : geteuid();
}

static gid_t group_of(const struct service *service) {
	return service->socket_user.group_set ? service->socket_user.gid : getegid();
}

/* Whether others than the service admits may have connected at the socket's path, and wait there. */
static bool admits_others(const struct listening_socket *socket, const struct service *service) {
	struct stat about;
	if (socket->inode == 0) return false;
	if (sys_find_file(socket->watch.fd, socket->address.at.un.sun_path, &about) < 0) return true;
	return (about.st_mode & 0777 & ~(mode_t)service->socket_mode) != 0 || about.st_uid != owner_of(service) ||
	       about.st_gid != group_of(service);
}

/* Whether a listener's socket is what the service needs at that address. Many services have port 0: the id must match. */
bool socket_fits(
    const struct listening_socket *socket, const struct service *service, const struct endpoint *configured) {
	int fd = socket->watch.fd;
	bool is_any_port = configured->at.any.sa_family != AF_UNIX && addr_port(configured) == 0;
	return fd >= 0 && addr_equal(&socket->configured, configured) &&
	       get_option(fd, SOL_SOCKET, SO_TYPE) == service->socket_type && has_families(fd, service, configured) &&
	       !admits_others(socket, service) && (service->wait || socket->passed != NULL || !socket->is_shared) &&
	       (!is_any_port || strcmp(socket->listener->service->id, service->id) == 0);
}

/* A socket for that address of the service: a copy of one that a supervisor passed, or one to be opened by socket_open. */
struct listening_socket *socket_new(const struct service *service, const struct endpoint *configured) {
	struct listening_socket *socket = mem_new(sizeof *socket);
	struct inherited_socket *passed = inherited_at(configured, (int)service->socket_type);
	socket->configured = socket->address = *configured;
	bool is_free = passed != NULL && !passed->is_used; /* else the address is in use */
	socket->watch.fd = !is_free ? -1 : fcntl(passed->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (socket->watch.fd < 0) return socket;
	socket->watch.fd = move_up(socket->watch.fd);
	passed->is_used = true;
	socket_identify(socket);
	return socket;
}

/* The service of these goes on, so that no other gets those of them that are the supervisor's. */
void socket_keep_all(const struct listening_socket *socket) {
	for (; socket != NULL; socket = socket->next)
		if (socket->passed != NULL) socket->passed->is_used = true;
}

/* The folder of a path, with a slash at its end. Returns `text`. */
static const char *folder_of(const char *path, char text[PATH_SIZE]) {
	snprintf(text, PATH_SIZE, "%.*s", (int)(strrchr(path, '/') + 1 - path), path);
	return text;
}

/*
 * Opens the folder of a path, if that file is in it. What is done there then is done in this folder, although another user may
 * exchange it for another one. Returns the descriptor, or -1.
 */
static int open_folder_with(const char *path, dev_t device, ino_t inode) {
	char text[PATH_SIZE];
	struct stat about;
	int folder = sys_open_folder(AT_FDCWD, folder_of(path, text));
	if (folder < 0) return -1;
	bool is_there = fstatat(folder, strrchr(path, '/') + 1, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
			about.st_dev == device && about.st_ino == inode;
	if (is_there) return folder;
	close(folder);
	return -1;
}

/* Removes a path, if it is still that file. */
static void remove_path(const char *path, dev_t device, ino_t inode) {
	int folder = open_folder_with(path, device, inode);
	if (folder < 0) return;
	unlinkat(folder, strrchr(path, '/') + 1, 0);
	close(folder);
}

/* Whether what is at the socket's path is the socket, and not one that another server has bound there. */
bool socket_has_path(const struct listening_socket *socket) {
	if (socket->inode == 0) return false;
	int folder = open_folder_with(socket->address.at.un.sun_path, socket->device, socket->inode);
	if (folder >= 0) close(folder);
	return folder >= 0;
}

/*
 * Whether a socket may be bound at a path: there is none, and superd may make one; or a server that has ended left it, which is
 * `found` then. A server that answers, or whose backlog is full, uses it. Returns 0, or -1 and errno.
 */
static int check_path(const struct endpoint *address, int type, struct stat *found) {
	char folder[PATH_SIZE];
	*found = (struct stat){.st_ino = 0};
	if (address->at.any.sa_family != AF_UNIX) return 0;
	if (lstat(address->at.un.sun_path, found) < 0 && errno == ENOENT)
		return faccessat(AT_FDCWD, folder_of(address->at.un.sun_path, folder), W_OK | X_OK, AT_EACCESS);
	if (found->st_ino == 0) return -1;
	int probe = S_ISSOCK(found->st_mode) ? sys_socket(AF_UNIX, type, 0) : -1;
	if (!S_ISSOCK(found->st_mode)) errno = EEXIST;
	if (probe < 0) return -1;
	fcntl(probe, F_SETFL, O_NONBLOCK);
	int failure = connect(probe, &address->at.any, address->length) < 0 ? errno : EADDRINUSE;
	close(probe);
	errno = failure == EAGAIN || failure == EPROTOTYPE ? EADDRINUSE : failure;
	return failure == ECONNREFUSED ? 0 : -1;
}

/*
 * A path is created with its mode, so that at no time others may connect; for datagrams with none, since a socket for them takes
 * clients before it has its owner, not only when it listens.
 */
static int bind_at(int fd, const struct service *service, const struct endpoint *address, bool is_replacing) {
	int family = address->at.any.sa_family;
	bool only_v6 = service->v6only || !addr_is_wildcard(address), is_dgram = service->socket_type == SOCK_DGRAM;
	mode_t mode = is_dgram ? 0 : (mode_t)service->socket_mode;
	bool reuses =
	    family != AF_UNIX && (!is_dgram || is_replacing); /* else any user could share it, and take datagrams */
	if (reuses && set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0) return -1;
	if (family == AF_INET6 && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, only_v6) < 0) return -1;
	mode_t saved = umask(~mode & 0777);
	int bound = bind(fd, &address->at.any, address->length);
	umask(saved);
	if (reuses && is_dgram) set_option(fd, SOL_SOCKET, SO_REUSEADDR, 0);
	return bound;
}

/* A socket that is bound at the address, at which no client can connect yet. Returns the descriptor, or -1 and errno. */
static int open_bound(const struct service *service, const struct endpoint *address, bool is_replacing) {
	int family = address->at.any.sa_family, type = (int)service->socket_type;
	struct stat found;
	if (check_path(address, type, &found) < 0) return -1;
	if (found.st_ino != 0) remove_path(address->at.un.sun_path, found.st_dev, found.st_ino);
	int fd = sys_socket(family, type, family == AF_UNIX ? 0 : service->protocol_number);
	if (fd < 0) return -1;
	if (bind_at(fd, service, address, is_replacing) == 0) return move_up(fd);
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* Sets who may connect at a path that is superd's. */
static int set_path(const struct listening_socket *socket, const struct service *service) {
	mode_t mode = (mode_t)service->socket_mode;
	if (socket->inode == 0) return 0;
	return sys_set_path(
	    socket->address.at.un.sun_path, socket->device, socket->inode, mode, owner_of(service), group_of(service));
}

/*
 * Listens, and sets what depends on the service. Connections have NODELAY and KEEPALIVE from their listening socket; those
 * of a supervisor's socket are kept, unless the service sets them. A socket that the program gets itself blocks, as
 * programs expect. Returns 0, or -1 and errno.
 */
int socket_set_up(const struct listening_socket *socket, const struct service *service) {
	int fd = socket->watch.fd, flags = fcntl(fd, F_GETFL);
	bool is_stream = service->socket_type == SOCK_STREAM, is_seqpacket = service->socket_type == SOCK_SEQPACKET;
	bool no_delay = service->flags & FLAG_NODELAY, keep_alive = service->flags & FLAG_KEEPALIVE;
	if (is_stream && (no_delay || socket->passed == NULL)) set_option(fd, IPPROTO_TCP, TCP_NODELAY, no_delay);
	if (is_stream && (keep_alive || socket->passed == NULL)) set_option(fd, SOL_SOCKET, SO_KEEPALIVE, keep_alive);
	if (fcntl(fd, F_SETFL, service->wait ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) < 0) return -1;
	if (set_path(socket, service) < 0) return -1;
	return is_stream || is_seqpacket ? listen(fd, (int)service->backlog) : 0;
}

/* Reports that an address cannot be opened, for the reason in errno. Returns -1 and the same errno. */
static int fail(const struct endpoint *address, struct error *error) {
	char text[ADDR_TEXT];
	int saved = errno;
	bool is_reserved = saved == EACCES && addr_port(address) != 0 && addr_port(address) < IPPORT_RESERVED;
	error_set(error, "cannot listen on %s: %s%s", addr_format(address, text), strerror(saved),
	    is_reserved ? "; see RUNNING WITHOUT ROOT in superd(8)" : "");
	errno = saved;
	return -1;
}

/*
 * Opens the socket at its address. Where there is no IPv6, every interface of IPv6 falls back to every interface of IPv4.
 * Returns 0, or -1 with errno and an error.
 */
int socket_open(struct listening_socket *socket, const struct service *service, struct error *error) {
	struct endpoint wanted = socket->address;
	int fd = open_bound(service, &wanted, socket->is_replacing);
	bool lacks_v6 = fd < 0 && (errno == EAFNOSUPPORT || service->socket_type == SOCK_RAW);
	if (lacks_v6 && addr_is_wildcard(&wanted) && !(service->flags & FLAG_IPV6)) {
		wanted = (struct endpoint){.length = sizeof wanted.at.in, .at.in.sin_family = AF_INET};
		addr_set_port(&wanted, addr_port(&socket->address));
		fd = open_bound(service, &wanted, socket->is_replacing);
	}
	if (fd < 0) return fail(&wanted, error);
	socket->watch.fd = fd;
	socket_identify(socket);
	if (socket_set_up(socket, service) == 0) return 0;
	int saved = errno;
	socket_close(socket);
	socket->address = wanted;
	errno = saved;
	return fail(&wanted, error);
}

/* Opens a socket at another name in the folder of a path, and closes it again. Returns 0, or -1 and an error. */
static int try_folder(const struct endpoint *address, const struct service *service, struct error *error) {
	struct listening_socket trial = {.watch.fd = -1};
	char path[PATH_SIZE + 24], folder[PATH_SIZE];
	snprintf(path, sizeof path, "%s.%ld", folder_of(address->at.un.sun_path, folder), (long)getpid());
	if (addr_from_path(path, &trial.address, error) < 0) return 0; /* too long: it stays untried */
	if (socket_open(&trial, service, error) < 0) return -1;
	socket_close(&trial);
	return 0;
}

/* Whether socket_open would succeed; no client can connect to the address meanwhile. Returns 0, or -1 and an error. */
int socket_check(const struct listening_socket *socket, const struct service *service, struct error *error) {
	const struct endpoint *address = &socket->address;
	bool is_path = address->at.any.sa_family == AF_UNIX;
	struct stat found;
	int fd = is_path ? check_path(address, (int)service->socket_type, &found) : open_bound(service, address, false);
	if (fd < 0 && errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT) return fail(address, error);
	if (fd > 0) close(fd);
	return is_path ? try_folder(address, service, error) : 0;
}

/* Closes the socket. Its path is removed, if it is its own. */
void socket_close(struct listening_socket *socket) {
	if (socket->watch.fd < 0) return;
	loop_unwatch(&socket->watch);
	if (socket->inode != 0) remove_path(socket->address.at.un.sun_path, socket->device, socket->inode);
	loop_limit_waits();
	close(socket->watch.fd);
	socket->watch.fd = -1;
	socket->inode = 0;
	socket->is_shared = false;
}

/*
 * Closes a socket because of which another, which is to be opened, has no address. A program with wait = yes may have a copy: a
 * copy of a listening socket is shut down, and one of datagrams shares the address with the next socket, and no other.
 */
void socket_make_way(struct listening_socket *socket, struct listening_socket *next) {
	set_option(socket->watch.fd, SOL_SOCKET, SO_REUSEADDR, 1);
	shutdown(socket->watch.fd, SHUT_RDWR);
	socket_close(socket);
	next->is_replacing = true;
}

/* Whether a client, or a datagram, has arrived at the socket. */
bool socket_is_readable(const struct listening_socket *socket) {
	struct pollfd polled = {.fd = socket->watch.fd, .events = POLLIN};
	return poll(&polled, 1, 0) > 0;
}

/*
 * The program gets the socket itself. The sender of a datagram is known, that of a connection is not. Returns -1 if there is no
 * datagram; one that was damaged may have been there, but more than a few wake superd for another reason.
 */
int socket_peek(struct client *client) {
	struct listener *listener = client->listener;
	if (listener->service->socket_type != SOCK_DGRAM) return 0;
	if (sys_peek_sender(client->fd, &client->peer) < 0) {
		if (++listener->empty_wakes > MOST_EMPTY_WAKES) listener->closed_until = loop_now() + EMPTY_PAUSE_MS;
		return -1;
	}
	listener->empty_wakes = 0;
	if (client->peer.length > 0) client->source = addr_source(&client->peer, client->uid);
	return 0;
}

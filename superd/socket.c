/*
 * socket: one listening (or datagram) socket: made, or taken from those that are at hand. At hand are what a
 * supervisor or an earlier image of superd handed over, and during a reload what is open already.
 */
#include "superd.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

static struct spare *spares;

static int set_option(int fd, int level, int option, int value) {
	return setsockopt(fd, level, option, &value, sizeof value);
}

/* A path that a server left behind when it went is in the way; one where a server answers is not to be touched. */
static int clear_path(const struct endpoint *address, int socket_type, struct reason *why) {
	const char *path = address->at.un.sun_path;
	struct stat about;
	if (lstat(path, &about) < 0) return 0;
	if (!S_ISSOCK(about.st_mode)) return reason_set(why, "%s: in the way, and not a socket", path);
	int probe = sys_socket(AF_UNIX, socket_type, 0);
	int answered = connect(probe, &address->at.any, address->length);
	int error = errno;
	close(probe);
	if (answered == 0 || error != ECONNREFUSED)
		return reason_set(why, "%s: %s", path, strerror(answered == 0 ? EADDRINUSE : error));
	return unlink(path) < 0 ? reason_set(why, "%s: %s", path, strerror(errno)) : 0;
}

/* Who may connect at a path. A supervisor's is its own. */
static int set_path(const struct service *service, const struct endpoint *address, enum socket_owner owner) {
	const struct identity *user = &service->socket_user;
	const char *path = address->at.un.sun_path;
	if (address->at.any.sa_family != AF_UNIX || owner == SOCKET_HANDED) return 0;
	if (chmod(path, (mode_t)service->socket_mode) < 0) return -1;
	return user->set ? chown(path, user->uid, user->group_set ? user->gid : (gid_t)-1) : 0;
}

/* A path is made with its mode, so that at no time more may connect. */
static int bind_at(int fd, const struct service *service, const struct endpoint *address) {
	mode_t saved = umask((mode_t)(~service->socket_mode & 0777));
	int bound = bind(fd, &address->at.any, address->length);
	umask(saved);
	return bound < 0 ? bound : set_path(service, address, SOCKET_OWNED);
}

static int set_options(int fd, const struct service *service, const struct endpoint *address) {
	int family = address->at.any.sa_family;
	bool only_v6 = service->v6only || !addr_is_wildcard(address);
	if (family != AF_UNIX && set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0) return -1;
	return family == AF_INET6 ? set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, only_v6) : 0;
}

/* What connections have from their socket. A supervisor has its own word in that, unless the service says so, too. */
static void set_flags(int fd, const struct service *service, enum socket_owner owner) {
	bool is_delayed = !(service->flags & FLAG_NODELAY), is_kept = service->flags & FLAG_KEEPALIVE;
	if (service->socket_type != SOCK_STREAM) return;
	if (owner != SOCKET_HANDED || !is_delayed) set_option(fd, IPPROTO_TCP, TCP_NODELAY, !is_delayed);
	if (owner != SOCKET_HANDED || is_kept) set_option(fd, SOL_SOCKET, SO_KEEPALIVE, is_kept);
}

/* Listens, and sets what may differ after a reload. A socket that is handed over whole blocks, as programs expect. */
static int set_up(int fd, const struct service *service, enum socket_owner owner) {
	int flags = fcntl(fd, F_GETFL);
	set_flags(fd, service, owner);
	flags = service->wait ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
	if (fcntl(fd, F_SETFL, flags) < 0) return -1;
	bool is_connected = service->socket_type == SOCK_STREAM || service->socket_type == SOCK_SEQPACKET;
	return is_connected ? listen(fd, (int)service->backlog) : 0;
}

/*
 * Makes a socket at the address; nobody can connect to one that is only `tried`. Returns the descriptor, or -1 with
 * errno and why.
 */
static int make(const struct service *service, const struct endpoint *address, bool tried, struct reason *why) {
	char text[ADDR_TEXT];
	int family = address->at.any.sa_family, type = (int)service->socket_type;
	if (family == AF_UNIX && clear_path(address, type, why) < 0) {
		errno = EEXIST;
		return -1;
	}
	int fd = sys_socket(family, type, family == AF_UNIX ? 0 : service->protocol_number);
	if (fd >= 0 && set_options(fd, service, address) == 0 && bind_at(fd, service, address) == 0 &&
	    (tried || set_up(fd, service, SOCKET_OWNED) == 0))
		return fd;
	int error = errno;
	if (fd >= 0) close(fd);
	reason_set(why, "cannot listen on %s: %s", addr_format(address, text), strerror(error));
	errno = error;
	return -1;
}

/* Keeps a socket at hand: under the address that it was asked for with, or NULL for the one it has, and a name or "". */
void socket_offer(int fd, enum socket_owner owner, const struct endpoint *configured, const char *name) {
	struct spare *spare = calloc(1, sizeof *spare);
	socklen_t length = sizeof spare->type;
	if (spare == NULL) return;
	*spare = (struct spare){.next = spares, .fd = fd, .owner = owner};
	snprintf(spare->name, sizeof spare->name, "%s", name);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &spare->type, &length);
	if (configured != NULL)
		spare->configured = *configured;
	else
		socket_read_address(fd, &spare->configured);
	spares = spare;
}

/* The nth, from 0, of the sockets that were handed over, or of those with that name; NULL past the last. */
const struct spare *socket_handed(size_t nth, const char *name) {
	for (const struct spare *spare = spares; spare != NULL; spare = spare->next)
		if (spare->owner == SOCKET_HANDED && (name == NULL || strcmp(spare->name, name) == 0) && nth-- == 0)
			return spare;
	return NULL;
}

/* Whether a supervisor has a socket at that address, whose path is then its own. */
bool socket_is_handed(const struct endpoint *address) {
	const struct spare *handed;
	for (size_t nth = 0; (handed = socket_handed(nth, NULL)) != NULL; nth++)
		if (addr_equal(&handed->configured, address)) return true;
	return false;
}

/* Whether every interface's IPv6 socket takes IPv4 as the service wants it, which cannot be changed any more. */
static bool has_families(int fd, const struct service *service, const struct endpoint *address) {
	int only_v6 = 0;
	socklen_t length = sizeof only_v6;
	if (address->at.any.sa_family != AF_INET6 || !addr_is_wildcard(address)) return true;
	return getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, &length) < 0 || only_v6 == service->v6only;
}

static bool fits(const struct spare *spare, const struct service *service, const struct endpoint *address) {
	if (spare->type != service->socket_type) return false;
	bool is_any_port = addr_port(address) == 0 && address->at.any.sa_family != AF_UNIX;
	if (is_any_port && strcmp(spare->name, service->id) != 0) return false; /* many have asked for that */
	bool is_equal = addr_equal(&spare->configured, address);
	if (spare->owner != SOCKET_HANDED) return is_equal && has_families(spare->fd, service, address);
	bool both_wild = addr_is_wildcard(&spare->configured) && addr_is_wildcard(address);
	return is_equal ||
	       (both_wild && addr_port(address) != 0 && addr_port(&spare->configured) == addr_port(address));
}

static void drop(struct spare **link) {
	struct spare *spare = *link;
	*link = spare->next;
	free(spare);
}

static int take(const struct service *service, const struct endpoint *address) {
	for (struct spare **link = &spares; *link != NULL; link = &(*link)->next) {
		if (!fits(*link, service, address)) continue;
		enum socket_owner owner = (*link)->owner;
		int fd = owner == SOCKET_OWNED ? (*link)->fd : fcntl((*link)->fd, F_DUPFD_CLOEXEC, 3);
		(*link)->taken = true;
		if (owner == SOCKET_OWNED) drop(link);
		if (fd >= 0 && (set_up(fd, service, owner) < 0 || set_path(service, address, owner) < 0))
			log_warning("%s: %s", service->id, strerror(errno));
		return fd;
	}
	return -1;
}

/*
 * Ends the listening of a socket of ours that the service will have no more: at an address that is in the way of a new
 * one, or with families that are. Its copies end with it, so a supervisor's is let be. Returns whether it was one.
 */
bool socket_make_way(int fd, const struct endpoint *configured, const struct service *service) {
	bool is_wanted = false, is_in_the_way = false;
	struct endpoint own;
	socket_read_address(fd, &own);
	if (socket_is_handed(&own)) return false;
	for (size_t i = 0; i < service->address_count; i++) {
		const struct endpoint *address = &service->addresses[i];
		is_wanted |= addr_equal(configured, address) && has_families(fd, service, address);
		is_in_the_way |= addr_port(configured) == addr_port(address);
	}
	return !is_wanted && is_in_the_way && addr_port(configured) != 0 && shutdown(fd, SHUT_RDWR) == 0;
}

/* Closes what is at hand at that port and has nobody to serve: it is in the way. */
static bool give_way(unsigned port) {
	for (struct spare **link = &spares; *link != NULL; link = &(*link)->next) {
		const struct spare *spare = *link;
		if (spare->owner != SOCKET_OWNED || port == 0 || addr_port(&spare->configured) != port) continue;
		if (listener_find(spare->name, 0) != NULL) continue;
		close(spare->fd);
		drop(link);
		return true;
	}
	return false;
}

/* Forgets all that is at hand from that owner; what is superd's own is closed. */
void socket_drop_offers(enum socket_owner owner) {
	for (struct spare **link = &spares; *link != NULL;) {
		if ((*link)->owner != owner) {
			link = &(*link)->next;
			continue;
		}
		if (owner == SOCKET_OWNED) close((*link)->fd);
		drop(link);
	}
}

/* What the kernel made of the address: the port, where it was to choose one. */
void socket_read_address(int fd, struct endpoint *address) {
	*address = (struct endpoint){.length = sizeof address->at};
	getsockname(fd, &address->at.any, &address->length);
}

/* Whether socket_open would find or make a socket; nobody can connect to what is tried. Returns 0, or -1 and why. */
int socket_check(const struct service *service, const struct endpoint *configured, struct reason *why) {
	for (const struct spare *spare = spares; spare != NULL; spare = spare->next)
		if (fits(spare, service, configured) ||
		    (spare->owner == SOCKET_OWNED && strcmp(spare->name, service->id) == 0 &&
			addr_port(configured) != 0 && addr_port(&spare->configured) == addr_port(configured)))
			return 0; /* at hand, or will make way */
	if (configured->at.any.sa_family == AF_UNIX) return 0;
	int fd = make(service, configured, true, why);
	if (fd < 0) return errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT ? 0 : -1;
	close(fd);
	return 0;
}

/* Moves a descriptor out of the way of those that a child needs (sys_own_descriptors), if that is to be had. */
static int lift(int fd) {
	int error = errno, lifted = fd < 0 || fd >= LISTENING_FROM ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, LISTENING_FROM);
	if (lifted >= 0) close(fd);
	errno = error;
	return lifted >= 0 ? lifted : fd;
}

/*
 * A socket for the service at the address: one at hand, or a new one, at `port` where the address leaves the port to the
 * kernel. Every interface of IPv6 falls back to those of IPv4 where there is no IPv6. Returns the descriptor, or -1
 * with errno and why.
 */
int socket_open(const struct service *service, const struct endpoint *configured, unsigned port, struct reason *why) {
	struct endpoint address = *configured;
	int fd = take(service, configured);
	if (fd >= 0) return lift(fd);
	if (addr_port(&address) == 0) addr_set_port(&address, port);
	do fd = make(service, &address, false, why);
	while (fd < 0 && errno == EADDRINUSE && give_way(addr_port(&address)));
	bool lacks_v6 = errno == EAFNOSUPPORT || service->socket_type == SOCK_RAW;
	if (fd < 0 && lacks_v6 && addr_is_wildcard(&address) && !(service->flags & FLAG_IPV6)) {
		address = (struct endpoint){.length = sizeof address.at.in, .at.in.sin_family = AF_INET};
		addr_set_port(&address, addr_port(configured) ? addr_port(configured) : port);
		fd = make(service, &address, false, why);
	}
	return lift(fd);
}

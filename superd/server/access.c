/* SPDX-License-Identifier: ISC */
/*
 * access: the verdict on a client by the time and by its address: access_times, the sensors, no_access and only_from. It
 * neither logs nor closes. The last SENSOR_MEMORY sources that sensors have seen are remembered here.
 */
#include "server.h"

#include <time.h>

enum { SENSOR_MEMORY = 4096, MINUTE_MS = 60 * 1000 };

static struct denied_source denied[SENSOR_MEMORY];

static size_t denied_count;

static struct hash denied_by_source;

static unsigned char internal_ports[(UINT16_MAX + 1) / CHAR_BIT]; /* a bit a port: an internal service listens there */

static uint64_t key_of(struct source source) { return hash_bytes(0, &source, sizeof source); }

/* Whether the time is one at which clients may connect. */
bool access_is_open(const struct times *times) {
	struct tm local;
	time_t now = time(NULL);
	if (times->count == 0) return true;
	localtime_r(&now, &local);
	int minute = local.tm_hour * 60 + local.tm_min;
	for (size_t i = 0; i < times->count; i++)
		if (minute >= times->spans[i].from && minute <= times->spans[i].to) return true;
	return false;
}

/* Every service refuses the source until then. */
void access_deny(struct source source, int64_t until) {
	struct denied_source *known = &denied[denied_count % SENSOR_MEMORY];
	if (denied_count++ >= SENSOR_MEMORY) hash_remove(&denied_by_source, &known->link);
	*known = (struct denied_source){.source = source, .until = until};
	hash_add(&denied_by_source, &known->link, key_of(source));
}

/* The nth, from 0, of the sources that sensors have seen, the oldest first, or NULL. */
const struct denied_source *access_denied(size_t nth) {
	size_t forgotten = denied_count > SENSOR_MEMORY ? denied_count - SENSOR_MEMORY : 0;
	return forgotten + nth < denied_count ? &denied[(forgotten + nth) % SENSOR_MEMORY] : NULL;
}

/* Whether a sensor has seen the source, and its deny_time is not over. */
static bool is_denied(struct source source) {
	struct hash_link *link = hash_find(&denied_by_source, key_of(source));
	for (; link != NULL; link = hash_find_next(link)) {
		const struct denied_source *known = CONTAINER(link, struct denied_source, link);
		if (addr_source_equal(known->source, source) && loop_now() < known->until) return true;
	}
	return false;
}

/* The verdict on a client by the time and by its address. A client of a sensor is denied from now on. */
enum verdict access_check(const struct client *client) {
	const struct service *service = client->listener->service;
	if (!access_is_open(&service->access_times)) return VERDICT_TIME;
	if (is_denied(client->source)) return VERDICT_SENSOR;
	if (!addr_lists_admit(service, client->source)) return VERDICT_ADDRESS;
	if (!(service->flags & FLAG_SENSOR)) return VERDICT_ALLOW;
	if (service->deny_time != DENY_NEVER)
		access_deny(client->source,
		    service->deny_time == DENY_FOREVER ? INT64_MAX : loop_now() + service->deny_time * MINUTE_MS);
	return VERDICT_SENSOR;
}

/*
 * Whether a client that has connected to an earlier service of the listener could connect to its present one. At a path, that is
 * so only if the socket is the same, since the path decides who may.
 */
static bool is_reachable(const struct client *client) {
	struct endpoint local; /* not client->local, which a PROXY header may have set */
	addr_read_local(client->fd, &local);
	const struct listening_socket *socket = client->listener->sockets;
	for (; socket != NULL; socket = socket->next) {
		bool is_within = addr_is_wildcard(&socket->address) && addr_port(&socket->address) == addr_port(&local);
		if (is_within || (addr_equal(&socket->address, &local) && socket->inode == client->path_inode))
			return true;
	}
	return false;
}

/* Whether the one that has connected may name another as its client in a PROXY header, or has not done that. */
static bool may_name(const struct client *client, bool has_named) {
	struct endpoint peer = {.length = sizeof peer.at};
	if (getpeername(client->fd, &peer.at.any, &peer.length) < 0) return true; /* it has gone */
	struct source source = addr_source(&peer, client->uid);
	return addr_list_matches(&client->listener->service->proxy_from, source) ||
	       (!has_named && addr_source_equal(source, client->source));
}

/* Makes a client one of the present service. Returns whether it was one of another: of before a reload or an upgrade. */
static bool catch_up(struct client *client) {
	uint64_t present = client->listener->service->fingerprint, before = client->admitted_by;
	client->admitted_by = present;
	return before != present;
}

/* The verdict on a client whose PROXY header has come: whether it may still send one, if its service has changed. */
enum verdict access_check_header(struct client *client) {
	bool is_good = !catch_up(client) || (is_reachable(client) && may_name(client, true));
	return is_good ? VERDICT_ALLOW : VERDICT_PROXY;
}

/* The verdict on an admitted client that has waited: where its service has changed, the present one decides again, with the DNS. */
enum verdict access_check_again(struct client *client) {
	if (!catch_up(client)) return VERDICT_ALLOW;
	client->is_confirmed = false;
	return is_reachable(client) && may_name(client, false) ? access_check(client) : VERDICT_ADDRESS;
}

/* Notes the ports of a listener, if superd itself answers there. */
void access_note_ports(const struct listener *listener) {
	if (listener->service->internal == INTERNAL_NONE) return;
	for (const struct listening_socket *socket = listener->sockets; socket != NULL; socket = socket->next) {
		unsigned port = addr_port(&socket->address);
		internal_ports[port / CHAR_BIT] |= (unsigned char)(1 << port % CHAR_BIT);
	}
}

/* Forgets the ports of all listeners. */
void access_forget_ports(void) { memset(internal_ports, 0, sizeof internal_ports); }

/*
 * Whether an internal service must not answer a datagram: a sensor has seen its sender, or the sender may answer the answer, so
 * that a forged datagram could set two services on each other for ever: at a well-known port, or at that of an internal service.
 */
bool access_refuses_answer(const struct endpoint *peer) {
	unsigned port = addr_port(peer);
	return port < IPPORT_RESERVED || internal_ports[port / CHAR_BIT] >> port % CHAR_BIT & 1 ||
	       is_denied(addr_source(peer, (uid_t)-1));
}

/* SPDX-License-Identifier: ISC */
/*
 * redirect: passes a connection on to another host, in a child. Each direction ends by itself: when one side stops sending,
 * that is passed on, and what the other side still sends goes through.
 */
#include "connection.h"

#include <poll.h>

enum { BUFFER = 65536 };

/* One of the two directions: what was read at `from` and is still to be written at `to`. */
struct direction {
	int from, to;
	bool is_shut;
	size_t begin, end;
	unsigned long long total;
	char bytes[BUFFER];
};

static struct direction there, back;

/* Reads if there is nothing to write, and writes, without waiting. Returns -1 if the connection was reset. */
static int move(struct direction *direction) {
	ssize_t length = 0;
	if (direction->begin == direction->end && !direction->is_shut) {
		length = sys_receive_nonblocking(direction->from, direction->bytes, sizeof direction->bytes);
		direction->is_shut = length == 0;
		if (length == 0) shutdown(direction->to, SHUT_WR);
		direction->begin = 0;
		direction->end = length > 0 ? (size_t)length : 0;
		direction->total += direction->end;
	}
	if (direction->begin < direction->end) {
		length = sys_send_nonblocking(
		    direction->to, direction->bytes + direction->begin, direction->end - direction->begin);
		direction->begin += length > 0 ? (size_t)length : 0;
	}
	return length < 0 && errno != EAGAIN && errno != EINTR ? -1 : 0;
}

/* What to wait for on the descriptor that `in` reads from and `out` writes to; for nothing, a hang-up would wake poll. */
static struct pollfd poll_of(const struct direction *in, const struct direction *out) {
	bool reads = in->begin == in->end && !in->is_shut, writes = out->begin < out->end;
	return (struct pollfd){
	    .fd = reads || writes ? in->from : -1, .events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0))};
}

static int pass(int remote) {
	there.from = back.to = STDIN_FILENO;
	there.to = back.from = remote;
	while (!there.is_shut || !back.is_shut) {
		struct pollfd polls[] = {poll_of(&there, &back), poll_of(&back, &there)};
		if (poll(polls, 2, -1) < 0 && errno != EINTR) return -1;
		if (move(&there) < 0 || move(&back) < 0) return -1;
	}
	return 0;
}

/* Connects descriptors 0 and 1 with the service's redirect. Returns the child's exit status. */
int redirect_run(const struct service *service) {
	const struct endpoint *to = &service->redirect.to;
	int remote = socket(to->at.any.sa_family, SOCK_STREAM, 0);
	if (remote < 0 || connect(remote, &to->at.any, to->length) < 0) {
		log_warning("%s: redirect to %s %s: %s", service->id, service->redirect.host, service->redirect.port,
		    strerror(errno));
		return 1;
	}
	int passed = pass(remote);
	log_traffic(service, there.total, back.total);
	return passed < 0;
}

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

static bool is_empty(const struct direction *direction) {
	return direction->begin == direction->end;
}

/* Reads if there is nothing to write, else writes, without waiting. Returns -1 if the connection was reset. */
static int move(struct direction *direction, short from_events, short to_events) {
	if (is_empty(direction) && from_events != 0) {
		ssize_t length = sys_receive_nonblocking(direction->from, direction->bytes, sizeof direction->bytes);
		direction->is_shut = length == 0;
		if (length == 0) shutdown(direction->to, SHUT_WR);
		if (length < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
		direction->begin = 0;
		direction->end = (size_t)length;
		direction->total += (unsigned long long)length;
	} else if (!is_empty(direction) && to_events != 0) {
		ssize_t length = sys_send_nonblocking(
		    direction->to, direction->bytes + direction->begin, direction->end - direction->begin);
		if (length < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
		direction->begin += (size_t)length;
	}
	return 0;
}

/* What to wait for on the descriptor that `in` reads from and `out` writes to. */
static short wanted(const struct direction *in, const struct direction *out) {
	return (short)((!in->is_shut && is_empty(in) ? POLLIN : 0) | (is_empty(out) ? 0 : POLLOUT));
}

static int pass(int remote) {
	there.from = back.to = STDIN_FILENO;
	there.to = back.from = remote;
	while (!there.is_shut || !back.is_shut) {
		struct pollfd polls[] = {{.fd = STDIN_FILENO, .events = wanted(&there, &back)},
		    {.fd = remote, .events = wanted(&back, &there)}};
		for (int i = 0; i < 2; i++)
			polls[i].fd =
			    polls[i].events != 0 ? polls[i].fd : -1; /* a hang-up would wake poll for nothing */
		if (poll(polls, 2, -1) < 0 && errno != EINTR) return -1;
		if ((!there.is_shut && move(&there, polls[0].revents, polls[1].revents) < 0) ||
		    (!back.is_shut && move(&back, polls[1].revents, polls[0].revents) < 0))
			return -1;
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

/*
 * redirect: passes a connection on to another host, in a child of its own. Each way ends by itself: one side's end of
 * sending is passed on, and what the other still sends goes through.
 */
#include "superd.h"

#include <poll.h>

enum { BUFFER = 65536 };

/* One way of the two: what was read at `from` and is still to be written at `to`. */
struct way {
	int from, to;
	bool is_shut;
	size_t begin, end;
	unsigned long long total;
	char bytes[BUFFER];
};

static struct way there, back;

static bool is_empty(const struct way *way) {
	return way->begin == way->end;
}

/* Moves what can be moved without waiting: a read when there is nothing to write, else a write. Returns -1 on reset. */
static int move(struct way *way, short from_events, short to_events) {
	if (is_empty(way) && from_events != 0) {
		ssize_t length = sys_receive_unblocked(way->from, way->bytes, sizeof way->bytes);
		way->is_shut = length == 0;
		if (length == 0) shutdown(way->to, SHUT_WR);
		if (length < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
		way->begin = 0;
		way->end = (size_t)length;
		way->total += (unsigned long long)length;
	} else if (!is_empty(way) && to_events != 0) {
		ssize_t length = sys_send_unblocked(way->to, way->bytes + way->begin, way->end - way->begin);
		if (length < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
		way->begin += (size_t)length;
	}
	return 0;
}

/* What to wait for on the descriptor that `in` reads from and `out` writes to. */
static short wanted(const struct way *in, const struct way *out) {
	return (short)((!in->is_shut && is_empty(in) ? POLLIN : 0) | (is_empty(out) ? 0 : POLLOUT));
}

static int pass(int remote) {
	there.from = back.to = STDIN_FILENO;
	there.to = back.from = remote;
	while (!there.is_shut || !back.is_shut) {
		struct pollfd polls[] = {{.fd = STDIN_FILENO, .events = wanted(&there, &back)},
		    {.fd = remote, .events = wanted(&back, &there)}};
		for (int i = 0; i < 2; i++)
			polls[i].fd = polls[i].events != 0 ? polls[i].fd : -1; /* a hang-up would wake us for nothing */
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

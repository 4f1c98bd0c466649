/*
 * linger: connections whose program has ended, kept until the client has ended its side too, or the time is up. To close at
 * once would discard what the client has sent and nothing has read; the kernel answers that with a reset, which may reach
 * the client before the reply does.
 */
#include "connection.h"

struct lingering {
	struct watch watch;
	struct lingering *next, *previous;
};

static struct lingering *first;

static void end(struct lingering *lingering) {
	if (lingering->next != NULL) lingering->next->previous = lingering->previous;
	*(lingering->previous != NULL ? &lingering->previous->next : &first) = lingering->next;
	loop_unwatch(&lingering->watch);
	loop_cancel_timer(&lingering->watch.timer);
	close(lingering->watch.fd);
	free(lingering);
}

static void time_out(struct timer *timer) {
	end(CONTAINER(timer, struct lingering, watch.timer));
}

static void discard(struct watch *watch) {
	static char bytes[65536];
	ssize_t length = sys_receive_nonblocking(watch->fd, bytes, sizeof bytes);
	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
		end(CONTAINER(watch, struct lingering, watch));
}

/* Ends our side of the connection and waits until the client has ended its side, but no longer than `deadline`. */
void linger_begin(int fd, int64_t deadline) {
	struct lingering *lingering = malloc(sizeof *lingering);
	shutdown(fd, SHUT_WR);
	if (lingering != NULL) {
		*lingering = (struct lingering){.next = first};
		lingering->watch = (struct watch){.fd = fd, .ready = discard, .timer.due = time_out};
		if (loop_watch(&lingering->watch) == 0) {
			if (first != NULL) first->previous = lingering;
			first = lingering;
			loop_set_timer(&lingering->watch.timer, deadline);
			return;
		}
	}
	close(fd);
	free(lingering);
}

/* The lingering connection after `last` (NULL: the first), or NULL. */
const struct watch *linger_next(const struct watch *last) {
	const struct lingering *next = last == NULL ? first : CONTAINER(last, struct lingering, watch)->next;
	return next != NULL ? &next->watch : NULL;
}

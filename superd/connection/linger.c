/* SPDX-License-Identifier: ISC */
/*
 * linger: connections whose program has ended, kept until the client has ended its side too, or the time is up. To close at
 * once would discard what the client has sent and nothing has read; the kernel answers that with a reset, which may reach
 * the client before the reply does.
 */
#include "connection.h"

/* The time is up, or the client has ended its side. */
static void end(struct timer *timer) {
	struct waiting *waiting = CONTAINER(timer, struct waiting, watch.timer);
	waiting_remove(waiting);
	loop_limit_waits();
	close(waiting->watch.fd);
	free(waiting);
}

static void discard(struct watch *watch) {
	static char bytes[65536];
	loop_limit_waits();
	ssize_t length = sys_receive_nonblocking(watch->fd, bytes, sizeof bytes);
	if (length > 0 || (length < 0 && errno == EINTR)) return;
	if (length < 0 && errno == EAGAIN)
		loop_unwatch(watch); /* an error queue that a program has filled: until the deadline */
	else end(&watch->timer);
}

/*
 * Ends our side of the connection and waits until the client has ended its side, but no longer than `deadline`, and only
 * until `most` others have followed in the list.
 */
void linger_begin(struct waiting_list *list, size_t most, int fd, int64_t deadline) {
	struct waiting *lingering = calloc(1, sizeof *lingering);
	shutdown(fd, SHUT_WR);
	if (lingering != NULL) lingering->watch = (struct watch){.fd = fd, .ready = discard, .timer.due = end};
	if (lingering != NULL && waiting_add(list, most, lingering, deadline) == 0) return;
	close(fd);
	free(lingering);
}

/*
 * linger: connections whose program has ended, kept until the client has ended its side too, or the time is up. Closing
 * at once would throw away what the client has sent and nobody read, and the kernel answers that with a reset, which
 * may reach the client before the reply does.
 */
#include "superd.h"

static void end(struct watch *watch) {
	loop_unwatch(watch);
	close(watch->fd);
	free(watch);
}

static void discard(struct watch *watch) {
	static char bytes[65536];
	ssize_t length = sys_receive_unblocked(watch->fd, bytes, sizeof bytes);
	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR)) end(watch);
}

/* Ends our side of the connection and waits for the client's, for at most `span` milliseconds. */
void linger_begin(int fd, int64_t span) {
	struct watch *watch = malloc(sizeof *watch);
	shutdown(fd, SHUT_WR);
	if (watch != NULL) {
		*watch = (struct watch){.fd = fd, .ready = discard, .expired = end, .deadline = loop_now() + span};
		if (loop_watch(watch) == 0) return;
	}
	close(fd);
	free(watch);
}

/* The lingering connection after `last` (NULL: the first), or NULL. */
const struct watch *linger_next(const struct watch *last) {
	return loop_next(last, discard);
}

/*
 * linger: connections whose program has ended, kept until the client has ended its side too, or the time is up. Closing
 * at once would throw away what the client has sent and nobody read, and the kernel answers that with a reset, which
 * may reach the client before the reply does.
 */
#include "superd.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct lingering {
	struct watch watch;
	struct lingering *next;
	int64_t deadline;
};

static struct lingering *first;

static size_t count;

static void end(struct lingering *lingering) {
	struct lingering **link = &first;
	while (*link != lingering) link = &(*link)->next;
	*link = lingering->next;
	count--;
	loop_unwatch(&lingering->watch);
	close(lingering->watch.fd);
	free(lingering);
}

static void discard(struct watch *watch) {
	static char bytes[65536];
	ssize_t length = sys_receive_unblocked(watch->fd, bytes, sizeof bytes);
	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR)) end((struct lingering *)(void *)watch);
}

/* Ends our side of the connection and waits for the client's, for at most `span` milliseconds. */
void linger_begin(int fd, int64_t span) {
	struct lingering *lingering = malloc(sizeof *lingering);
	shutdown(fd, SHUT_WR);
	if (lingering == NULL) {
		close(fd);
		return;
	}
	*lingering = (struct lingering){.watch = {.fd = fd, .ready = discard}, .deadline = loop_now() + span};
	if (loop_watch(&lingering->watch) < 0) {
		close(fd);
		free(lingering);
		return;
	}
	lingering->next = first;
	first = lingering;
	count++;
	loop_wake_at(lingering->deadline);
}

size_t linger_count(void) {
	return count;
}

/* Calls `visit` for each lingering connection. */
void linger_each(void (*visit)(int fd, int64_t deadline, void *), void *argument) {
	for (const struct lingering *lingering = first; lingering != NULL; lingering = lingering->next)
		visit(lingering->watch.fd, lingering->deadline, argument);
}

/* Closes those whose time is up. */
void linger_tick(void) {
	for (struct lingering *lingering = first, *next; lingering != NULL; lingering = next) {
		next = lingering->next;
		if (loop_now() >= lingering->deadline)
			end(lingering);
		else
			loop_wake_at(lingering->deadline);
	}
}

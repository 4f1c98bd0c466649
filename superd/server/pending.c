/* SPDX-License-Identifier: ISC */
/*
 * pending: what superd does when there are no descriptors, processes or memory left. Accepted connections are queued, new
 * connections wait in the backlog, and superd tries again a little later. A shortage of one service, such as of its user's
 * processes, delays that service alone.
 */
#include "server.h"

enum { RETRY_MS = 200 };

/* superd's own shortage. Each listener has one, too. */
static struct shortage own_shortage;

/* Whether the same may well succeed a little later. ETXTBSY: the program is just being written. EDQUOT: of keyrings. */
bool shortage_is(int error_number) {
	return error_number == EAGAIN || error_number == ENOMEM || error_number == EMFILE || error_number == ENFILE ||
	       error_number == ENOBUFS || error_number == ETXTBSY || error_number == EDQUOT;
}

/* That failed for want of something: nothing is tried until the time that this returns, for that listener, or (NULL) for any. */
int64_t shortage_begin(struct listener *listener, const struct task_failure *failure) {
	struct shortage *shortage = listener != NULL ? &listener->shortage : &own_shortage;
	if (shortage->began == 0) {
		log_error("%s: %s: %s; new connections wait", listener != NULL ? listener->service->id : "superd",
		    failure->step, strerror(failure->error_number));
		shortage->began = loop_now();
	}
	shortage->until = loop_now() + RETRY_MS;
	return shortage->until;
}

/* A child that was already starting when the shortage began proves nothing. */
static void end(struct shortage *shortage, const char *name) {
	if (loop_now() < shortage->until) return;
	if (shortage->began > 0)
		log_warning(
		    "%s: resources are available again after %ld s", name, (long)(loop_now() - shortage->began) / 1000);
	*shortage = (struct shortage){0, 0};
}

/* A child of the listener has started, so there is no shortage any more. */
void shortage_end(struct listener *listener) {
	end(&own_shortage, "superd");
	end(&listener->shortage, listener->service->id);
}

/* Whether a shortage delays new connections of this listener. */
bool shortage_is_on(const struct listener *listener) {
	return loop_now() < own_shortage.until || loop_now() < listener->shortage.until;
}

/* Where descriptors are short, ends the oldest lingering connection of each service. Returns whether there was one. */
bool shortage_free_descriptors(int error_number) {
	bool has_ended = false;
	if (error_number != EMFILE && error_number != ENFILE) return false;
	for (struct listener *listener = listener_first(); listener != NULL; listener = listener->next) {
		if (listener->lingering.count == 0) continue;
		waiting_end(&listener->lingering, listener->lingering.count - 1);
		has_ended = true;
	}
	return has_ended;
}

/* Queues an admitted client until a child can be started for it. Returns 0, or -1 if there is no memory for that. */
int pending_add(const struct client *client) {
	struct listener *listener = client->listener;
	struct client *pending = malloc(sizeof *pending);
	if (pending == NULL) return -1;
	*pending = *client;
	pending->next = NULL;
	if (listener->pending_first == NULL) listener->pending_first = pending;
	else *listener->pending_last = pending;
	listener->pending_last = &pending->next;
	listener->pending++;
	return 0;
}

/* Takes the oldest pending client out of its listener's queue. Returns whether there was one. */
bool pending_take(struct listener *listener, struct client *client) {
	struct client *first = listener->pending_first;
	if (first == NULL) return false;
	*client = *first;
	listener->pending_first = first->next;
	listener->pending--;
	free(first);
	return true;
}

/*
 * pending: what superd does when there are no descriptors, processes or memory left. Accepted connections are queued, new
 * connections wait in the backlog, and superd tries again a little later. A shortage of one service, such as of its user's
 * processes, delays that service alone.
 */
#include "server.h"

enum { RETRY_MS = 200 };

static struct client *first, **last = &first;

/* superd's own shortage. Each listener has one, too. */
static struct shortage own_shortage;

static int64_t deadline = INT64_MAX;

/* Whether the same may well succeed a little later. ETXTBSY: the program is just being written. */
bool shortage_is(int error_number) {
	return error_number == EAGAIN || error_number == ENOMEM || error_number == EMFILE || error_number == ENFILE ||
	       error_number == ENOBUFS || error_number == ETXTBSY;
}

/* That failed for want of something: nothing is tried for a while, for that listener, or (NULL) for any. */
void shortage_begin(struct listener *listener, const struct task_failure *failure) {
	struct shortage *shortage = listener != NULL ? &listener->shortage : &own_shortage;
	if (shortage->began == 0) {
		log_error("%s: %s: %s; new connections wait", listener != NULL ? listener->service->id : "superd",
		    failure->step, strerror(failure->error_number));
		shortage->began = loop_now();
	}
	shortage->until = loop_now() + RETRY_MS;
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

/* Whether a shortage delays new connections: of this listener, or (NULL) of all. */
bool shortage_is_on(const struct listener *listener) {
	return loop_now() < own_shortage.until || (listener != NULL && loop_now() < listener->shortage.until);
}

/* Queues an accepted client until a child can be started for it. Returns 0, or -1 if there is no memory for that. */
int pending_add(const struct client *client) {
	struct client *pending = malloc(sizeof *pending);
	if (pending == NULL) return -1;
	*pending = *client;
	pending->next = NULL;
	*last = pending;
	last = &pending->next;
	client->listener->pending++;
	return 0;
}

/* Clients that are still pending at that time are rejected. */
void pending_set_deadline(int64_t when) {
	deadline = when;
}

/* Tries again for the pending clients. `start` queues a client again if it fails; `reject` is for those past the deadline. */
void pending_retry(void (*start)(const struct client *), void (*reject)(const struct client *)) {
	struct client *pending = first, *next;
	first = NULL;
	last = &first;
	for (; pending != NULL; pending = next) {
		next = pending->next;
		bool is_over = loop_now() >= deadline;
		pending->listener->pending--;
		if (is_over || !shortage_is_on(pending->listener))
			(is_over ? reject : start)(pending);
		else if (pending_add(pending) < 0)
			reject(pending);
		free(pending);
	}
}

/* The first of the pending clients, in a list, or NULL. */
const struct client *pending_first(void) {
	return first;
}

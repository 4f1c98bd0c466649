/*
 * hold: what superd does when there are no descriptors, processes or memory left. Whom it has accepted it holds, the
 * rest wait in the backlog, and it is tried again a little later. What only one service is short of, such as its user's
 * processes, holds up that service alone.
 */
#include "superd.h"

enum { RETRY = 200 };

static struct client *first;

/* What superd itself is short of. Each listener has one of its own. */
static struct shortage ours;

static int64_t give_up_at = INT64_MAX;

/* Whether the same may well succeed a little later. A program that is being written is soon whole again. */
bool hold_is_shortage(int error) {
	return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE || error == ENOBUFS ||
	       error == ETXTBSY;
}

static void begin(struct shortage *shortage, const char *who, const char *step, int error) {
	if (shortage->began == 0) {
		log_error("%s: %s: %s; new connections wait", who, step, strerror(error));
		shortage->began = loop_now();
	}
	shortage->until = loop_now() + RETRY;
	loop_wake_at(shortage->until);
}

/* A child that was already on its way when something fell short proves nothing. */
static void end(struct shortage *shortage, const char *who) {
	if (loop_now() < shortage->until) return;
	if (shortage->began > 0)
		log_warning("%s: resources are available again after %ld s", who, (long)(loop_now() - shortage->began) / 1000);
	*shortage = (struct shortage){0, 0};
}

/* Accepting has failed: nobody is accepted for a while. */
void hold_all(const char *step, int error) {
	begin(&ours, "superd", step, error);
}

/*
 * No child could be started for the client, or (NULL) by an earlier image of superd: it is kept. Returns 0, or -1 if
 * there is no room even for that.
 */
int hold_client(const struct client *client, const struct spawn_failure *failure) {
	struct listener *listener = client->listener;
	bool is_ours = failure != NULL && (strcmp(failure->step, "fork") == 0 || strcmp(failure->step, "memory") == 0);
	if (failure != NULL)
		begin(is_ours ? &ours : &listener->shortage, is_ours ? "superd" : listener->service->id, failure->step,
		    failure->error);
	if (listener->service->wait) return 0; /* it still lies where it was */
	struct client *held = malloc(sizeof *held), **last = &first;
	if (held == NULL) return -1;
	*held = *client;
	held->next = NULL;
	while (*last != NULL) last = &(*last)->next;
	*last = held;
	listener->waiting++;
	loop_wake_at(loop_now());
	return 0;
}

/* Whether comers of this listener have to wait for a shortage to end. */
bool hold_is_short(const struct listener *listener) {
	return loop_now() < ours.until || loop_now() < listener->shortage.until;
}

/* A child has been started, so nothing is short any more. */
void hold_over(struct listener *listener) {
	end(&ours, "superd");
	end(&listener->shortage, listener->service->id);
}

/* Who is held is given up then, if nothing could be started for them until then. */
void hold_give_up_at(int64_t when) {
	give_up_at = when;
	loop_wake_at(when);
}

/* Tries again for those who are held. `again` holds them anew where it fails; `refuse` ends those to be given up. */
void hold_tick(void (*again)(const struct client *), void (*refuse)(const struct client *)) {
	struct client *waiting = first, **link = &waiting;
	first = NULL;
	while (*link != NULL) {
		struct client *held = *link;
		bool is_over = loop_now() >= give_up_at;
		if (!is_over && hold_is_short(held->listener)) {
			link = &held->next;
			continue;
		}
		*link = held->next;
		held->listener->waiting--;
		(is_over ? refuse : again)(held);
		free(held);
	}
	*link = first; /* whom `again` has held anew stand behind those who still wait */
	first = waiting;
	if (first != NULL) loop_wake_at(loop_now() + RETRY);
}

/* The first of those who are held, in a list, or NULL. */
const struct client *hold_first(void) {
	return first;
}

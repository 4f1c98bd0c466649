/* SPDX-License-Identifier: ISC */
/*
 * waiting: connections that wait for their client: for a PROXY header, or for the end after the program's. Each list is
 * bounded: the oldest connection is ended to make room.
 */
#include "connection.h"

/*
 * Adds a connection, whose watch calls `ready`, and whose timer calls `due`, and ends the oldest ones past `most`. Returns 0, or
 * -1 and errno.
 */
int waiting_add(struct waiting_list *list, size_t most, struct waiting *waiting, int64_t deadline) {
	if (loop_watch(&waiting->watch) < 0) return -1;
	waiting->list = list;
	waiting->next = NULL;
	waiting->previous = list->last;
	*(list->last != NULL ? &list->last->next : &list->first) = waiting;
	list->last = waiting;
	list->count++;
	loop_set_timer(&waiting->watch.timer, deadline);
	waiting_end(list, most);
	return 0;
}

/* Takes a connection out of its list. Its descriptor stays open. */
void waiting_remove(struct waiting *waiting) {
	struct waiting_list *list = waiting->list;
	*(waiting->next != NULL ? &waiting->next->previous : &list->last) = waiting->previous;
	*(waiting->previous != NULL ? &waiting->previous->next : &list->first) = waiting->next;
	list->count--;
	loop_unwatch(&waiting->watch);
	loop_cancel_timer(&waiting->watch.timer);
}

/* Ends the connections of the list as if their time were up, the oldest first, until at most `most` are left. */
void waiting_end(struct waiting_list *list, size_t most) {
	while (list->count > most) list->first->watch.timer.due(&list->first->watch.timer);
}

/* No connection of the list waits longer than that. */
void waiting_limit(struct waiting_list *list, int64_t deadline) {
	for (struct waiting *waiting = list->first; waiting != NULL; waiting = waiting->next)
		if (deadline < waiting->watch.timer.when) loop_set_timer(&waiting->watch.timer, deadline);
}

/* SPDX-License-Identifier: ISC */
/*
 * limits: the verdict on a client by numbers: cps, per_source_cps, max_load, instances and per_source. It neither logs nor
 * closes. What it remembers of sources is bounded: those with running children, and at most SOURCES_IDLE others.
 */
#include "server.h"

enum { SECOND_MS = 1000, SOURCES_IDLE = 4096 };

/* The counts of one source of one listener's clients. */
struct source_count {
	struct hash_link link;
	const struct listener *listener;
	struct source source;
	long running, second_count;
	int64_t second_began;
};

static struct hash sources;

static size_t tidy_at;

static struct source source_of(const struct listener *listener, struct source source) {
	bool is_v6 = source.high != 0 || source.low >> 32 != 0xffff;
	if (addr_is_link_local(source) || addr_is_uid(source)) return source;
	return is_v6 ? addr_source_prefix(source, (unsigned)listener->service->per_source_prefix6) : source;
}

static struct source_count *count_of(struct hash_link *link) {
	return link != NULL ? CONTAINER(link, struct source_count, link) : NULL;
}

static bool is_idle(const struct source_count *count, int64_t age) {
	return count->running == 0 && loop_now() - count->second_began >= age;
}

/* Forgets the counts of that listener, or of all (NULL) those sources that have been idle for `age`. */
static void forget(const struct listener *listener, int64_t age) {
	struct source_count *next;
	for (struct source_count *count = count_of(hash_each(&sources, NULL)); count != NULL; count = next) {
		next = count_of(hash_each(&sources, &count->link));
		if (listener != NULL ? count->listener != listener : !is_idle(count, age)) continue;
		hash_remove(&sources, &count->link);
		free(count);
	}
}

/* Keeps the table small: first the sources that have no children and did not connect in this second are forgotten. */
static void tidy(void) {
	size_t before = sources.count;
	forget(NULL, SECOND_MS);
	if (sources.count > before / 2) forget(NULL, 0);
	tidy_at = sources.count + SOURCES_IDLE;
}

/* The count of a source; with `make`, a new one if there is none yet. NULL if there is none, or for want of memory. */
static struct source_count *find(const struct listener *listener, struct source peer, bool make) {
	struct source source = source_of(listener, peer);
	uint64_t key = hash_bytes((uintptr_t)listener, &source, sizeof source);
	struct source_count *count = count_of(hash_find(&sources, key));
	while (count != NULL && (count->listener != listener || !addr_source_equal(count->source, source)))
		count = count_of(hash_find_next(&count->link));
	if (count != NULL || !make) return count;
	if (sources.count >= tidy_at) tidy();
	count = calloc(1, sizeof *count);
	if (count == NULL) return NULL;
	count->listener = listener;
	count->source = source;
	hash_add(&sources, &count->link, key);
	return count;
}

/* Counts an event in a window of one second. Returns how many there were in it. */
static long count_second(int64_t *began, long *count) {
	if (loop_now() - *began >= SECOND_MS) {
		*began = loop_now();
		*count = 0;
	}
	return ++*count;
}

/* The rate is reached: for the seconds of cps, or where that is 0, to the end of the second that is counted. */
static void shut(struct listener *listener) {
	long seconds = listener->service->cps.seconds;
	listener->closed_until = seconds > 0 ? loop_now() + seconds * SECOND_MS : listener->second_began + SECOND_MS;
}

/* Whether new connections wait for cps; else they are refused. */
static bool is_delaying(const struct service *service) { return service->on_limit == ON_LIMIT_WAIT || service->wait; }

/* Whether cps delays new connections: there were too many in this second, or the pause after that is not over. */
bool limits_is_too_fast(struct listener *listener) {
	const struct rate *cps = &listener->service->cps;
	if (cps->connections == 0 || !is_delaying(listener->service)) return false;
	if (loop_now() - listener->second_began < SECOND_MS &&
	    listener->second_count + (long)listener->headers.count >= cps->connections)
		shut(listener);
	return loop_now() < listener->closed_until;
}

/* Whether, with on_limit = wait, that many clients are as many as may run: others wait until a child ends. */
bool limits_is_full(const struct listener *listener, long clients) {
	const struct service *service = listener->service;
	return service->on_limit == ON_LIMIT_WAIT && service->instances != UNLIMITED && clients >= service->instances;
}

/*
 * The verdict on a client by the rate of connections, and by the machine's load. Counts the client. Where new connections wait
 * for cps, one that was accepted before its PROXY header came is not refused for it.
 */
enum verdict limits_check_rate(const struct client *client) {
	struct listener *listener = client->listener;
	const struct service *service = listener->service;
	if (service->per_source_cps != UNSET) {
		struct source_count *count = find(listener, client->source, true);
		if (count == NULL || count_second(&count->second_began, &count->second_count) > service->per_source_cps)
			return VERDICT_PER_SOURCE_CPS;
	}
	if (service->cps.connections > 0) {
		bool is_past = loop_now() < listener->closed_until;
		if (!is_past &&
		    count_second(&listener->second_began, &listener->second_count) > service->cps.connections) {
			shut(listener);
			is_past = true;
		}
		if (is_past && !is_delaying(service)) return VERDICT_CPS;
	}
	if (service->max_load != UNSET && sys_load() >= service->max_load) return VERDICT_LOAD;
	return VERDICT_ALLOW;
}

/* The verdict on a client by the number of running children. With on_limit = wait, a client past instances is pending. */
enum verdict limits_check_room(const struct client *client) {
	struct listener *listener = client->listener;
	const struct service *service = listener->service;
	if (service->on_limit == ON_LIMIT_REFUSE && service->instances != UNLIMITED &&
	    listener->running >= service->instances)
		return VERDICT_SERVICE_LIMIT;
	if (service->per_source == UNLIMITED) return VERDICT_ALLOW;
	const struct source_count *count = find(listener, client->source, false);
	if (service->per_source == 0 || (count != NULL && count->running >= service->per_source))
		return VERDICT_PER_SOURCE_LIMIT;
	return VERDICT_ALLOW;
}

/* A child of that source has been started (+1) or has ended (-1). */
void limits_count(struct listener *listener, struct source source, int change) {
	const struct service *service = listener->service;
	if (service->per_source == UNLIMITED && service->per_source_cps == UNSET) return;
	struct source_count *count = find(listener, source, change > 0);
	if (count != NULL) count->running += change;
}

/* Forgets the counts of the listener's sources: after a reload they may be counted in another way. */
void limits_forget(const struct listener *listener) { forget(listener, 0); }

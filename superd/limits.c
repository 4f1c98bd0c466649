/*
 * limits: how many may come. cps, per_source_cps, max_load, instances and per_source to a verdict. It neither logs nor
 * closes. What it remembers of a source is bounded: sources with running children, and at most SOURCES_IDLE others.
 */
#include "superd.h"

enum { SECOND = 1000, SOURCES_IDLE = 4096, BUCKETS = 4096 };

/* What is known of one source of one listener's clients. */
struct source_count {
	struct source_count *next;
	const struct listener *listener;
	struct source source;
	long running, second_count;
	int64_t second_began;
};

static struct {
	struct source_count *buckets[BUCKETS];
	size_t count, tidy_at;
} sources;

static struct source source_of(const struct listener *listener, struct source source) {
	bool is_v6 = source.high != 0 || source.low >> 32 != 0xffff;
	return is_v6 ? addr_source_prefix(source, (unsigned)listener->service->per_source_prefix6) : source;
}

static struct source_count **bucket_of(const struct listener *listener, struct source source) {
	uint64_t mixed = (source.high ^ source.low ^ (uintptr_t)listener) * UINT64_C(0x9e3779b97f4a7c15);
	return &sources.buckets[(size_t)(mixed >> 48) % BUCKETS];
}

static bool is_idle(const struct source_count *count, int64_t age) {
	return count->running == 0 && loop_now() - count->second_began >= age;
}

/* Forgets the counts of that listener, or of all (NULL) those sources that have been idle for `age`. */
static void forget(const struct listener *listener, int64_t age) {
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct source_count **link = &sources.buckets[i]; *link != NULL;) {
			struct source_count *count = *link;
			if (listener != NULL ? count->listener != listener : !is_idle(count, age)) {
				link = &count->next;
				continue;
			}
			*link = count->next;
			free(count);
			sources.count--;
		}
}

/* Keeps the table small: of those that nothing runs for, who came in this second is forgotten last. */
static void tidy(void) {
	size_t before = sources.count;
	forget(NULL, SECOND);
	if (sources.count > before / 2) forget(NULL, 0);
	sources.tidy_at = sources.count + SOURCES_IDLE;
}

/* The count of a source, if wanted made where there is none yet. NULL if there is none, or for want of memory. */
static struct source_count *find(const struct listener *listener, struct source peer, bool make) {
	struct source source = source_of(listener, peer);
	struct source_count **bucket = bucket_of(listener, source), *count = *bucket;
	while (count != NULL && (count->listener != listener || !addr_source_equal(count->source, source)))
		count = count->next;
	if (count != NULL || !make) return count;
	if (sources.count >= sources.tidy_at) tidy();
	count = calloc(1, sizeof *count);
	if (count == NULL) return NULL;
	*count = (struct source_count){.next = *bucket, .listener = listener, .source = source};
	*bucket = count;
	sources.count++;
	return count;
}

/* Counts an event in a window of one second. Returns how many there were in it. */
static long count_second(int64_t *began, long *count) {
	if (loop_now() - *began >= SECOND) {
		*began = loop_now();
		*count = 0;
	}
	return ++*count;
}

/*
 * Whether who comes now has to wait, where on_limit = wait or the program accepts by itself: too many in this second,
 * or still shut for that.
 */
bool limits_is_too_fast(struct listener *listener) {
	const struct rate *cps = &listener->service->cps;
	if (cps->connections == 0 || (listener->service->on_limit != ON_LIMIT_WAIT && !listener->service->wait))
		return false;
	if (loop_now() - listener->second_began < SECOND &&
	    listener->second_count + listener->waiting >= cps->connections)
		listener->closed_until = loop_now() + cps->seconds * SECOND;
	return loop_now() < listener->closed_until;
}

/* Whether, where on_limit = wait, who comes now has to wait for a child to end. */
bool limits_is_full(const struct listener *listener) {
	const struct service *service = listener->service;
	return service->on_limit == ON_LIMIT_WAIT && service->instances != UNLIMITED &&
	       listener->running + listener->waiting >= service->instances;
}

/* The verdict on a client by how fast clients come, and by the machine's load. Counts the client. */
enum verdict limits_check_rate(const struct client *client) {
	struct listener *listener = client->listener;
	const struct service *service = listener->service;
	if (service->per_source_cps != UNSET) {
		struct source_count *count = find(listener, client->source, true);
		if (count == NULL || count_second(&count->second_began, &count->second_count) > service->per_source_cps)
			return VERDICT_PER_SOURCE_CPS;
	}
	if (service->cps.connections > 0) {
		if (loop_now() < listener->closed_until) return VERDICT_CPS;
		if (count_second(&listener->second_began, &listener->second_count) > service->cps.connections) {
			listener->closed_until = loop_now() + service->cps.seconds * SECOND;
			return VERDICT_CPS;
		}
	}
	if (service->max_load != UNSET && sys_load() >= service->max_load) return VERDICT_LOAD;
	return VERDICT_WELCOME;
}

/* The verdict on a client by how many are running. */
enum verdict limits_check_room(const struct client *client) {
	struct listener *listener = client->listener;
	const struct service *service = listener->service;
	if (service->instances != UNLIMITED && listener->running >= service->instances) return VERDICT_SERVICE_LIMIT;
	if (service->per_source == UNLIMITED) return VERDICT_WELCOME;
	const struct source_count *count = find(listener, client->source, false);
	if (service->per_source == 0 || (count != NULL && count->running >= service->per_source))
		return VERDICT_PER_SOURCE_LIMIT;
	return VERDICT_WELCOME;
}

/* A child of that source has begun (+1) or ended (-1). */
void limits_count(struct listener *listener, struct source source, int change) {
	const struct service *service = listener->service;
	if (service->per_source == UNLIMITED && service->per_source_cps == UNSET) return;
	struct source_count *count = find(listener, source, change > 0);
	if (count != NULL) count->running += change;
}

/* Forgets what is known of the listener's sources: a reload may count them otherwise. */
void limits_forget(const struct listener *listener) {
	forget(listener, 0);
}

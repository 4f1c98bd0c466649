/* SPDX-License-Identifier: ISC */
/*
 * access: the verdict on a client by the time and by its address: access_times, the sensors, no_access and only_from. It
 * neither logs nor closes. The last SENSOR_MEMORY sources that sensors have seen are remembered here.
 */
#include "server.h"

#include <time.h>

enum { SENSOR_MEMORY = 4096, MINUTE_MS = 60 * 1000 };

static struct denied_source denied[SENSOR_MEMORY];

static size_t denied_count;

static struct hash denied_by_source;

static uint64_t key_of(struct source source) { return hash_bytes(0, &source, sizeof source); }

/* Whether the time is one at which clients may connect. */
bool access_is_open(const struct times *times) {
	struct tm local;
	time_t now = time(NULL);
	if (times->count == 0) return true;
	localtime_r(&now, &local);
	int minute = local.tm_hour * 60 + local.tm_min;
	for (size_t i = 0; i < times->count; i++)
		if (minute >= times->spans[i].from && minute <= times->spans[i].to) return true;
	return false;
}

/* Every service refuses the source until then. */
void access_deny(struct source source, int64_t until) {
	struct denied_source *known = &denied[denied_count % SENSOR_MEMORY];
	if (denied_count++ >= SENSOR_MEMORY) hash_remove(&denied_by_source, &known->link);
	*known = (struct denied_source){.source = source, .until = until};
	hash_add(&denied_by_source, &known->link, key_of(source));
}

/* The nth, from 0, of the sources that sensors have seen, or NULL. */
const struct denied_source *access_denied(size_t nth) {
	return nth < denied_count && nth < SENSOR_MEMORY ? &denied[nth] : NULL;
}

static bool is_denied(struct source source) {
	struct hash_link *link = hash_find(&denied_by_source, key_of(source));
	for (; link != NULL; link = hash_find_next(link)) {
		const struct denied_source *known = CONTAINER(link, struct denied_source, link);
		if (addr_source_equal(known->source, source) && loop_now() < known->until) return true;
	}
	return false;
}

/* The verdict on a client by the time and by its address. A client of a sensor is denied from now on. */
enum verdict access_check(const struct client *client) {
	const struct service *service = client->listener->service;
	if (!access_is_open(&service->access_times)) return VERDICT_TIME;
	if (is_denied(client->source)) return VERDICT_SENSOR;
	if (!addr_lists_admit(service, client->source)) return VERDICT_ADDRESS;
	if (!(service->flags & FLAG_SENSOR)) return VERDICT_ALLOW;
	if (service->deny_time != DENY_NEVER)
		access_deny(client->source,
		    service->deny_time == DENY_FOREVER ? INT64_MAX : loop_now() + service->deny_time * MINUTE_MS);
	return VERDICT_SENSOR;
}

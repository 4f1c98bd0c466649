/*
 * access: who may come, and when. access_times, the sensors, no_access and only_from to a verdict. It neither logs nor
 * closes. Whom a sensor has caught is remembered here, the last SENSOR_MEMORY of them.
 */
#include "superd.h"

#include <time.h>

enum { SENSOR_MEMORY = 4096, MINUTE = 60 * 1000 };

static struct caught caught[SENSOR_MEMORY];

static size_t caught_count;

static bool is_open_at(const struct times *times, time_t when) {
	struct tm local;
	if (times->count == 0) return true;
	localtime_r(&when, &local);
	int minute = local.tm_hour * 60 + local.tm_min;
	for (size_t i = 0; i < times->count; i++)
		if (minute >= times->spans[i].from && minute <= times->spans[i].to) return true;
	return false;
}

/* Shuts every service to a source until then. */
void access_catch(struct source source, int64_t until) {
	caught[caught_count++ % SENSOR_MEMORY] = (struct caught){source, until};
}

/* The nth, from 0, of those that a sensor has caught, or NULL. */
const struct caught *access_caught(size_t nth) {
	return nth < caught_count && nth < SENSOR_MEMORY ? &caught[nth] : NULL;
}

static bool is_caught(struct source source) {
	const struct caught *known;
	for (size_t i = 0; (known = access_caught(i)) != NULL; i++)
		if (addr_source_equal(known->source, source) && loop_now() < known->until) return true;
	return false;
}

/* Whether the service's lists let the source in. What a .domain says is not asked here, but of the DNS, in a child. */
bool access_allows(const struct service *service, struct source source) {
	if (service->no_access.set && addr_list_matches(&service->no_access, source)) return false;
	return !service->only_from.set || service->only_from.domains || addr_list_matches(&service->only_from, source);
}

/* The verdict on a client by the hour and by its address. */
enum verdict access_check(const struct client *client) {
	const struct service *service = client->listener->service;
	if (!is_open_at(&service->access_times, time(NULL))) return VERDICT_TIME;
	if (is_caught(client->source)) return VERDICT_SENSOR;
	if (!access_allows(service, client->source)) return VERDICT_ADDRESS;
	if (!(service->flags & FLAG_SENSOR)) return VERDICT_WELCOME;
	if (service->deny_time != DENY_NEVER)
		access_catch(client->source,
		    service->deny_time == DENY_FOREVER ? INT64_MAX : loop_now() + service->deny_time * MINUTE);
	return VERDICT_SENSOR;
}

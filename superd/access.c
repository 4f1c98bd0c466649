/*
 * access: who may come, and when. access_times, only_from and no_access to a verdict. It neither logs nor closes.
 */
#include "superd.h"

#include <time.h>

static bool is_open_at(const struct times *times, time_t when) {
	struct tm local;
	if (times->count == 0)
		return true;
	localtime_r(&when, &local);
	int minute = local.tm_hour * 60 + local.tm_min;
	for (size_t i = 0; i < times->count; i++)
		if (minute >= times->spans[i].from && minute <= times->spans[i].to)
			return true;
	return false;
}

/* The verdict on a client by the hour and by its address. A .domain of either list is asked for later, in the child. */
enum verdict access_check(const struct client *client) {
	const struct service *service = client->listener->service;
	if (!is_open_at(&service->access_times, time(NULL)))
		return VERDICT_TIME;
	if (service->no_access.set && addr_list_matches(&service->no_access, client->source))
		return VERDICT_ADDRESS;
	if (service->only_from.set && !service->only_from.domains &&
	    !addr_list_matches(&service->only_from, client->source))
		return VERDICT_ADDRESS;
	return VERDICT_WELCOME;
}

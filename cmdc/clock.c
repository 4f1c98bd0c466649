/* Time that no change of the date can move. */
#include <time.h>

#include "cmdc.h"

long long clock_milliseconds(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

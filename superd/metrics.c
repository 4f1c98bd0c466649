/*
 * metrics: what superd has counted, in Prometheus text format, in a file that is replaced whole, at most once a second
 * and only when something has changed.
 */
#include "superd.h"

#include <fcntl.h>
#include <time.h>

enum { INTERVAL = 1000, FAMILY_REFUSED = 4 };

struct totals metrics_totals;

static struct {
	const char *path;
	char new_path[PATH_MAX];
	bool changed, failed;
	int64_t next;
} metrics;

/* A sample; what would end the label's value is escaped. */
static void print_sample(
    FILE *to, const char *name, const struct listener *listener, const char *reason, double value) {
	fprintf(to, "%s{service=\"", name);
	for (const char *byte = listener->service->id; *byte != '\0'; byte++)
		fprintf(to, *byte == '"' || *byte == '\\' ? "\\%c" : "%c", *byte);
	if (reason != NULL) fprintf(to, "\",reason=\"%s", reason);
	fprintf(to, "\"} %.0f\n", value);
}

/* What a family counts; services that share an id are counted together. */
static double value_of(const struct listener *listener, int family) {
	switch (family) {
	case 0: return (double)listener->accepted;
	case 1: return (double)listener->running;
	case 2: return (double)listener->service->instances;
	case 3: return (double)listener->spawn_failures;
	default: return (double)listener->refused[family - FAMILY_REFUSED];
	}
}

static void print_samples(FILE *to, const char *name, const char *reason, int family) {
	struct listener *listener, *first;
	for (first = listener_first(); first != NULL; first = first->next) {
		if (first->retired || listener_nth(first) > 0) continue;
		double sum = 0;
		for (size_t nth = 0; (listener = listener_find(first->service->id, nth)) != NULL; nth++)
			sum += value_of(listener, family);
		if (sum >= 0) print_sample(to, name, first, reason, sum);
	}
}

static void print_head(FILE *to, const char *name, const char *type, const char *help) {
	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_families(FILE *to) {
	static const char *const families[][3] = {
	    {"superd_connections_total", "counter", "Connections accepted."},
	    {"superd_running", "gauge", "Children running."},
	    {"superd_instances_limit", "gauge", "The most children that may run; absent: any number."},
	    {"superd_spawn_failures_total", "counter", "Programs that could not be started at once."},
	};
	for (int i = 0; i < (int)LENGTH(families); i++) {
		print_head(to, families[i][0], families[i][1], families[i][2]);
		print_samples(to, families[i][0], NULL, i);
	}
	print_head(to, "superd_refused_total", "counter", "Connections refused.");
	for (enum verdict verdict = VERDICT_WELCOME + 1; verdict < VERDICTS; verdict++)
		print_samples(to, "superd_refused_total", log_verdict_word(verdict), FAMILY_REFUSED + (int)verdict);
}

static void print_total(FILE *to, const char *name, const char *type, const char *help, long long value) {
	print_head(to, name, type, help);
	fprintf(to, "%s %lld\n", name, value);
}

static int print_file(void) {
	unlink(metrics.new_path); /* whatever another user has put there */
	int fd = open(metrics.new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	FILE *to = fd < 0 ? NULL : fdopen(fd, "w");
	if (to == NULL) return -1;
	print_families(to);
	print_total(to, "superd_start_time_seconds", "gauge", "When superd was started.", metrics_totals.start_time);
	print_total(to, "superd_reloads_total", "counter", "Configurations read again.", metrics_totals.reloads);
	print_total(to, "superd_upgrades_total", "counter", "Upgrades in place.", metrics_totals.upgrades);
	bool failed = ferror(to);
	failed |= fclose(to) != 0;
	return failed ? -1 : rename(metrics.new_path, metrics.path);
}

/* Writes the file now, if there is one to write. A failure is said once. */
void metrics_write(void) {
	if (metrics.path == NULL) return;
	bool failed = print_file() < 0;
	if (failed && !metrics.failed) log_warning("-m %s: %s", metrics.path, strerror(errno));
	if (failed) unlink(metrics.new_path);
	metrics.failed = metrics.changed = failed;
	metrics.next = loop_now() + INTERVAL;
	if (failed) loop_wake_at(metrics.next);
}

/* Keeps `path` up to date from now on; NULL: there is none. */
void metrics_open(const char *path) {
	if (metrics_totals.start_time == 0) metrics_totals.start_time = time(NULL);
	if (path == NULL) return;
	snprintf(metrics.new_path, sizeof metrics.new_path, "%s.new", path);
	metrics.path = path;
	metrics_write();
}

/* Something has been counted. */
void metrics_touch(void) {
	if (metrics.path == NULL || metrics.changed) return;
	metrics.changed = true;
	loop_wake_at(metrics.next);
}

void metrics_tick(void) {
	if (metrics.changed && loop_now() >= metrics.next) metrics_write();
	if (metrics.changed) loop_wake_at(metrics.next);
}

/*
 * metrics: what superd has counted: in Prometheus text format, in a file that is replaced whole, at most once a second and
 * only when something has changed; and as lines of the log.
 */
#include "server.h"

#include <fcntl.h>
#include <time.h>

enum { INTERVAL_MS = 1000 };

struct totals metrics_totals;

static void write_later(struct timer *timer);

static struct {
	const char *path;
	char new_path[PATH_MAX];
	bool failed;
	int64_t next;
	struct timer timer; /* set while the file has to be written */
} metrics = {.timer.due = write_later};

/* A `long` of every listener, or of its service. */
struct family {
	const char *name, *type, *help;
	size_t offset;
	bool is_of_service;
};

static const struct family families[] = {
    {.name = "superd_connections_total",
	.type = "counter",
	.help = "Connections accepted.",
	.offset = offsetof(struct listener, accepted)},
    {.name = "superd_running",
	.type = "gauge",
	.help = "Programs running.",
	.offset = offsetof(struct listener, running)},
    {.name = "superd_instances_limit",
	.type = "gauge",
	.help = "The most programs that may run; absent: no limit.",
	.offset = offsetof(struct service, instances),
	.is_of_service = true},
    {.name = "superd_spawn_failures_total",
	.type = "counter",
	.help = "Programs that could not be started at once.",
	.offset = offsetof(struct listener, spawn_failures)},
};

static const struct family refused = {.name = "superd_refused_total",
    .type = "counter",
    .help = "Connections refused.",
    .offset = offsetof(struct listener, refused)};

/* A sample. A label is UTF-8; what would end its value is escaped, and what cannot be shown is \xHH. */
static void print_sample(
    FILE *to, const char *name, const struct listener *listener, const char *reason, double value) {
	char id[4 * ID_MAX_LENGTH + 6];
	log_escape(id, sizeof id, listener->service->id);
	fprintf(to, "%s{service=\"", name);
	for (const char *byte = id; *byte != '\0'; byte++)
		fprintf(to, *byte == '"' || *byte == '\\' ? "\\%c" : "%c", *byte);
	if (reason != NULL) fprintf(to, "\",reason=\"%s", reason);
	fprintf(to, "\"} %.0f\n", value);
}

/* The samples of a family, or of one verdict of it. Services with the same id are counted together. */
static void print_samples(FILE *to, const struct family *family, enum verdict verdict) {
	const struct listener *listener, *first;
	for (first = listener_first(); first != NULL; first = first->next) {
		if (first->retired || first->nth > 0) continue;
		double sum = 0;
		for (size_t nth = 0; (listener = listener_find(first->service->id, nth)) != NULL; nth++) {
			const char *object = family->is_of_service ? (const void *)listener->service : listener;
			sum += (double)((const long *)(const void *)(object + family->offset))[verdict];
		}
		if (sum >= 0) print_sample(to, family->name, first, verdict_kinds[verdict].word, sum);
	}
}

static void print_head(FILE *to, const char *name, const char *type, const char *help) {
	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_families(FILE *to) {
	for (const struct family *family = families; family < families + LENGTH(families); family++) {
		print_head(to, family->name, family->type, family->help);
		print_samples(to, family, VERDICT_ALLOW);
	}
	print_head(to, refused.name, refused.type, refused.help);
	for (enum verdict verdict = VERDICT_ALLOW + 1; verdict < VERDICTS; verdict++)
		print_samples(to, &refused, verdict);
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

/* Writes the file now, if there is one to write. A failure is logged once, and the file is written a little later. */
void metrics_write(void) {
	if (metrics.path == NULL) return;
	bool failed = print_file() < 0;
	if (failed && !metrics.failed) log_warning("-m %s: %s", metrics.path, strerror(errno));
	if (failed) unlink(metrics.new_path);
	metrics.failed = failed;
	metrics.next = loop_now() + INTERVAL_MS;
	loop_set_timer(&metrics.timer, failed ? metrics.next : INT64_MAX);
}

static void write_later(struct timer *timer) {
	(void)timer;
	metrics_write();
}

/* Keeps `path` up to date from now on; NULL: there is none. */
void metrics_open(const char *path) {
	if (metrics_totals.start_time == 0) metrics_totals.start_time = time(NULL);
	if (path == NULL) return;
	snprintf(metrics.new_path, sizeof metrics.new_path, "%s.new", path);
	metrics.path = path;
	metrics_write();
}

/* A counter has changed. */
void metrics_touch(void) {
	if (metrics.path != NULL && !loop_timer_is_set(&metrics.timer)) loop_set_timer(&metrics.timer, metrics.next);
}

/* One line, or a row of a table where `width` is that of the ids, and not 0. */
static void log_listener_state(const struct listener *listener, int width) {
	char reasons[400] = "";
	long total = 0;
	for (enum verdict verdict = VERDICT_ALLOW + 1; verdict < VERDICTS; verdict++) {
		total += listener->refused[verdict];
		if (listener->refused[verdict] > 0)
			text_add(reasons, sizeof reasons, " %s=%ld", verdict_kinds[verdict].word,
			    listener->refused[verdict]);
	}
	const char *state = listener->retired ? "retired" : listener->paused ? "paused" : "listening";
	log_always(width > 0 ? "%-*s  %-9s  %7ld  %8ld  %7ld  %14ld%s"
			     : "STATE: %*s %s running=%ld accepted=%ld refused=%ld spawn_failures=%ld%s",
	    width, listener->service->id, state, listener->running, listener->accepted, total, listener->spawn_failures,
	    reasons);
}

/* Logs the state of every service (USR1); on a terminal as a table. */
void metrics_log_state(void) {
	int width = log_is_terminal() ? (int)strlen("SERVICE") : 0;
	for (const struct listener *listener = listener_first(); width > 0 && listener; listener = listener->next)
		if (strlen(listener->service->id) > (size_t)width) width = (int)strlen(listener->service->id);
	if (width > 0) log_always("%-*s  STATE      RUNNING  ACCEPTED  REFUSED  SPAWN_FAILURES", width, "SERVICE");
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		log_listener_state(listener, width);
}

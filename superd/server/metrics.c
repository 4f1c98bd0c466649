/* SPDX-License-Identifier: ISC */
/*
 * metrics: what superd has counted: in Prometheus text format, in a file that is replaced whole when something has
 * changed, at most once a second and at least once a minute; and as lines of the log. The more services there are, the less
 * often the file is written, so that this stays a small part of the work.
 */
#include "server.h"

#include <fcntl.h>
#include <time.h>

enum { INTERVAL_MS = 1000, SERVICES_A_MS = 2, LONGEST_MS = 60 * 1000, MOST_CHILDREN = 1000, ESCAPED = 5 };

struct totals metrics_totals;

static void write_later(struct timer *timer);

static struct {
	const char *path;
	char new_path[PATH_MAX];
	char label[ESCAPED * PATH_MAX + 16]; /* of every sample: which superd's, where several share a directory */
	bool failed;
	int64_t next;
	struct timer timer;
} metrics = {.timer.due = write_later};

const char *const result_words[RESULTS] = {
    [RESULT_OK] = "ok", [RESULT_ERROR] = "error", [RESULT_SIGNAL] = "signal", [RESULT_TIME_LIMIT] = "time_limit"};

static const char *result_word(int result) { return result_words[result]; }

static const char *refusal_word(int verdict) { return verdict_kinds[verdict].word; }

/* A `long` of every listener, or of its service; or an array of them, of which each has a label. */
static const struct family {
	const char *name, *type, *help;
	size_t offset;
	bool is_of_service;
	const char *label, *(*word)(int);
	int first, last;
} families[] = {
    {.name = "superd_connections_total",
	.type = "counter",
	.help = "Connections accepted.",
	.offset = offsetof(struct listener, accepted)},
    {.name = "superd_refused_total",
	.type = "counter",
	.help = "Connections refused.",
	.offset = offsetof(struct listener, refused),
	.label = "reason",
	.word = refusal_word,
	.first = VERDICT_ALLOW + 1,
	.last = VERDICTS - 1},
    {.name = "superd_exits_total",
	.type = "counter",
	.help = "Programs that have ended.",
	.offset = offsetof(struct listener, exits),
	.label = "result",
	.word = result_word,
	.last = RESULTS - 1},
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

/* The value of a label is UTF-8; what would end it is escaped, and what cannot be shown is \xHH. A byte is at most ESCAPED. */
static void format_label(char *text, const char *name, const char *value) {
	char shown[4 * PATH_MAX];
	log_escape(shown, sizeof shown, value);
	text = stpcpy(stpcpy(text, name), "=\"");
	for (const char *byte = shown; *byte != '\0'; *text++ = *byte++)
		if (*byte == '"' || *byte == '\\') *text++ = '\\';
	stpcpy(text, "\"");
}

/* The samples of a family for the services with the id of `first`, which are counted together. */
static void print_samples(FILE *to, const struct family *family, const struct listener *first) {
	const struct listener *listener;
	long sums[VERDICTS] = {0};
	char service[ESCAPED * ID_MAX_LENGTH + 16];
	for (size_t i = 0; (listener = listener_find(first->service->id, i)) != NULL; i++) {
		const char *object = family->is_of_service ? (const void *)listener->service : listener;
		for (int nth = family->first; nth <= family->last; nth++)
			sums[nth] += ((const long *)(const void *)(object + family->offset))[nth];
	}
	format_label(service, "service", first->service->id);
	for (int nth = family->first; nth <= family->last; nth++) {
		if (sums[nth] < 0) continue;
		fprintf(to, "%s{%s,%s", family->name, metrics.label, service);
		if (family->label != NULL) fprintf(to, ",%s=\"%s\"", family->label, family->word(nth));
		fprintf(to, "} %ld\n", sums[nth]);
	}
}

static void print_head(FILE *to, const char *name, const char *type, const char *help) {
	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_families(FILE *to) {
	for (const struct family *family = families; family < families + LENGTH(families); family++) {
		print_head(to, family->name, family->type, family->help);
		for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
			if (!listener->retired && listener->nth == 0) print_samples(to, family, listener);
	}
}

static void print_total(FILE *to, const char *name, const char *type, const char *help, long long value) {
	print_head(to, name, type, help);
	fprintf(to, "%s{%s} %lld\n", name, metrics.label, value);
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
	print_head(to, "superd_build_info", "gauge", "The version that runs.");
	fprintf(to, "superd_build_info{%s,version=\"" VERSION "\"} 1\n", metrics.label);
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
	metrics.next = loop_now() + INTERVAL_MS + (int64_t)listener_count() / SERVICES_A_MS;
	loop_set_timer(&metrics.timer, failed ? metrics.next : loop_now() + LONGEST_MS);
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
	char name[PATH_MAX]; /* of the file, without its folder and ending */
	snprintf(name, sizeof name, "%s", strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path);
	char *ending = strrchr(name, '.');
	if (ending != NULL && ending != name) *ending = '\0';
	format_label(metrics.label, "file", name);
	metrics.path = path;
	metrics_write();
}

/* Removes the file: superd ends. */
void metrics_close(void) {
	if (metrics.path != NULL) unlink(metrics.path);
}

/* A counter has changed. */
void metrics_touch(void) {
	if (metrics.path != NULL && metrics.timer.when > metrics.next) loop_set_timer(&metrics.timer, metrics.next);
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

static void log_children(void) {
	char text[ADDR_TEXT];
	int count = 0;
	for (const struct child *child = child_next(NULL); child != NULL && count < MOST_CHILDREN;
	     child = child_next(child)) {
		if (child->listener == NULL || child->asking != NULL) continue;
		count++;
		log_always("CHILD: %s pid=%ld from=%s duration=%ld(sec)", child->listener->service->id,
		    (long)child->pid, addr_format_source(child->source, text),
		    (long)((loop_now() - child->began) / 1000));
	}
}

/* Logs the state of every service, on a terminal as a table, and the running programs (USR1). */
void metrics_log_state(void) {
	int width = log_is_terminal() ? (int)strlen("SERVICE") : 0;
	for (const struct listener *listener = listener_first(); width > 0 && listener; listener = listener->next)
		if (strlen(listener->service->id) > (size_t)width) width = (int)strlen(listener->service->id);
	if (width > 0) log_always("%-*s  STATE      RUNNING  ACCEPTED  REFUSED  SPAWN_FAILURES", width, "SERVICE");
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next)
		log_listener_state(listener, width);
	log_children();
}

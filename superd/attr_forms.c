/*
 * attr_forms: the kinds of values that have a form of their own: times, rates, users, files, places to log to.
 * As in attr_types.c, each with how it is read and how it is printed.
 */
#include "attr.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ANY = INT_MAX, BANNER_MAX = 64 * 1024, MINUTES_A_DAY = 24 * 60 };

/* H:MM, as minutes since midnight; leaves *text behind it. Returns -1 if it is not one. */
static int parse_clock(const char **text) {
	size_t hours = strspn(*text, "0123456789");
	const char *minutes = *text + hours + 1;
	if (hours < 1 || hours > 2 || (*text)[hours] != ':' || strspn(minutes, "0123456789") != 2)
		return -1;
	int hour = atoi(*text), minute = atoi(minutes);
	*text = minutes + 2;
	return hour > 23 || minute > 59 ? -1 : hour * 60 + minute;
}

static int times_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)attr;
	struct times *times = field;
	times->spans = mem_alloc(arena, entry->count * sizeof *times->spans);
	times->count = 0;
	for (size_t i = 0; i < entry->count; i++) {
		const char *text = entry->word[i];
		int from = parse_clock(&text);
		bool dash = from >= 0 && *text++ == '-';
		int to = dash ? parse_clock(&text) : -1;
		if (to < 0 || *text != '\0')
			return reason_set(why, "'%s' is not H:MM-H:MM", entry->word[i]);
		if (from > to)
			return reason_set(why, "'%s' ends before it begins; write two spans", entry->word[i]);
		times->spans[times->count++] = (struct minutes){from, to};
	}
	return 0;
}

static void times_print(const void *field, const struct attr *attr, FILE *to) {
	const struct times *times = field;
	if (times->count == 0)
		return;
	attr_begin_line(to, attr);
	for (size_t i = 0; i < times->count; i++) {
		const struct minutes *span = &times->spans[i];
		fprintf(to, " %02d:%02d-%02d:%02d", span->from / 60, span->from % 60, span->to / 60,
		    span->to % 60);
	}
	fputc('\n', to);
}

static int rate_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)arena;
	struct rate rate = {0, 0};
	if (attr_parse_number(entry->word[0], 0, attr->max, &rate.connections, why) < 0)
		return -1;
	if (entry->count == 2 && attr_parse_number(entry->word[1], 0, attr->max, &rate.seconds, why) < 0)
		return -1;
	if (entry->count == 1 && rate.connections > 0)
		return reason_set(why, "needs a rate and the seconds to stay shut past it");
	*(struct rate *)field = rate;
	return 0;
}

static void rate_print(const void *field, const struct attr *attr, FILE *to) {
	const struct rate *rate = field;
	attr_begin_line(to, attr);
	fprintf(to, " %ld %ld\n", rate->connections, rate->seconds);
}

/* A decimal user or group id. Returns -1 if `text` is not one. */
static long parse_id(const char *text) {
	struct reason unused;
	long id;
	return attr_parse_number(text, 0, UINT_MAX - 1L, &id, &unused) < 0 ? -1 : id;
}

static int find_user(struct arena *arena, const char *word, struct identity *user, struct reason *why) {
	long id = parse_id(word);
	const struct passwd *entry = id < 0 ? getpwnam(word) : getpwuid((uid_t)id);
	if (entry == NULL && id < 0)
		return reason_set(why, "unknown user '%s'", word);
	*user = (struct identity){.word = mem_copy(arena, word), .uid = (uid_t)id, .set = true};
	if (entry != NULL) {
		user->name = mem_copy(arena, entry->pw_name);
		user->uid = entry->pw_uid;
		user->gid = entry->pw_gid;
		user->group_set = true;
	}
	return 0;
}

static int find_group(struct arena *arena, const char *word, struct identity *group, struct reason *why) {
	long id = parse_id(word);
	const struct group *entry = id < 0 ? getgrnam(word) : NULL;
	if (entry == NULL && id < 0)
		return reason_set(why, "unknown group '%s'", word);
	group->word = mem_copy(arena, word);
	group->gid = entry != NULL ? entry->gr_gid : (gid_t)id;
	group->group_set = group->set = true;
	return 0;
}

static int user_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)attr;
	return find_user(arena, entry->word[0], field, why);
}

static int group_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)attr;
	return find_group(arena, entry->word[0], field, why);
}

/* USER[:GROUP] */
static int owner_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)attr;
	struct identity *owner = field;
	char *user = mem_copy(arena, entry->word[0]);
	char *group = strchr(user, ':');
	if (group != NULL)
		*group++ = '\0';
	if (find_user(arena, user, owner, why) < 0 ||
	    (group != NULL && find_group(arena, group, owner, why) < 0))
		return -1;
	owner->word = mem_copy(arena, entry->word[0]);
	return 0;
}

static void identity_print(const void *field, const struct attr *attr, FILE *to) {
	const struct identity *identity = field;
	if (!identity->set)
		return;
	attr_begin_line(to, attr);
	fprintf(to, " %s\n", identity->word);
}

static int banner_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)attr;
	struct banner *banner = field;
	FILE *file = fopen(entry->word[0], "r");
	if (file == NULL)
		return reason_set(why, "%s: %s", entry->word[0], strerror(errno));
	banner->path = mem_copy(arena, entry->word[0]);
	banner->text = mem_alloc(arena, BANNER_MAX + 1);
	banner->length = fread(banner->text, 1, BANNER_MAX + 1, file);
	int failed = ferror(file);
	fclose(file);
	if (failed)
		return reason_set(why, "%s: cannot be read", entry->word[0]);
	if (banner->length > BANNER_MAX)
		return reason_set(why, "%s: longer than %d bytes", entry->word[0], BANNER_MAX);
	return 0;
}

static void banner_print(const void *field, const struct attr *attr, FILE *to) {
	const struct banner *banner = field;
	if (banner->path == NULL)
		return;
	attr_begin_line(to, attr);
	fprintf(to, " %s\n", banner->path);
}

static int log_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)attr;
	struct log_type type = {.soft = 0, .hard = 0, .set = true};
	if (strcasecmp(entry->word[0], "SYSLOG") == 0) {
		if (entry->count < 2 || (type.facility = log_find_facility(entry->word[1])) < 0)
			return reason_set(why, "SYSLOG needs a facility, such as daemon");
		const char *level = entry->count > 2 ? entry->word[2] : "info";
		if ((type.level = log_find_level(level)) < 0)
			return reason_set(why, "'%s' is not a syslog level", level);
		if (entry->count > 3)
			return reason_set(why, "too many values, from '%s' on", entry->word[3]);
	} else if (strcasecmp(entry->word[0], "FILE") == 0) {
		if (entry->count < 2)
			return reason_set(why, "FILE needs a path");
		type.file = mem_copy(arena, entry->word[1]);
		if (entry->count > 2 && attr_parse_number(entry->word[2], 1, LONG_MAX, &type.soft, why) < 0)
			return -1;
		if (entry->count > 3 &&
		    attr_parse_number(entry->word[3], type.soft, LONG_MAX, &type.hard, why) < 0)
			return -1;
	} else {
		return reason_set(why, "'%s' is neither SYSLOG nor FILE", entry->word[0]);
	}
	*(struct log_type *)field = type;
	return 0;
}

static void log_print(const void *field, const struct attr *attr, FILE *to) {
	const struct log_type *type = field;
	if (!type->set)
		return;
	attr_begin_line(to, attr);
	if (type->file == NULL)
		fprintf(to, " SYSLOG %s %s", log_facility_name(type->facility), log_level_name(type->level));
	else
		fprintf(to, " FILE %s", type->file);
	if (type->soft > 0)
		fprintf(to, " %ld", type->soft);
	if (type->hard > 0)
		fprintf(to, " %ld", type->hard);
	fputc('\n', to);
}

static int redirect_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)attr;
	struct redirect *redirect = field;
	redirect->host = mem_copy(arena, entry->word[0]);
	redirect->port = mem_copy(arena, entry->word[1]);
	return addr_find_first(redirect->host, redirect->port, &redirect->to, why);
}

static void redirect_print(const void *field, const struct attr *attr, FILE *to) {
	const struct redirect *redirect = field;
	if (redirect->host == NULL)
		return;
	char host[ADDR_TEXT];
	attr_begin_line(to, attr);
	fprintf(to, " %s %u\n", addr_format_host(&redirect->to, host), addr_port(&redirect->to));
}

/* Minutes, FOREVER or NEVER. */
static int minutes_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	static const struct attr_word words[] = {
	    {"FOREVER", DENY_FOREVER},
            {"NEVER",   DENY_NEVER  },
            {NULL,      0           }
        };
	struct reason unused;
	(void)arena;
	if (attr_parse_word(entry->word[0], words, field, &unused) == 0)
		return 0;
	return attr_parse_number(entry->word[0], 0, attr->max, field, why);
}

static void minutes_print(const void *field, const struct attr *attr, FILE *to) {
	long value = *(const long *)field;
	attr_begin_line(to, attr);
	if (value > 0)
		fprintf(to, " %ld\n", value);
	else
		fprintf(to, " %s\n", value == DENY_FOREVER ? "FOREVER" : "NEVER");
}

const struct attr_type attr_times = {"H:MM-H:MM...", 1, ANY, times_read, times_print, false, false};
const struct attr_type attr_rate = {"RATE SECONDS", 1, 2, rate_read, rate_print, false, false};
const struct attr_type attr_user = {"USER", 1, 1, user_read, identity_print, false, false};
const struct attr_type attr_group = {"GROUP", 1, 1, group_read, identity_print, false, false};
const struct attr_type attr_owner = {"USER[:GROUP]", 1, 1, owner_read, identity_print, false, false};
const struct attr_type attr_banner = {"PATH", 1, 1, banner_read, banner_print, false, false};
const struct attr_type attr_log = {
    "SYSLOG FACILITY [LEVEL] | FILE PATH [SOFT [HARD]]", 1, 4, log_read, log_print, false, false};
const struct attr_type attr_redirect = {"HOST PORT", 2, 2, redirect_read, redirect_print, false, false};
const struct attr_type attr_minutes = {
    "MINUTES FOREVER NEVER", 1, 1, minutes_read, minutes_print, true, false};

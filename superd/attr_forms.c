/*
 * attr_forms: the kinds of values that have a form of their own, read as in attr_types.c: times, rates, users, files,
 * places to log to.
 */
#include "attr.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ANY = INT_MAX, BANNER_MAX = 16 * 1024 };

/* H:MM, as minutes since midnight; leaves *text behind it. Returns -1 if it is not one. */
static int parse_clock(const char **text) {
	size_t hours = strspn(*text, "0123456789");
	const char *minutes = *text + hours + 1;
	if (hours < 1 || hours > 2 || (*text)[hours] != ':' || strspn(minutes, "0123456789") != 2) return -1;
	long hour = strtol(*text, NULL, 10), minute = strtol(minutes, NULL, 10);
	*text = minutes + 2;
	return hour > 23 || minute > 59 ? -1 : (int)(hour * 60 + minute);
}

static int times_read(void *field, const struct reading *in) {
	struct times *times = field;
	times->spans = mem_alloc(in->arena, in->count * sizeof *times->spans);
	times->count = 0;
	for (size_t i = 0; i < in->count; i++) {
		const char *text = in->word[i];
		int from = parse_clock(&text);
		bool dash = from >= 0 && *text++ == '-';
		int to = dash ? parse_clock(&text) : -1;
		if (to < 0 || *text != '\0') return reason_set(in->why, "'%s' is not H:MM-H:MM", in->word[i]);
		if (from > to) return reason_set(in->why, "'%s' ends before it begins; write two spans", in->word[i]);
		times->spans[times->count++] = (struct minutes){from, to};
	}
	return 0;
}

static int rate_read(void *field, const struct reading *in) {
	struct rate rate = {0, 0};
	if (attr_parse_number(in->word[0], 0, in->attr->max, &rate.connections, in->why) < 0) return -1;
	if (in->count == 2 && attr_parse_number(in->word[1], 0, in->attr->max, &rate.seconds, in->why) < 0) return -1;
	if (in->count == 1 && rate.connections > 0)
		return reason_set(in->why, "needs a rate and the seconds to stay shut past it");
	*(struct rate *)field = rate;
	return 0;
}

/* A decimal user or group id. Returns -1 if `text` is not one. */
static long parse_id(const char *text) {
	struct reason unused = {.text = ""};
	long id = -1;
	return attr_parse_number(text, 0, UINT_MAX - 1L, &id, &unused) < 0 ? -1 : id;
}

/* A number need not be in /etc/passwd; its group is then the same number, as xinetd has it. */
static int user_read(void *field, const struct reading *in) {
	const char *word = in->word[0];
	long id = parse_id(word);
	const struct passwd *entry = id < 0 ? getpwnam(word) : getpwuid((uid_t)id);
	if (entry == NULL && id < 0) return reason_set(in->why, "unknown user '%s'", word);
	struct identity user = {.word = mem_copy(in->arena, word), .uid = (uid_t)id, .gid = (gid_t)id, .set = true};
	if (entry != NULL) {
		user.name = mem_copy(in->arena, entry->pw_name);
		user.uid = entry->pw_uid;
		user.gid = entry->pw_gid;
	}
	*(struct identity *)field = user;
	return 0;
}

static int group_read(void *field, const struct reading *in) {
	struct identity *group = field;
	long id = parse_id(in->word[0]);
	const struct group *entry = id < 0 ? getgrnam(in->word[0]) : NULL;
	if (entry == NULL && id < 0) return reason_set(in->why, "unknown group '%s'", in->word[0]);
	group->word = mem_copy(in->arena, in->word[0]);
	group->gid = entry != NULL ? entry->gr_gid : (gid_t)id;
	group->group_set = group->set = true;
	return 0;
}

/* USER[:GROUP] */
static int owner_read(void *field, const struct reading *in) {
	struct reading user = *in, group = *in;
	char *user_word = mem_copy(in->arena, in->word[0]), *group_word = strchr(user_word, ':');
	if (group_word != NULL) *group_word++ = '\0';
	user.word = (const char *[]){user_word};
	group.word = (const char *[]){group_word};
	if (user_read(field, &user) < 0 || (group_word != NULL && group_read(field, &group) < 0)) return -1;
	((struct identity *)field)->word = mem_copy(in->arena, in->word[0]);
	return 0;
}

/* A banner that cannot be read is none, with a warning: it opens no door. On the command line it is an error. */
static int banner_read(void *field, const struct reading *in) {
	static char text[BANNER_MAX];
	struct banner *banner = field;
	FILE *file = fopen(in->word[0], "r");
	size_t length = file != NULL ? fread(text, 1, sizeof text, file) : 0;
	bool failed = file == NULL || ferror(file);
	if (failed) reason_set(in->why, "%s: %s", in->word[0], strerror(errno));
	if (failed && in->place->line > 0)
		log_warning_at(in->place, "%s: %s", in->attr->name, in->why->text);
	else if (length == sizeof text)
		log_warning_at(in->place, "%s: %s: cut at %d bytes", in->attr->name, in->word[0], BANNER_MAX);
	if (file != NULL) fclose(file);
	*banner = (struct banner){.text = mem_alloc(in->arena, length), .length = length};
	memcpy(banner->text, text, length);
	return failed && in->place->line == 0 ? -1 : 0;
}

static int log_read(void *field, const struct reading *in) {
	struct log_type type = {.soft = 0, .hard = 0, .set = true};
	if (strcasecmp(in->word[0], "SYSLOG") == 0) {
		if ((type.facility = log_find_facility(in->word[1])) < 0)
			return reason_set(in->why, "SYSLOG needs a facility, such as daemon");
		const char *level = in->count > 2 ? in->word[2] : "info";
		if ((type.level = log_find_level(level)) < 0)
			return reason_set(in->why, "'%s' is not a syslog level", level);
		if (in->count > 3) return reason_set(in->why, "too many values, from '%s' on", in->word[3]);
	} else if (strcasecmp(in->word[0], "FILE") == 0) {
		type.file = mem_copy(in->arena, in->word[1]);
		if (in->count > 2 && attr_parse_bytes(in->word[2], 1, &type.soft, in->why) < 0) return -1;
		if (in->count > 3 && attr_parse_bytes(in->word[3], type.soft, &type.hard, in->why) < 0) return -1;
	} else {
		return reason_set(in->why, "'%s' is neither SYSLOG nor FILE", in->word[0]);
	}
	*(struct log_type *)field = type;
	return 0;
}

static int redirect_read(void *field, const struct reading *in) {
	struct redirect *redirect = field;
	struct endpoint *found;
	size_t count;
	redirect->host = mem_copy(in->arena, in->word[0]);
	redirect->port = mem_copy(in->arena, in->word[1]);
	if (addr_resolve(in->arena, redirect->host, redirect->port, &found, &count, in->why) < 0) return -1;
	redirect->to = found[0];
	return 0;
}

/* Minutes, FOREVER or NEVER. */
static int minutes_read(void *field, const struct reading *in) {
	static const struct attr_word words[] = {{"FOREVER", DENY_FOREVER}, {"NEVER", DENY_NEVER}, {NULL, 0}};
	struct reason unused = {.text = ""};
	if (attr_parse_word(in->word[0], words, field, &unused) == 0) return 0;
	return attr_parse_number(in->word[0], 0, in->attr->max, field, in->why);
}

const struct attr_type attr_times = {"H:MM-H:MM...", 1, ANY, times_read, NULL, false, false};
const struct attr_type attr_rate = {"RATE SECONDS", 1, 2, rate_read, NULL, false, false};
const struct attr_type attr_user = {"USER", 1, 1, user_read, NULL, false, false};
const struct attr_type attr_group = {"GROUP", 1, 1, group_read, NULL, false, false};
const struct attr_type attr_owner = {"USER[:GROUP]", 1, 1, owner_read, NULL, false, false};
const struct attr_type attr_banner = {"PATH", 1, 1, banner_read, NULL, false, false};
const struct attr_type attr_log = {
    "SYSLOG FACILITY [LEVEL] | FILE PATH [SOFT [HARD]]", 2, 4, log_read, NULL, false, false};
const struct attr_type attr_redirect = {"HOST PORT", 2, 2, redirect_read, NULL, false, false};
const struct attr_type attr_minutes = {"MINUTES FOREVER NEVER", 1, 1, minutes_read, NULL, true, false};

/*
 * attr_types: the kinds of values that attributes take, and how each is read. A reader leaves why it could not;
 * attr.c puts the attribute's name before it.
 */
#include "attr.h"

#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <strings.h>

enum { ANY = INT_MAX, BANNER_MAX = 16 * 1024 };

/* What may stand behind a number, and what the number is then multiplied with. */
static const struct attr_word no_units[] = {{"", 1}, {NULL, 0}};
static const struct attr_word byte_units[] = {{"", 1}, {"K", 1024}, {"M", 1024L * 1024}, {NULL, 0}};

/* What may stand in place of a number. */
static const struct attr_word unlimited[] = {{"UNLIMITED", UNLIMITED}, {NULL, 0}};
static const struct attr_word deny_words[] = {{"FOREVER", DENY_FOREVER}, {"NEVER", DENY_NEVER}, {NULL, 0}};

/* The one of `words` that `text` is, in any case, or NULL. */
const struct attr_word *attr_find_word(const struct attr_word *words, const char *text) {
	while (words->name != NULL && strcasecmp(words->name, text) != 0) words++;
	return words->name != NULL ? words : NULL;
}

/* The whole decimal number, with its unit (NULL: it has none), that `text` is. Returns 0, or -1 and why. */
static int parse_number(
    const char *text, const struct attr_word *units, long min, long max, long *number, struct reason *why) {
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	const struct attr_word *unit = attr_find_word(units != NULL ? units : no_units, end);
	if (end == text || unit == NULL || isspace((unsigned char)*text))
		return reason_set(why, "'%s' is not a number", text);
	if (errno == ERANGE || value > max / unit->value || value < min / unit->value || value * unit->value < min)
		return reason_set(why, "%s is out of range, %ld to %ld", text, min, max);
	*number = value * unit->value;
	return 0;
}

/* A number, with its unit, or a word in its place. */
static int number_read(void *field, const struct reading *in) {
	const struct attr *attr = in->attr;
	const struct attr_word *words = attr->type->words;
	const struct attr_word *word = words != NULL ? attr_find_word(words, in->word[0]) : NULL;
	if (word == NULL) return parse_number(in->word[0], attr->type->units, attr->min, attr->max, field, in->why);
	*(long *)field = word->value;
	return 0;
}

static int octal_read(void *field, const struct reading *in) {
	const char *text = in->word[0];
	long value = strspn(text, "01234567") == strlen(text) && strlen(text) < 10 ? strtol(text, NULL, 8) : -1;
	if (value < 0 || value > in->attr->max)
		return reason_set(in->why, "'%s' is not an octal number up to %lo", text, (unsigned long)in->attr->max);
	*(long *)field = value;
	return 0;
}

/* A load average, kept in hundredths: 2 or 2.5. */
static int load_read(void *field, const struct reading *in) {
	const char *text = in->word[0];
	char *end;
	double load = strtod(text, &end);
	if (strspn(text, "0123456789.") != strlen(text) || end == text || *end != '\0' || load >= 1e6)
		return reason_set(in->why, "'%s' is not a load, such as 2 or 2.5", text);
	*(long *)field = (long)(load * 100 + 0.5);
	return 0;
}

/* Notes that a word is none of the row's. Returns -1. */
static int fail_word(const struct reading *in, const char *text) {
	char expected[160] = "";
	for (const struct attr_word *word = in->attr->words; word->name != NULL; word++)
		text_add(expected, sizeof expected, "%s%s", word == in->attr->words ? "" : ", ", word->name);
	return reason_set(in->why, "'%s' is none of %s", text, expected);
}

/* What the row's word stands for; of several, their bits together. */
static int words_read(void *field, const struct reading *in) {
	long value = 0;
	for (size_t i = 0; i < in->count; i++) {
		const struct attr_word *word = attr_find_word(in->attr->words, in->word[i]);
		if (word == NULL) return fail_word(in, in->word[i]);
		value |= word->value;
	}
	*(long *)field = value;
	return 0;
}

static int text_read(void *field, const struct reading *in) {
	*(const char **)field = mem_copy(in->arena, in->word[0]);
	return 0;
}

/* What superd does not do, said by the row's doc, unless it is only switched off. */
static int ignored_read(void *field, const struct reading *in) {
	long is_on = true;
	if (in->attr->words != NULL && words_read(&is_on, in) < 0) return -1;
	if (is_on) log_warning_at(in->place, "%s: %s", in->attr->name, in->attr->doc);
	return text_read(field, in);
}

static int list_read(void *field, const struct reading *in) {
	struct words words = {.set = true};
	for (size_t i = 0; i < in->count; i++) words_add(in->arena, &words, mem_copy(in->arena, in->word[i]));
	*(struct words *)field = words;
	return 0;
}

static int environment_read(void *field, const struct reading *in) {
	for (size_t i = 0; i < in->count; i++)
		if (in->word[i][strcspn(in->word[i], "=")] == '\0' || in->word[i][0] == '=')
			return reason_set(in->why, "'%s' is not NAME=VALUE", in->word[i]);
	return list_read(field, in);
}

static int addresses_read(void *field, const struct reading *in) {
	struct address_list list = {.set = true, .count = in->count};
	list.rules = mem_alloc(in->arena, in->count * sizeof *list.rules);
	for (size_t i = 0; i < in->count; i++) {
		if (addr_read_rule(in->arena, in->word[i], in->place, &list.rules[i], in->why) < 0) return -1;
		list.domains |= in->word[i][0] == '.';
	}
	*(struct address_list *)field = list;
	return 0;
}

static void addresses_print(const void *field, FILE *to) {
	const struct address_list *list = field;
	for (size_t i = 0; i < list->count; i++) addr_print_rule(&list->rules[i], to);
}

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
	if (parse_number(in->word[0], NULL, 0, in->attr->max, &rate.connections, in->why) < 0) return -1;
	if (in->count == 2 && parse_number(in->word[1], NULL, 0, in->attr->max, &rate.seconds, in->why) < 0) return -1;
	if (in->count == 1 && rate.connections > 0)
		return reason_set(in->why, "needs a rate and the seconds to stay shut past it");
	*(struct rate *)field = rate;
	return 0;
}

/* A decimal user or group id. Returns -1 if the word is not one. */
static long parse_id(const struct reading *in) {
	long id = -1;
	return parse_number(in->word[0], NULL, 0, UINT_MAX - 1L, &id, in->why) < 0 ? -1 : id;
}

/* A number need not be in /etc/passwd; its group is then the same number, as xinetd has it. */
static int user_read(void *field, const struct reading *in) {
	const char *word = in->word[0];
	long id = parse_id(in);
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
	long id = parse_id(in);
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
		const struct attr_word *facility = attr_find_word(log_facilities, in->word[1]);
		const struct attr_word *level = attr_find_word(log_levels, in->count > 2 ? in->word[2] : "info");
		if (facility == NULL) return reason_set(in->why, "SYSLOG needs a facility, such as daemon");
		if (level == NULL) return reason_set(in->why, "'%s' is not a syslog level", in->word[2]);
		type.priority = (int)(facility->value | level->value);
		if (in->count > 3) return reason_set(in->why, "too many values, from '%s' on", in->word[3]);
	} else if (strcasecmp(in->word[0], "FILE") == 0) {
		type.file = mem_copy(in->arena, in->word[1]);
		if (in->count > 2 && parse_number(in->word[2], byte_units, 1, LONG_MAX, &type.soft, in->why) < 0)
			return -1;
		if (in->count > 3 &&
		    parse_number(in->word[3], byte_units, type.soft, LONG_MAX, &type.hard, in->why) < 0)
			return -1;
	} else {
		return reason_set(in->why, "'%s' is neither SYSLOG nor FILE", in->word[0]);
	}
	*(struct log_type *)field = type;
	return 0;
}

static int redirect_read(void *field, const struct reading *in) {
	struct redirect *redirect = field;
	struct endpoint *found;
	redirect->host = mem_copy(in->arena, in->word[0]);
	redirect->port = mem_copy(in->arena, in->word[1]);
	if (addr_resolve(in->arena, redirect->host, redirect->port, &found, in->why) < 0) return -1;
	redirect->to = found[0];
	return 0;
}

const struct attr_type attr_number = {"NUMBER", 1, 1, number_read, .is_number = true};
const struct attr_type attr_limit = {"NUMBER UNLIMITED", 1, 1, number_read, .is_number = true, .words = unlimited};
const struct attr_type attr_octal = {"OCTAL", 1, 1, .read = octal_read, .is_number = true};
const struct attr_type attr_bytes = {
    "BYTES UNLIMITED", 1, 1, number_read, .is_number = true, .words = unlimited, .units = byte_units};
const struct attr_type attr_load = {"LOAD", 1, 1, .read = load_read, .is_number = true};
const struct attr_type attr_word = {"WORD", 1, 1, .read = words_read, .is_number = true};
const struct attr_type attr_bits = {"WORD...", 1, ANY, .read = words_read};
const struct attr_type attr_bit_set = {"WORD...", 0, ANY, .read = words_read, .is_set = true};
const struct attr_type attr_text = {"WORD", 1, 1, .read = text_read};
const struct attr_type attr_ignored = {"WORD", 1, 1, .read = ignored_read};
const struct attr_type attr_path = {"PATH", 1, 1, .read = text_read};
const struct attr_type attr_list = {"WORD...", 0, ANY, .read = list_read};
const struct attr_type attr_hosts = {"ADDRESS...", 1, ANY, .read = list_read};
const struct attr_type attr_word_set = {"WORD...", 0, ANY, .read = list_read, .is_set = true};
const struct attr_type attr_environment = {"NAME=VALUE...", 0, ANY, .read = environment_read, .is_set = true};
const struct attr_type attr_addresses = {
    "ADDRESS...", 0, ANY, addresses_read, .print = addresses_print, .is_set = true};
const struct attr_type attr_times = {"H:MM-H:MM...", 1, ANY, .read = times_read};
const struct attr_type attr_rate = {"RATE SECONDS", 1, 2, .read = rate_read};
const struct attr_type attr_user = {"USER", 1, 1, .read = user_read};
const struct attr_type attr_group = {"GROUP", 1, 1, .read = group_read};
const struct attr_type attr_owner = {"USER[:GROUP]", 1, 1, .read = owner_read};
const struct attr_type attr_banner = {"PATH", 1, 1, .read = banner_read};
const struct attr_type attr_log = {"SYSLOG FACILITY [LEVEL] | FILE PATH [SOFT [HARD]]", 2, 4, .read = log_read};
const struct attr_type attr_redirect = {"HOST PORT", 2, 2, .read = redirect_read};
const struct attr_type attr_minutes = {
    "MINUTES FOREVER NEVER", 1, 1, number_read, .is_number = true, .words = deny_words};

/*
 * attr_types: the kinds of values that attributes have, and how each is read. A reader returns -1 and an error; attr.c puts
 * the attribute's name before it.
 */
#include "attr.h"

#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <strings.h>

enum { ANY = INT_MAX, BANNER_MAX = 16 * 1024 };

/* What may follow a number, and what the number is then multiplied by. */
static const struct named_value no_units[] = {{"", 1}, {NULL, 0}};
static const struct named_value byte_units[] = {{"", 1}, {"K", 1024}, {"M", 1024L * 1024}, {NULL, 0}};

/* What may stand in place of a number. */
static const struct named_value unlimited[] = {{"UNLIMITED", UNLIMITED}, {NULL, 0}};
static const struct named_value deny_words[] = {{"FOREVER", DENY_FOREVER}, {"NEVER", DENY_NEVER}, {NULL, 0}};

/* The whole decimal number, with its unit (NULL: it has none), that `text` is. Returns 0, or -1 and an error. */
static int parse_number(
    const char *text, const struct named_value *units, long min, long max, long *number, struct error *error) {
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	const struct named_value *unit = named_value_find(units != NULL ? units : no_units, end);
	if (end == text || unit == NULL || isspace((unsigned char)*text))
		return error_set(error, "'%s' is not a number", text);
	if (errno == ERANGE || value > max / unit->value || value < min / unit->value || value * unit->value < min)
		return error_set(error, "%s is out of range, %ld to %ld", text, min, max);
	*number = value * unit->value;
	return 0;
}

/* A number, with its unit, or a word in its place. */
static int number_read(void *field, const struct reading *in) {
	const struct attr *attr = in->attr;
	const struct named_value *words = attr->type->words;
	const struct named_value *word = words != NULL ? named_value_find(words, in->word[0]) : NULL;
	if (word == NULL) return parse_number(in->word[0], attr->type->units, attr->min, attr->max, field, in->error);
	*(long *)field = word->value;
	return 0;
}

static int octal_read(void *field, const struct reading *in) {
	const char *text = in->word[0];
	long value = strspn(text, "01234567") == strlen(text) && strlen(text) < 10 ? strtol(text, NULL, 8) : -1;
	if (value < 0 || value > in->attr->max)
		return error_set(
		    in->error, "'%s' is not an octal number up to %lo", text, (unsigned long)in->attr->max);
	*(long *)field = value;
	return 0;
}

/* A load average, kept in hundredths: 2 or 2.5. */
static int load_read(void *field, const struct reading *in) {
	const char *text = in->word[0];
	char *end;
	double load = strtod(text, &end);
	if (strspn(text, "0123456789.") != strlen(text) || end == text || *end != '\0' || load >= 1e6)
		return error_set(in->error, "'%s' is not a load, such as 2 or 2.5", text);
	*(long *)field = (long)(load * 100 + 0.5);
	return 0;
}

/* Sets the error: the word is none of the row's. Returns -1. */
static int fail_word(const struct reading *in, const char *text) {
	char expected[160] = "";
	for (const struct named_value *word = in->attr->words; word->name != NULL; word++)
		text_add(expected, sizeof expected, "%s%s", word == in->attr->words ? "" : ", ", word->name);
	return error_set(in->error, "'%s' is none of %s", text, expected);
}

/* What the row's word stands for; of several, their bits together. */
static int words_read(void *field, const struct reading *in) {
	long value = 0;
	for (size_t i = 0; i < in->count; i++) {
		const struct named_value *word = named_value_find(in->attr->words, in->word[i]);
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

/* What superd does not do: a warning with the row's doc, unless it is only switched off. */
static int ignored_read(void *field, const struct reading *in) {
	long is_on = true;
	if (in->attr->words != NULL && words_read(&is_on, in) < 0) return -1;
	if (is_on) log_warning_at(in->location, "%s: %s", in->attr->name, in->attr->doc);
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
			return error_set(in->error, "'%s' is not NAME=VALUE", in->word[i]);
	return list_read(field, in);
}

static int addresses_read(void *field, const struct reading *in) {
	struct address_list list = {.set = true, .count = in->count};
	list.rules = mem_alloc(in->arena, in->count * sizeof *list.rules);
	for (size_t i = 0; i < in->count; i++) {
		if (addr_read_rule(in->arena, in->word[i], in->location, &list.rules[i], in->error) < 0) return -1;
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
	int64_t hour = text_read_number(text, 2, 23);
	if (hour < 0 || *(*text)++ != ':' || strspn(*text, "0123456789") != 2) return -1;
	int64_t minute = text_read_number(text, 2, 59);
	return minute < 0 ? -1 : (int)(hour * 60 + minute);
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
		if (to < 0 || *text != '\0') return error_set(in->error, "'%s' is not H:MM-H:MM", in->word[i]);
		if (from > to) return error_set(in->error, "'%s' ends before it begins; write two spans", in->word[i]);
		times->spans[times->count++] = (struct minutes){from, to};
	}
	return 0;
}

static int rate_read(void *field, const struct reading *in) {
	struct rate rate = {0, 0};
	if (parse_number(in->word[0], NULL, 0, in->attr->max, &rate.connections, in->error) < 0) return -1;
	if (in->count == 2 && parse_number(in->word[1], NULL, 0, in->attr->max, &rate.seconds, in->error) < 0)
		return -1;
	if (in->count == 1 && rate.connections > 0)
		return error_set(in->error, "needs a rate and the seconds to stay shut past it");
	*(struct rate *)field = rate;
	return 0;
}

/* A decimal user or group id, up to 2^32 - 2 (the last one means "no id"). Returns -1 if the word is not one. */
static int64_t parse_id(const struct reading *in) {
	const char *text = in->word[0];
	int64_t id = text_read_number(&text, 10, UINT32_MAX - INT64_C(1));
	return *text == '\0' ? id : -1;
}

/* A number need not be in /etc/passwd; its group is then the same number, as xinetd has it. */
static int user_read(void *field, const struct reading *in) {
	const char *word = in->word[0];
	int64_t id = parse_id(in);
	const struct passwd *entry = id < 0 ? getpwnam(word) : getpwuid((uid_t)id);
	if (entry == NULL && id < 0) return error_set(in->error, "unknown user '%s'", word);
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
	int64_t id = parse_id(in);
	const struct group *entry = id < 0 ? getgrnam(in->word[0]) : NULL;
	if (entry == NULL && id < 0) return error_set(in->error, "unknown group '%s'", in->word[0]);
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

/* A banner that cannot be read is none, with a warning: that does not widen access. On the command line it is an error. */
static int banner_read(void *field, const struct reading *in) {
	static char text[BANNER_MAX];
	struct banner *banner = field;
	FILE *file = fopen(in->word[0], "r");
	size_t length = file != NULL ? fread(text, 1, sizeof text, file) : 0;
	bool failed = file == NULL || ferror(file);
	if (failed) error_set(in->error, "%s: %s", in->word[0], strerror(errno));
	if (failed && in->location->line > 0)
		log_warning_at(in->location, "%s: %s", in->attr->name, in->error->text);
	else if (length == sizeof text)
		log_warning_at(in->location, "%s: %s: cut at %d bytes", in->attr->name, in->word[0], BANNER_MAX);
	if (file != NULL) fclose(file);
	*banner = (struct banner){.text = mem_alloc(in->arena, length), .length = length};
	memcpy(banner->text, text, length);
	return failed && in->location->line == 0 ? -1 : 0;
}

static int log_read(void *field, const struct reading *in) {
	struct log_type type = {.soft = 0, .hard = 0, .set = true};
	if (strcasecmp(in->word[0], "SYSLOG") == 0) {
		const struct named_value *facility = named_value_find(syslog_facilities, in->word[1]);
		const struct named_value *level = named_value_find(syslog_levels, in->count > 2 ? in->word[2] : "info");
		if (facility == NULL) return error_set(in->error, "SYSLOG needs a facility, such as daemon");
		if (level == NULL) return error_set(in->error, "'%s' is not a syslog level", in->word[2]);
		type.priority = (int)(facility->value | level->value);
		if (in->count > 3) return error_set(in->error, "too many values, from '%s' on", in->word[3]);
	} else if (strcasecmp(in->word[0], "FILE") == 0) {
		type.file = mem_copy(in->arena, in->word[1]);
		if (in->count > 2 && parse_number(in->word[2], byte_units, 1, LONG_MAX, &type.soft, in->error) < 0)
			return -1;
		if (in->count > 3 &&
		    parse_number(in->word[3], byte_units, type.soft, LONG_MAX, &type.hard, in->error) < 0)
			return -1;
	} else {
		return error_set(in->error, "'%s' is neither SYSLOG nor FILE", in->word[0]);
	}
	*(struct log_type *)field = type;
	return 0;
}

static int redirect_read(void *field, const struct reading *in) {
	struct redirect *redirect = field;
	struct endpoint *found;
	redirect->host = mem_copy(in->arena, in->word[0]);
	redirect->port = mem_copy(in->arena, in->word[1]);
	if (addr_resolve(in->arena, redirect->host, redirect->port, &found, in->error) < 0) return -1;
	redirect->to = found[0];
	return 0;
}

const struct attr_type attr_number = {
    .values = "NUMBER", .least = 1, .most = 1, .read = number_read, .is_number = true};
const struct attr_type attr_limit = {
    .values = "NUMBER UNLIMITED", .least = 1, .most = 1, .read = number_read, .is_number = true, .words = unlimited};
const struct attr_type attr_octal = {.values = "OCTAL", .least = 1, .most = 1, .read = octal_read, .is_number = true};
const struct attr_type attr_bytes = {.values = "BYTES UNLIMITED",
    .least = 1,
    .most = 1,
    .read = number_read,
    .is_number = true,
    .words = unlimited,
    .units = byte_units};
const struct attr_type attr_load = {.values = "LOAD", .least = 1, .most = 1, .read = load_read, .is_number = true};
const struct attr_type attr_word = {.values = "WORD", .least = 1, .most = 1, .read = words_read, .is_number = true};
const struct attr_type attr_bits = {.values = "WORD...", .least = 1, .most = ANY, .read = words_read};
const struct attr_type attr_bit_set = {
    .values = "WORD...", .least = 0, .most = ANY, .read = words_read, .is_set = true};
const struct attr_type attr_text = {.values = "WORD", .least = 1, .most = 1, .read = text_read};
const struct attr_type attr_ignored = {.values = "WORD", .least = 1, .most = 1, .read = ignored_read};
const struct attr_type attr_path = {.values = "PATH", .least = 1, .most = 1, .read = text_read};
const struct attr_type attr_list = {.values = "WORD...", .least = 0, .most = ANY, .read = list_read};
const struct attr_type attr_hosts = {.values = "ADDRESS...", .least = 1, .most = ANY, .read = list_read};
const struct attr_type attr_word_set = {
    .values = "WORD...", .least = 0, .most = ANY, .read = list_read, .is_set = true};
const struct attr_type attr_environment = {
    .values = "NAME=VALUE...", .least = 0, .most = ANY, .read = environment_read, .is_set = true};
const struct attr_type attr_addresses = {
    .values = "ADDRESS...", .least = 0, .most = ANY, .read = addresses_read, .print = addresses_print, .is_set = true};
const struct attr_type attr_times = {.values = "H:MM-H:MM...", .least = 1, .most = ANY, .read = times_read};
const struct attr_type attr_rate = {.values = "RATE SECONDS", .least = 1, .most = 2, .read = rate_read};
const struct attr_type attr_user = {.values = "USER", .least = 1, .most = 1, .read = user_read};
const struct attr_type attr_group = {.values = "GROUP", .least = 1, .most = 1, .read = group_read};
const struct attr_type attr_owner = {.values = "USER[:GROUP]", .least = 1, .most = 1, .read = owner_read};
const struct attr_type attr_banner = {.values = "PATH", .least = 1, .most = 1, .read = banner_read};
const struct attr_type attr_log = {
    .values = "SYSLOG FACILITY [LEVEL] | FILE PATH [SOFT [HARD]]", .least = 2, .most = 4, .read = log_read};
const struct attr_type attr_redirect = {.values = "HOST PORT", .least = 2, .most = 2, .read = redirect_read};
const struct attr_type attr_minutes = {.values = "MINUTES FOREVER NEVER",
    .least = 1,
    .most = 1,
    .read = number_read,
    .is_number = true,
    .words = deny_words};

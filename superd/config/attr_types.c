/* SPDX-License-Identifier: ISC */
/*
 * attr_types: the kinds of values that attributes have, and how each is read. A reader returns 0, or -1 and an error, before
 * which attr.c puts the attribute's name. Those of sets can also add to what was read before.
 */
#include "attr.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { ANY = INT_MAX, BANNER_MAX = 16 * 1024 };

/* What may follow a number, and what the number is then multiplied by. */
static const struct named_value no_units[] = {{"", 1}, {NULL, 0}};
static const struct named_value byte_units[] = {{"", 1}, {"K", 1024}, {"M", 1024L * 1024}, {NULL, 0}};

/* What may stand in place of a number. */
static const struct named_value unlimited[] = {{"UNLIMITED", UNLIMITED}, {NULL, 0}};
static const struct named_value deny_words[] = {{"FOREVER", DENY_FOREVER}, {"NEVER", DENY_NEVER}, {NULL, 0}};

/* Not all are in POSIX; where there is none, setrlimit(2) fails. */
#ifndef RLIMIT_AS
#define RLIMIT_AS (-1)
#endif
#ifndef RLIMIT_NPROC
#define RLIMIT_NPROC (-1)
#endif
#ifndef RLIMIT_RSS
#define RLIMIT_RSS (-1)
#endif

/* clang-format off */
const int rlimit_resources[LIMITS] = {
	[LIMIT_AS] = RLIMIT_AS, [LIMIT_CORE] = RLIMIT_CORE, [LIMIT_CPU] = RLIMIT_CPU, [LIMIT_DATA] = RLIMIT_DATA,
	[LIMIT_FILES] = RLIMIT_NOFILE, [LIMIT_FSIZE] = RLIMIT_FSIZE, [LIMIT_NPROC] = RLIMIT_NPROC,
	[LIMIT_RSS] = RLIMIT_RSS, [LIMIT_STACK] = RLIMIT_STACK
};
/* clang-format on */

/* A word that is no number, but begins with one: what could be read of it. Returns -1 and an error. */
static int not_a_number(const struct reading *in, const char *word, const char *end, bool has_units) {
	bool has_unit = has_units && *end != '\0' && strchr("KkMm", *end) != NULL;
	if (end == word || (!has_unit && strchr("KkMmGgTt", *end) != NULL))
		return error_set(in->error, "'%s' is not a number", word);
	return error_set(in->error, "'%s' is not a number; is %.*s meant?", word, (int)(end - word) + has_unit, word);
}

/* The nth word, a whole decimal number from `min` to the row's max, with one of the units. Returns 0, or -1 and an error. */
static int parse_number(
    const struct reading *in, size_t nth, const struct named_value *units, int64_t min, int64_t *number) {
	const char *text = in->word[nth];
	int64_t max = in->attr->max;
	char *end;
	errno = 0;
	int64_t value = strtoll(text, &end, 10);
	const struct named_value *unit = named_value_find(units, end);
	if (strchr("+-0123456789", *text) == NULL) end = (char *)text;
	if (end == text || unit == NULL) return not_a_number(in, text, end, units == byte_units);
	if (errno == ERANGE || value > max / unit->value || value < min / unit->value || value * unit->value < min)
		return error_set(in->error, "%s is out of range, %" PRId64 " to %" PRId64, text, min, max);
	*number = value * unit->value;
	return 0;
}

/* A number, with its unit, or a word in its place. */
static int parse_number_or_word(const struct reading *in, int64_t *number) {
	const struct attr_type *type = in->attr->type;
	const struct named_value *word = type->words != NULL ? named_value_find(type->words, in->word[0]) : NULL;
	if (word == NULL) return parse_number(in, 0, type->units, in->attr->min, number);
	*number = word->value;
	return 0;
}

static int number_read(void *field, const struct reading *in) {
	int64_t number = 0;
	if (parse_number_or_word(in, &number) < 0) return -1;
	*(long *)field = (long)number;
	return 0;
}

/* The most, up to `wanted`, that a child can set. Whether superd may raise its own limit, only an attempt shows. */
static rlim_t find_allowed(int resource, rlim_t wanted) {
	struct rlimit own;
	if (resource == RLIMIT_NOFILE && wanted > sys_most_descriptors()) wanted = sys_most_descriptors();
	if (getrlimit(resource, &own) < 0 || wanted <= own.rlim_max) return wanted;
	if (setrlimit(resource, &(struct rlimit){own.rlim_cur, wanted}) < 0) return own.rlim_max;
	setrlimit(resource, &own);
	return wanted;
}

/* A limit, which is cut to what the system allows. As under xinetd, no seconds are no limit. */
static int rlimit_read(void *field, const struct reading *in) {
	int64_t *limit = field;
	size_t kind = (in->attr->field - offsetof(struct service, rlimits)) / sizeof *limit;
	if (parse_number_or_word(in, limit) < 0) return -1;
	if (kind == LIMIT_CPU && *limit == 0) *limit = UNSET;
	if (*limit == UNSET) return 0;
	rlim_t wanted = *limit == UNLIMITED ? RLIM_INFINITY : (rlim_t)*limit;
	rlim_t allowed = find_allowed(rlimit_resources[kind], wanted);
	if (allowed >= wanted) return 0;
	*limit = allowed < INT64_MAX ? (int64_t)allowed : INT64_MAX;
	log_warning_at(in->location, "%s: '%s' is more than the system allows superd; %" PRId64 " is used",
	    in->attr->name, in->word[0], *limit);
	in->word[0] = mem_print(in->arena, "%" PRId64, *limit);
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

/* The names of the row's words, as one text. Returns `text`. */
const char *attr_list_words(const struct attr *attr, const char *separator, char text[ATTR_WORDS_TEXT]) {
	text[0] = '\0';
	for (const struct named_value *word = attr->words; word->name != NULL; word++)
		text_add(text, ATTR_WORDS_TEXT, "%s%s", word == attr->words ? "" : separator, word->name);
	return text;
}

/* What the row's word stands for; of several, their bits together. */
static int words_read(void *field, const struct reading *in) {
	char words[ATTR_WORDS_TEXT], wrong[ATTR_WORDS_TEXT] = "";
	long value = in->first > 0 ? *(long *)field : 0;
	int count = 0;
	for (size_t i = in->first; i < in->count; i++) {
		const struct named_value *word = named_value_find(in->attr->words, in->word[i]);
		if (word != NULL) value |= word->value;
		else text_add(wrong, sizeof wrong, "%s'%s'", count++ > 0 ? ", " : "", in->word[i]);
	}
	if (count > 0)
		return error_set(in->error, "%s %s none of %s", wrong, count == 1 ? "is" : "are",
		    attr_list_words(in->attr, ", ", words));
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
	struct words words = in->first > 0 ? *(struct words *)field : (struct words){.set = true};
	for (size_t i = in->first; i < in->count; i++) words_add(in->arena, &words, mem_copy(in->arena, in->word[i]));
	*(struct words *)field = words;
	return 0;
}

static int variable_read(const struct reading *in, void *list, const char *word) {
	(void)list;
	if (*word != '=' && strchr(word, '=') != NULL) return 0;
	return error_set(in->error, "'%s' is not NAME=VALUE", word);
}

static int environment_read(void *field, const struct reading *in) {
	return attr_read_each(in, NULL, variable_read) < 0 ? -1 : list_read(field, in);
}

/* H:MM-H:MM: four numbers, each with what must follow it. */
static int span_read(const struct reading *in, void *list, const char *word) {
	static const char after[] = ":-:";
	struct times *times = list;
	const char *text = word;
	int number[4] = {0};
	for (size_t i = 0; i < LENGTH(number); i++) {
		size_t digits = strspn(text, "0123456789");
		number[i] = (int)text_read_number(&text, 2, i % 2 == 0 ? 23 : 59);
		if (number[i] < 0 || (i % 2 == 1 && digits != 2) || *text++ != after[i])
			return error_set(in->error, "'%s' is not H:MM-H:MM", word);
	}
	struct minutes span = {number[0] * 60 + number[1], number[2] * 60 + number[3]};
	if (span.from > span.to) return error_set(in->error, "'%s' ends before it begins; write two spans", word);
	times->spans = mem_grow(in->arena, times->spans, times->count, sizeof span);
	times->spans[times->count++] = span;
	return 0;
}

static int times_read(void *field, const struct reading *in) {
	*(struct times *)field = (struct times){0};
	return attr_read_each(in, field, span_read);
}

static int rate_read(void *field, const struct reading *in) {
	int64_t number[2] = {0, 0};
	for (size_t i = 0; i < in->count; i++)
		if (parse_number(in, i, no_units, 0, &number[i]) < 0) return -1;
	if (in->count == 1 && number[0] > 0)
		return error_set(in->error, "needs a rate and the seconds to stay shut past it");
	*(struct rate *)field = (struct rate){(long)number[0], (long)number[1]};
	return 0;
}

/* A decimal user or group id, up to 2^32 - 2 (the last one means "no id"). Returns -1 if the word is not one. */
static int64_t parse_id(const char *word) {
	int64_t id = text_read_number(&word, 10, UINT32_MAX - INT64_C(1));
	return *word == '\0' ? id : -1;
}

/*
 * Whether a user or a group was not found because superd could not look, as without descriptors. getpwnam(3) does not tell
 * where nsswitch.conf(5) has more to ask than the file.
 */
static bool could_not_look(const char *path) {
	if (errno == ENOMEM) return true;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) close(fd);
	return fd < 0 && errno != ENOENT;
}

static int not_found(const struct reading *in, const char *kind, const char *path) {
	if (could_not_look(path)) return error_set(in->error, "%s '%s': %s", kind, in->word[0], strerror(errno));
	return error_set(in->error, "unknown %s '%s'", kind, in->word[0]);
}

/* Where a configuration keeps what it has looked up as this type: it asks once for each word. */
static const void **known_as(const struct attr_type *type, const struct reading *in) {
	return lookup_slot(in->config, type, mem_copy(in->config->loading, in->word[0]));
}

/* A number need not be in /etc/passwd; its group is then the same number, as in xinetd. */
static const struct identity *find_user(const struct reading *in) {
	struct arena *loading = in->config->loading;
	int64_t id = parse_id(in->word[0]);
	struct identity *user = mem_alloc(loading, sizeof *user);
	errno = 0;
	const struct passwd *entry = id < 0 ? getpwnam(in->word[0]) : getpwuid((uid_t)id);
	if (entry == NULL && (id < 0 || could_not_look("/etc/passwd"))) return NULL;
	*user = (struct identity){.uid = (uid_t)id, .gid = (gid_t)id, .set = true};
	if (entry == NULL) return user;
	user->uid = entry->pw_uid;
	user->gid = entry->pw_gid;
	user->name = mem_copy(loading, entry->pw_name);
	user->home = mem_copy(loading, entry->pw_dir);
	user->shell = mem_copy(loading, entry->pw_shell);
	return user;
}

static int user_read(void *field, const struct reading *in) {
	const void **known = known_as(&attr_user, in);
	struct identity *user = field;
	if (*known == NULL) *known = find_user(in);
	if (*known == NULL) return not_found(in, "user", "/etc/passwd");
	*user = *(const struct identity *)*known;
	user->word = mem_copy(in->arena, in->word[0]);
	return 0;
}

static const gid_t *find_group(const struct reading *in) {
	int64_t id = parse_id(in->word[0]);
	gid_t *gid = mem_alloc(in->config->loading, sizeof *gid);
	errno = 0;
	const struct group *entry = id < 0 ? getgrnam(in->word[0]) : NULL;
	*gid = entry != NULL ? entry->gr_gid : (gid_t)id;
	return entry != NULL || id >= 0 ? gid : NULL;
}

static int group_read(void *field, const struct reading *in) {
	const void **known = known_as(&attr_group, in);
	struct identity *group = field;
	if (*known == NULL) *known = find_group(in);
	if (*known == NULL) return not_found(in, "group", "/etc/group");
	group->word = mem_copy(in->arena, in->word[0]);
	group->gid = *(const gid_t *)*known;
	group->group_set = group->set = true;
	return 0;
}

/* USER[:GROUP] */
static int owner_read(void *field, const struct reading *in) {
	struct reading part = *in;
	char *user = mem_copy(in->arena, in->word[0]), *group = strchr(user, ':');
	if (group != NULL) *group++ = '\0';
	part.word = (const char *[]){user};
	if (user_read(field, &part) < 0) return -1;
	part.word = (const char *[]){group};
	if (group != NULL && group_read(field, &part) < 0) return -1;
	((struct identity *)field)->word = mem_copy(in->arena, in->word[0]);
	return 0;
}

/*
 * A banner that cannot be read is none, with a warning: that does not widen access. On the command line it is an error.
 */
static int banner_read(void *field, const struct reading *in) {
	static char text[BANNER_MAX];
	int fd = open(in->word[0], O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t count = fd >= 0 ? read(fd, text, sizeof text) : -1;
	size_t length = count > 0 ? (size_t)count : 0;
	if (count < 0) error_set(in->error, "%s: %s", in->word[0], strerror(errno));
	struct stat about;
	bool is_file = fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
	if (fd >= 0) close(fd);
	if (count < 0 && in->location->line == 0) return -1;
	if (count < 0) log_warning_at(in->location, "%s: %s", in->attr->name, in->error->text);
	if (is_file) trust_check(in->config, in->word[0], 0, in->location);
	if (length == sizeof text)
		log_warning_at(in->location, "%s: %s: cut at %d bytes", in->attr->name, in->word[0], BANNER_MAX);
	*(struct banner *)field = (struct banner){memcpy(mem_alloc(in->arena, length), text, length), length};
	return 0;
}

static int log_read(void *field, const struct reading *in) {
	struct log_type type = {.set = true};
	if (strcasecmp(in->word[0], "SYSLOG") == 0) {
		const struct named_value *facility = named_value_find(syslog_facilities, in->word[1]);
		const struct named_value *level = named_value_find(syslog_levels, in->count > 2 ? in->word[2] : "info");
		if (facility == NULL) return error_set(in->error, "SYSLOG needs a facility, such as daemon");
		if (level == NULL) return error_set(in->error, "'%s' is not a syslog level", in->word[2]);
		if (in->count > 3) return error_set(in->error, "too many values, from '%s' on", in->word[3]);
		type.priority = (int)(facility->value | level->value);
	} else if (strcasecmp(in->word[0], "FILE") == 0) {
		type.file = mem_copy(in->arena, in->word[1]);
		if (in->count > 2 && parse_number(in, 2, byte_units, 1, &type.soft) < 0) return -1;
		if (in->count > 3 && parse_number(in, 3, byte_units, type.soft, &type.hard) < 0) return -1;
	} else {
		return error_set(in->error, "'%s' is neither SYSLOG nor FILE", in->word[0]);
	}
	*(struct log_type *)field = type;
	return 0;
}

static int redirect_read(void *field, const struct reading *in) {
	struct redirect redirect = {.host = mem_copy(in->arena, in->word[0]), .port = mem_copy(in->arena, in->word[1])};
	struct endpoint *found;
	int count =
	    addr_resolve_meanwhile(in->arena, redirect.host, redirect.port, &found, in->error, in->config->meanwhile);
	if (count < 0) return -1;
	redirect.to = found[0];
	*(struct redirect *)field = redirect;
	return 0;
}

/* clang-format off */
const struct attr_type attr_number = {.values = "NUMBER", .least = 1, .most = 1, .read = number_read, .is_number = true, .units = no_units};
const struct attr_type attr_limit = {.values = "NUMBER UNLIMITED", .least = 1, .most = 1, .read = number_read, .is_number = true, .units = no_units, .words = unlimited};
const struct attr_type attr_rlimit = {.values = "NUMBER UNLIMITED", .least = 1, .most = 1, .read = rlimit_read, .units = no_units, .words = unlimited};
const struct attr_type attr_rlimit_bytes = {.values = "BYTES UNLIMITED", .least = 1, .most = 1, .read = rlimit_read, .units = byte_units, .words = unlimited};
const struct attr_type attr_minutes = {.values = "MINUTES FOREVER NEVER", .least = 1, .most = 1, .read = number_read, .is_number = true, .units = no_units, .words = deny_words};
const struct attr_type attr_octal = {.values = "OCTAL", .least = 1, .most = 1, .read = octal_read, .is_number = true};
const struct attr_type attr_load = {.values = "LOAD", .least = 1, .most = 1, .read = load_read, .is_number = true};
const struct attr_type attr_word = {.values = "WORD", .least = 1, .most = 1, .read = words_read, .is_number = true};
const struct attr_type attr_bits = {.values = "WORD...", .least = 1, .most = ANY, .read = words_read};
const struct attr_type attr_bit_set = {.values = "WORD...", .most = ANY, .read = words_read, .is_set = true};
const struct attr_type attr_text = {.values = "WORD", .least = 1, .most = 1, .read = text_read};
const struct attr_type attr_ignored = {.values = "WORD", .least = 1, .most = 1, .read = ignored_read};
const struct attr_type attr_path = {.values = "PATH", .least = 1, .most = 1, .read = text_read};
const struct attr_type attr_directory = {.values = "PATH", .least = 1, .most = 1, .read = text_read, .is_quoted = true};
const struct attr_type attr_list = {.values = "WORD...", .most = ANY, .read = list_read};
const struct attr_type attr_command = {.values = "COMMAND LINE", .least = 1, .most = ANY, .read = list_read, .is_quoted = true};
const struct attr_type attr_hosts = {.values = "ADDRESS...", .least = 1, .most = ANY, .read = list_read, .is_quoted = true};
const struct attr_type attr_word_set = {.values = "WORD...", .most = ANY, .read = list_read, .is_set = true};
const struct attr_type attr_environment = {.values = "NAME=VALUE...", .most = ANY, .read = environment_read, .is_set = true};
const struct attr_type attr_addresses = {.values = "ADDRESS...", .most = ANY, .read = addr_read_list, .print = addr_print_list, .is_set = true};
const struct attr_type attr_times = {.values = "H:MM-H:MM...", .least = 1, .most = ANY, .read = times_read};
const struct attr_type attr_rate = {.values = "RATE SECONDS", .least = 1, .most = 2, .read = rate_read};
const struct attr_type attr_user = {.values = "USER", .least = 1, .most = 1, .read = user_read};
const struct attr_type attr_group = {.values = "GROUP", .least = 1, .most = 1, .read = group_read};
const struct attr_type attr_owner = {.values = "USER[:GROUP]", .least = 1, .most = 1, .read = owner_read};
const struct attr_type attr_banner = {.values = "PATH", .least = 1, .most = 1, .read = banner_read};
const struct attr_type attr_log = {.values = "SYSLOG FACILITY [LEVEL] | FILE PATH [SOFT [HARD]]", .least = 2, .most = 4, .read = log_read};
const struct attr_type attr_redirect = {.values = "HOST PORT", .least = 2, .most = 2, .read = redirect_read};
/* clang-format on */

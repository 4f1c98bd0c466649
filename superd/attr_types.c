/*
 * attr_types: the kinds of values that attributes take, and how each is read. A reader leaves why it could not;
 * attr.c puts the attribute's name before it.
 */
#include "attr.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ANY = INT_MAX };

const struct attr_word attr_yes_no[] = {{"yes", true}, {"no", false}, {NULL, 0}};
const struct attr_word attr_socket_types[] = {
    {"stream", SOCK_STREAM}, {"dgram", SOCK_DGRAM}, {"raw", SOCK_RAW}, {"seqpacket", SOCK_SEQPACKET}, {NULL, 0}};
const struct attr_word attr_service_types[] = {{"INTERNAL", TYPE_INTERNAL}, {"UNLISTED", TYPE_UNLISTED},
    {"RPC", TYPE_RPC}, {"TCPMUX", TYPE_TCPMUX}, {"TCPMUXPLUS", TYPE_TCPMUXPLUS}, {NULL, 0}};
const struct attr_word attr_flags[] = {{"REUSE", FLAG_REUSE}, {"NAMEINARGS", FLAG_NAMEINARGS},
    {"NODELAY", FLAG_NODELAY}, {"KEEPALIVE", FLAG_KEEPALIVE}, {"IPv4", FLAG_IPV4}, {"IPv6", FLAG_IPV6},
    {"NORETRY", FLAG_NORETRY}, {"IDONLY", FLAG_IDONLY}, {"NOLIBWRAP", FLAG_NOLIBWRAP}, {"SENSOR", FLAG_SENSOR},
    {"INTERCEPT", FLAG_INTERCEPT}, {"LABELED", FLAG_LABELED}, {NULL, 0}};
const struct attr_word attr_success_items[] = {{"PID", LOG_ITEM_PID}, {"HOST", LOG_ITEM_HOST},
    {"USERID", LOG_ITEM_USERID}, {"EXIT", LOG_ITEM_EXIT}, {"DURATION", LOG_ITEM_DURATION},
    {"TRAFFIC", LOG_ITEM_TRAFFIC}, {NULL, 0}};
const struct attr_word attr_failure_items[] = {
    {"HOST", LOG_ITEM_HOST}, {"USERID", LOG_ITEM_USERID}, {"ATTEMPT", LOG_ITEM_ATTEMPT}, {NULL, 0}};
const struct attr_word attr_on_limit[] = {{"refuse", ON_LIMIT_REFUSE}, {"wait", ON_LIMIT_WAIT}, {NULL, 0}};
const struct attr_word attr_stderr[] = {{"client", STDERR_CLIENT}, {"log", STDERR_LOG}, {NULL, 0}};

/* The whole decimal number that `text` is, from min to max. Returns 0, or -1 and why. */
int attr_parse_number(const char *text, long min, long max, long *number, struct reason *why) {
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	if (end == text || *end != '\0' || isspace((unsigned char)*text))
		return reason_set(why, "'%s' is not a number", text);
	if (errno == ERANGE || value < min || value > max)
		return reason_set(why, "%s is out of range, %ld to %ld", text, min, max);
	*number = value;
	return 0;
}

static int number_read(void *field, const struct reading *in) {
	return attr_parse_number(in->word[0], in->attr->min, in->attr->max, field, in->why);
}

static int limit_read(void *field, const struct reading *in) {
	if (strcasecmp(in->word[0], "UNLIMITED") != 0) return number_read(field, in);
	*(long *)field = UNLIMITED;
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

/* N, nK or nM bytes, at least `min`. Returns 0, or -1 and why. */
int attr_parse_bytes(const char *text, long min, long *bytes, struct reason *why) {
	char digits[24];
	size_t length = strlen(text);
	const char *unit = length > 1 ? text + length - 1 : "";
	if (*unit == '\0' || strchr("kKmM", *unit) == NULL || length > sizeof digits)
		return attr_parse_number(text, min, LONG_MAX, bytes, why);
	long scale = strchr("kK", *unit) != NULL ? 1024L : 1024L * 1024, count = 0;
	snprintf(digits, sizeof digits, "%.*s", (int)length - 1, text);
	if (attr_parse_number(digits, (min + scale - 1) / scale, LONG_MAX / scale, &count, why) < 0) return -1;
	*bytes = count * scale;
	return 0;
}

static int bytes_read(void *field, const struct reading *in) {
	if (strcasecmp(in->word[0], "UNLIMITED") == 0) return limit_read(field, in);
	return attr_parse_bytes(in->word[0], in->attr->min, field, in->why);
}

/* A load average, kept in hundredths: 2 or 2.5. */
static int load_read(void *field, const struct reading *in) {
	const char *text = in->word[0];
	size_t whole = strspn(text, "0123456789");
	size_t part = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	const char *end = text + whole + (text[whole] == '.') + part;
	if (*end != '\0' || whole + part == 0 || whole > 6)
		return reason_set(in->why, "'%s' is not a load, such as 2 or 2.5", text);
	long hundredths = whole > 0 ? strtol(text, NULL, 10) * 100 : 0;
	if (part > 0) hundredths += (text[whole + 1] - '0') * 10L;
	if (part > 1) hundredths += text[whole + 2] - '0';
	*(long *)field = hundredths;
	return 0;
}

/* The value of one of `words`, in any case. Returns 0, or -1 and why. */
int attr_parse_word(const char *text, const struct attr_word *words, long *value, struct reason *why) {
	char expected[160] = "";
	for (const struct attr_word *word = words; word->name != NULL; word++) {
		if (strcasecmp(word->name, text) == 0) {
			*value = word->value;
			return 0;
		}
		text_add(expected, sizeof expected, "%s%s", word == words ? "" : ", ", word->name);
	}
	return reason_set(why, "'%s' is none of %s", text, expected);
}

static int word_read(void *field, const struct reading *in) {
	return attr_parse_word(in->word[0], in->attr->words, field, in->why);
}

static int bits_read(void *field, const struct reading *in) {
	long bits = 0, bit = 0;
	for (size_t i = 0; i < in->count; i++) {
		if (attr_parse_word(in->word[i], in->attr->words, &bit, in->why) < 0) return -1;
		bits |= bit;
	}
	*(long *)field = bits;
	return 0;
}

static int text_read(void *field, const struct reading *in) {
	*(const char **)field = mem_copy(in->arena, in->word[0]);
	return 0;
}

/* What superd does not do, said by the row's doc, unless it is only switched off. */
static int ignored_read(void *field, const struct reading *in) {
	long is_on = true;
	if (in->attr->words != NULL && attr_parse_word(in->word[0], in->attr->words, &is_on, in->why) < 0) return -1;
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

const struct attr_type attr_number = {"NUMBER", 1, 1, number_read, NULL, true, false};
const struct attr_type attr_limit = {"NUMBER UNLIMITED", 1, 1, limit_read, NULL, true, false};
const struct attr_type attr_octal = {"OCTAL", 1, 1, octal_read, NULL, true, false};
const struct attr_type attr_bytes = {"BYTES UNLIMITED", 1, 1, bytes_read, NULL, true, false};
const struct attr_type attr_load = {"LOAD", 1, 1, load_read, NULL, true, false};
const struct attr_type attr_word = {"WORD", 1, 1, word_read, NULL, true, false};
const struct attr_type attr_bits = {"WORD...", 1, ANY, bits_read, NULL, false, false};
const struct attr_type attr_bit_set = {"WORD...", 0, ANY, bits_read, NULL, false, true};
const struct attr_type attr_text = {"WORD", 1, 1, text_read, NULL, false, false};
const struct attr_type attr_ignored = {"WORD", 1, 1, ignored_read, NULL, false, false};
const struct attr_type attr_path = {"PATH", 1, 1, text_read, NULL, false, false};
const struct attr_type attr_list = {"WORD...", 0, ANY, list_read, NULL, false, false};
const struct attr_type attr_hosts = {"ADDRESS...", 1, ANY, list_read, NULL, false, false};
const struct attr_type attr_word_set = {"WORD...", 0, ANY, list_read, NULL, false, true};
const struct attr_type attr_environment = {"NAME=VALUE...", 0, ANY, environment_read, NULL, false, true};
const struct attr_type attr_addresses = {"ADDRESS...", 0, ANY, addresses_read, addresses_print, false, true};

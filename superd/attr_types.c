/*
 * attr_types: the kinds of values that attributes take, each with how it is read and how it is printed. What is
 * printed reads back to the same value. A reader leaves why it could not read; attr.c puts the attribute's name before it.
 */
#include "attr.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ANY = INT_MAX };

const struct attr_word attr_yes_no[] = {
    {"yes", true },
    {"no",  false},
    {NULL,  0    }
};
const struct attr_word attr_socket_types[] = {
    {"stream",    SOCK_STREAM   },
    {"dgram",     SOCK_DGRAM    },
    {"raw",       SOCK_RAW      },
    {"seqpacket", SOCK_SEQPACKET},
    {NULL,        0	     }
};
const struct attr_word attr_service_types[] = {
    {"INTERNAL",   TYPE_INTERNAL  },
    {"UNLISTED",   TYPE_UNLISTED  },
    {"RPC",        TYPE_RPC       },
    {"TCPMUX",     TYPE_TCPMUX    },
    {"TCPMUXPLUS", TYPE_TCPMUXPLUS},
    {NULL,         0              }
};
const struct attr_word attr_flags[] = {
    {"REUSE",      FLAG_REUSE     },
    {"NAMEINARGS", FLAG_NAMEINARGS},
    {"NODELAY",    FLAG_NODELAY   },
    {"KEEPALIVE",  FLAG_KEEPALIVE },
    {"IPv4",       FLAG_IPV4      },
    {"IPv6",       FLAG_IPV6      },
    {"NORETRY",    FLAG_NORETRY   },
    {"IDONLY",     FLAG_IDONLY    },
    {"NOLIBWRAP",  FLAG_NOLIBWRAP },
    {"SENSOR",     FLAG_SENSOR    },
    {"INTERCEPT",  FLAG_INTERCEPT },
    {"LABELED",    FLAG_LABELED   },
    {NULL,         0              }
};
const struct attr_word attr_success_items[] = {
    {"PID",      LOG_ITEM_PID     },
    {"HOST",     LOG_ITEM_HOST    },
    {"USERID",   LOG_ITEM_USERID  },
    {"EXIT",     LOG_ITEM_EXIT    },
    {"DURATION", LOG_ITEM_DURATION},
    {"TRAFFIC",  LOG_ITEM_TRAFFIC },
    {NULL,       0                }
};
const struct attr_word attr_failure_items[] = {
    {"HOST",    LOG_ITEM_HOST   },
    {"USERID",  LOG_ITEM_USERID },
    {"ATTEMPT", LOG_ITEM_ATTEMPT},
    {NULL,      0               }
};
const struct attr_word attr_on_limit[] = {
    {"refuse", ON_LIMIT_REFUSE},
    {"wait",   ON_LIMIT_WAIT  },
    {NULL,     0              }
};
const struct attr_word attr_stderr[] = {
    {"client", STDERR_CLIENT},
    {"log",    STDERR_LOG   },
    {NULL,     0            }
};

/* Begins the line that prints an attribute: its name and the operator. */
void attr_begin_line(FILE *to, const struct attr *attr) {
	fprintf(to, "\t%-18s =", attr->name);
}

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

static int number_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)arena;
	return attr_parse_number(entry->word[0], attr->min, attr->max, field, why);
}

static void number_print(const void *field, const struct attr *attr, FILE *to) {
	long value = *(const long *)field;
	if (value == UNSET)
		return;
	attr_begin_line(to, attr);
	if (value == UNLIMITED && attr->type != &attr_number)
		fputs(" UNLIMITED\n", to);
	else
		fprintf(to, " %ld\n", value);
}

static int limit_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	if (strcasecmp(entry->word[0], "UNLIMITED") != 0)
		return number_read(arena, field, attr, entry, why);
	*(long *)field = UNLIMITED;
	return 0;
}

static int octal_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)arena;
	const char *text = entry->word[0];
	long value =
	    strspn(text, "01234567") == strlen(text) && strlen(text) < 10 ? strtol(text, NULL, 8) : -1;
	if (value < 0 || value > attr->max)
		return reason_set(
		    why, "'%s' is not an octal number up to %lo", text, (unsigned long)attr->max);
	*(long *)field = value;
	return 0;
}

static void octal_print(const void *field, const struct attr *attr, FILE *to) {
	long value = *(const long *)field;
	if (value == UNSET)
		return;
	attr_begin_line(to, attr);
	fprintf(to, " %04lo\n", (unsigned long)value);
}

static int bytes_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	const char *text = entry->word[0];
	size_t length = strlen(text);
	char unit = length > 1 ? (char)toupper((unsigned char)text[length - 1]) : '\0';
	if (unit != 'K' && unit != 'M')
		return limit_read(arena, field, attr, entry, why);
	long scale = unit == 'K' ? 1024 : 1024 * 1024, count;
	char *digits = mem_copy(arena, text);
	digits[length - 1] = '\0';
	if (attr_parse_number(digits, 0, LONG_MAX / scale, &count, why) < 0)
		return -1;
	*(long *)field = count * scale;
	return 0;
}

/* A load average, kept in hundredths: 2 or 2.5. */
static int load_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)arena, (void)attr;
	const char *text = entry->word[0];
	size_t whole = strspn(text, "0123456789");
	size_t part = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	const char *end = text + whole + (text[whole] == '.') + part;
	if (*end != '\0' || whole + part == 0 || whole > 6)
		return reason_set(why, "'%s' is not a load, such as 2 or 2.5", text);
	long hundredths = whole > 0 ? strtol(text, NULL, 10) * 100 : 0;
	if (part > 0)
		hundredths += (text[whole + 1] - '0') * 10;
	if (part > 1)
		hundredths += text[whole + 2] - '0';
	*(long *)field = hundredths;
	return 0;
}

static void load_print(const void *field, const struct attr *attr, FILE *to) {
	long value = *(const long *)field;
	if (value == UNSET)
		return;
	attr_begin_line(to, attr);
	fprintf(to, " %ld.%02ld\n", value / 100, value % 100);
}

/* The value of one of `words`, in any case. Returns 0, or -1 and why. */
int attr_parse_word(const char *text, const struct attr_word *words, long *value, struct reason *why) {
	char expected[160] = "";
	for (const struct attr_word *word = words; word->name != NULL; word++) {
		if (strcasecmp(word->name, text) == 0) {
			*value = word->value;
			return 0;
		}
		size_t used = strlen(expected);
		snprintf(expected + used, sizeof expected - used, "%s%s", used ? ", " : "", word->name);
	}
	return reason_set(why, "'%s' is none of %s", text, expected);
}

static int word_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)arena;
	return attr_parse_word(entry->word[0], attr->words, field, why);
}

static void word_print(const void *field, const struct attr *attr, FILE *to) {
	long value = *(const long *)field;
	for (const struct attr_word *word = attr->words; word->name != NULL; word++)
		if (word->value == value) {
			attr_begin_line(to, attr);
			fprintf(to, " %s\n", word->name);
			return;
		}
}

static int bits_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)arena;
	long bits = 0, bit;
	for (size_t i = 0; i < entry->count; i++) {
		if (attr_parse_word(entry->word[i], attr->words, &bit, why) < 0)
			return -1;
		bits |= bit;
	}
	long *value = field;
	if (entry->operator== OPERATOR_ADD)
		*value |= bits;
	else if (entry->operator== OPERATOR_REMOVE)
		*value &= ~bits;
	else
		*value = bits;
	return 0;
}

static void bits_print(const void *field, const struct attr *attr, FILE *to) {
	long value = *(const long *)field;
	if (value == 0 && !attr->type->is_set)
		return;
	attr_begin_line(to, attr);
	for (const struct attr_word *word = attr->words; word->name != NULL; word++)
		if (value & word->value)
			fprintf(to, " %s", word->name);
	fputc('\n', to);
}

static int text_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)attr, (void)why;
	*(const char **)field = mem_copy(arena, entry->word[0]);
	return 0;
}

static void text_print(const void *field, const struct attr *attr, FILE *to) {
	const char *text = *(const char *const *)field;
	if (text == NULL)
		return;
	attr_begin_line(to, attr);
	fprintf(to, " %s\n", text);
}

static int list_read(struct arena *arena, void *field, const struct attr *attr, const struct entry *entry,
    struct reason *why) {
	(void)attr, (void)why;
	struct words *words = field;
	if (entry->operator== OPERATOR_SET)
		*words = (struct words){.set = true};
	for (size_t i = 0; i < entry->count; i++)
		if (entry->operator== OPERATOR_REMOVE)
			words_remove(words, entry->word[i]);
		else if (!attr->type->is_set || !words_contain(words, entry->word[i]))
			words_add(arena, words, mem_copy(arena, entry->word[i]));
	words->set = true;
	return 0;
}

static void list_print(const void *field, const struct attr *attr, FILE *to) {
	const struct words *words = field;
	if (!words->set)
		return;
	attr_begin_line(to, attr);
	for (size_t i = 0; i < words->count; i++)
		fprintf(to, " %s", words->word[i]);
	fputc('\n', to);
}

/* Forgets the variable that `word` names, be it NAME or NAME=VALUE. */
static void environment_remove(struct words *words, const char *word) {
	size_t name = strcspn(word, "=");
	for (size_t i = 0; i < words->count; i++)
		if (strncmp(words->word[i], word, name) == 0 && words->word[i][name] == '=') {
			words_remove(words, words->word[i]);
			return;
		}
}

static int environment_read(struct arena *arena, void *field, const struct attr *attr,
    const struct entry *entry, struct reason *why) {
	(void)attr;
	struct words *words = field;
	if (entry->operator== OPERATOR_SET)
		*words = (struct words){.set = true};
	for (size_t i = 0; i < entry->count; i++) {
		const char *word = entry->word[i];
		if (word[0] == '=' || (strchr(word, '=') == NULL && entry->operator!= OPERATOR_REMOVE))
			return reason_set(why, "'%s' is not NAME=VALUE", word);
		environment_remove(words, word);
		if (entry->operator!= OPERATOR_REMOVE)
			words_add(arena, words, mem_copy(arena, word));
	}
	return 0;
}

static int addresses_read(struct arena *arena, void *field, const struct attr *attr,
    const struct entry *entry, struct reason *why) {
	(void)attr;
	struct address_list *list = field;
	if (entry->operator== OPERATOR_SET)
		*list = (struct address_list){.set = true};
	list->set = true;
	struct address_rule *rules = mem_alloc(arena, (list->count + entry->count) * sizeof *rules);
	for (size_t i = 0; i < list->count; i++)
		rules[i] = list->rules[i];
	list->rules = rules;
	for (size_t i = 0; i < entry->count; i++) {
		struct address_rule rule;
		if (addr_read_rule(arena, entry->word[i], &entry->place, &rule, why) < 0)
			return -1;
		addr_remove_rule(list, &rule);
		if (entry->operator!= OPERATOR_REMOVE)
			list->rules[list->count++] = rule;
	}
	list->domains = false;
	for (size_t i = 0; i < list->count; i++)
		list->domains |= list->rules[i].word[0] == '.';
	return 0;
}

static void addresses_print(const void *field, const struct attr *attr, FILE *to) {
	const struct address_list *list = field;
	if (!list->set)
		return;
	attr_begin_line(to, attr);
	for (size_t i = 0; i < list->count; i++)
		addr_print_rule(&list->rules[i], to);
	fputc('\n', to);
}

const struct attr_type attr_number = {"NUMBER", 1, 1, number_read, number_print, true, false};
const struct attr_type attr_limit = {"NUMBER UNLIMITED", 1, 1, limit_read, number_print, true, false};
const struct attr_type attr_octal = {"OCTAL", 1, 1, octal_read, octal_print, true, false};
const struct attr_type attr_bytes = {"BYTES UNLIMITED", 1, 1, bytes_read, number_print, true, false};
const struct attr_type attr_load = {"LOAD", 1, 1, load_read, load_print, true, false};
const struct attr_type attr_word = {"WORD", 1, 1, word_read, word_print, true, false};
const struct attr_type attr_bits = {"WORD...", 1, ANY, bits_read, bits_print, false, false};
const struct attr_type attr_bit_set = {"WORD...", 0, ANY, bits_read, bits_print, false, true};
const struct attr_type attr_text = {"WORD", 1, 1, text_read, text_print, false, false};
const struct attr_type attr_path = {"PATH", 1, 1, text_read, text_print, false, false};
const struct attr_type attr_list = {"WORD...", 0, ANY, list_read, list_print, false, false};
const struct attr_type attr_word_set = {"WORD...", 0, ANY, list_read, list_print, false, true};
const struct attr_type attr_environment = {
    "NAME=VALUE...", 0, ANY, environment_read, list_print, false, true};
const struct attr_type attr_addresses = {"ADDRESS...", 0, ANY, addresses_read, addresses_print, false, true};

/* SPDX-License-Identifier: ISC */
/* attr: what a row of the attribute table holds, for attr.c and the files that read values. */
#ifndef ATTR_H
#define ATTR_H

#include "config.h"

/* What a reader gets: the words of the value, and where to take memory and leave an error. */
struct reading {
	struct arena *arena;
	struct config *config; /* that is loaded; NULL: none, and the value is one that superd sets */
	const struct attr *attr;
	const char **word;
	size_t count, first; /* `first` > 0, of a set: the field has what the words before that one mean */
	const struct location *location;
	struct error *error;
};

/* Reads each word of a list, from the first that is new on. What is wrong with any of them is one error. */
static inline int attr_read_each(
    const struct reading *in, void *list, int (*read)(const struct reading *in, void *list, const char *word)) {
	struct error all = {.text = ""};
	for (size_t i = in->first; i < in->count; i++)
		if (read(in, list, in->word[i]) < 0)
			text_add(all.text, sizeof all.text, "%s%s", *all.text != '\0' ? "; " : "", in->error->text);
	return *all.text == '\0' ? 0 : error_set(in->error, "%s", all.text);
}

/* A kind of value: how many words it has, and how they are read. */
struct attr_type {
	const char *values;
	size_t least, most;
	int (*read)(void *field, const struct reading *in);
	void (*print)(const void *field, FILE *to); /* NULL: as written */
	bool is_number;                             /* the field is a long, UNSET unless something sets it */
	bool is_set;                                /* += and -= work, and = in `defaults` adds */
	/* quotes are read as sh(1) reads them: in a command, and in what the command line sets as it is */
	bool is_quoted;
	const struct named_value *words, *units; /* of a number: what may stand in its place (or NULL), and behind it */
};

enum attr_scope { IN_SERVICE = 1, IN_DEFAULTS = 2, IN_BOTH = 3 };

struct attr {
	const char *name;
	const struct attr_type *type;
	size_t field;
	enum attr_scope scope;
	const char *default_text; /* of superd's own, as a value; or `unless_set`: where it is from, in words */
	const char *unless_set, *doc;
	const struct named_value *words;
	int64_t min, max;
};

/* attr_types.c */
enum { ATTR_WORDS_TEXT = 200 };
const char *attr_list_words(const struct attr *attr, const char *separator, char text[ATTR_WORDS_TEXT]);
extern const struct attr_type attr_number, attr_limit, attr_octal, attr_rlimit, attr_rlimit_bytes, attr_load, attr_word,
    attr_bits, attr_bit_set, attr_text, attr_ignored, attr_path, attr_directory, attr_list, attr_command, attr_hosts,
    attr_word_set, attr_environment, attr_addresses, attr_times, attr_rate, attr_user, attr_group, attr_owner,
    attr_banner, attr_log, attr_redirect, attr_minutes;

/* addr_rule.c */
int addr_read_list(void *list, const struct reading *in);
void addr_print_list(const void *list, FILE *to);

#endif

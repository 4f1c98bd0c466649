/*
 * The command line. One row an option; -h prints the same rows that are read here.
 */
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"

enum {
	LIMIT_MAX = 16777216,
	SECONDS_MAX = 1000000, /* eleven days; in milliseconds still an int, as poll(2) wants */
	TIME_LIMIT_DEFAULT = 30
};

enum option_type { OPTION_FLAG, OPTION_STRING, OPTION_NUMBER, OPTION_HELP, OPTION_VERSION };

struct option {
	char letter;
	enum option_type type;
	size_t field; /* offset in struct options */
	unsigned least, most;
	const char *argument;
	const char *text;
};

#define FIELD(name) offsetof(struct options, name)

static const struct option table[] = {
    {'d', OPTION_STRING, FIELD(directory), 0, 0, "DIR", "each program in DIR is a command, too"},
    {'i', OPTION_NUMBER, FIELD(idle), 0, SECONDS_MAX, "SECONDS", "end a session idle so long; else never"},
    {'l', OPTION_NUMBER, FIELD(limit), 1, LIMIT_MAX, "BYTES", "the longest line; else 65536"},
    {'n', OPTION_FLAG, FIELD(read_ends_line), 0, 0, "", "what one read returns ends a line"},
    {'t', OPTION_NUMBER, FIELD(time_limit), 0, SECONDS_MAX, "SECONDS", "how long a program may run; else 30"},
    {'V', OPTION_VERSION, 0, 0, 0, "", "print the version"},
    {'h', OPTION_HELP, 0, 0, 0, "", "print this help"},
};
enum { TABLE_LENGTH = sizeof table / sizeof table[0] };

static const char usage[] = "usage: cmd [-n] [-d DIR] [-i SECONDS] [-l BYTES] [-t SECONDS]\n"
			    "       cmd -h | -V\n"
			    "\n"
			    "Reads NAME<>ARGUMENT<>... lines, serves them, and writes the replies.\n"
			    "\n";

static int print_help(void) {
	char line[128];
	size_t i;

	reply_plain(usage);
	for (i = 0; i < TABLE_LENGTH; i++) {
		snprintf(line, sizeof line, "  -%c %-9s %s\n", table[i].letter, table[i].argument, table[i].text);
		reply_plain(line);
	}
	return reply_flush() == 0 ? 0 : 1;
}

static int print_version(void) {
	reply_plain("cmd " VERSION "\n");
	return reply_flush() == 0 ? 0 : 1;
}

/* Writes the table's options the way getopt(3) reads them. */
static void write_letters(char *letters) {
	size_t i;

	*letters++ = ':';
	for (i = 0; i < TABLE_LENGTH; i++) {
		*letters++ = table[i].letter;
		if (table[i].argument[0] != '\0') *letters++ = ':';
	}
	*letters = '\0';
}

static const struct option *find_option(int letter) {
	size_t i;

	for (i = 0; i < TABLE_LENGTH; i++) {
		if (table[i].letter == letter) return &table[i];
	}
	return NULL;
}

/* Reads a decimal number. Returns -1 where it is none, or out of range. */
static int read_number(const char *string, unsigned least, unsigned most, unsigned *number) {
	unsigned long value = 0;
	const char *digit;

	for (digit = string; *digit >= '0' && *digit <= '9' && value <= most; digit++)
		value = value * 10 + (unsigned long)(*digit - '0');
	if (digit == string || *digit != '\0' || value < least || value > most) return -1;
	*number = (unsigned)value;
	return 0;
}

/* Sets the option's field. Returns -1, having said why, where the value is bad. */
static int set_option(struct options *options, const struct option *option, const char *value) {
	char *field = (char *)options + option->field;
	bool yes = true;
	unsigned number;

	switch (option->type) {
	case OPTION_FLAG: memcpy(field, &yes, sizeof yes); return 0;
	case OPTION_STRING: memcpy(field, &value, sizeof value); return 0;
	case OPTION_NUMBER:
		if (read_number(value, option->least, option->most, &number) == -1) {
			screen_error(
			    "-%c %s: not a number from %u to %u", option->letter, value, option->least, option->most);
			return -1;
		}
		memcpy(field, &number, sizeof number);
		return 0;
	case OPTION_HELP:
	case OPTION_VERSION: break;
	}
	return 0;
}

/* Reads the command line. Returns -1 to go on, or the status to exit with. */
int options_read(struct options *options, int argc, char **argv) {
	char letters[2 * TABLE_LENGTH + 2];
	int letter;

	memset(options, 0, sizeof *options);
	options->limit = OPTIONS_LIMIT_DEFAULT;
	options->time_limit = TIME_LIMIT_DEFAULT;

	write_letters(letters);
	while ((letter = getopt(argc, argv, letters)) != -1) {
		const struct option *option = find_option(letter == ':' ? optopt : letter);

		if (letter == '?' || option == NULL) {
			screen_error("-%c: no such option; cmd -h lists them", optopt);
			return 2;
		}
		if (letter == ':') {
			screen_error("-%c: %s is missing", optopt, option->argument);
			return 2;
		}
		if (option->type == OPTION_HELP) return print_help();
		if (option->type == OPTION_VERSION) return print_version();
		if (set_option(options, option, optarg) == -1) return 2;
	}
	if (optind < argc) {
		screen_error("%s: cmd takes no arguments; cmd -h lists the options", argv[optind]);
		return 2;
	}
	return -1;
}

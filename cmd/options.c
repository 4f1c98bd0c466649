/* SPDX-License-Identifier: ISC */
/*
 * Reads the command line. Wrong usage, -h and -V end the process here.
 */
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"

enum {
	LIMIT_MAX = 16777216,
	SECONDS_MAX = 1000000, /* in milliseconds it still fits the int of poll(2) */
	TIME_LIMIT_DEFAULT = 30
};

static const char help[] = "usage: cmd [-n] [-d DIR] [-i SECONDS] [-l BYTES] [-t SECONDS]\n"
			   "       cmd -h | -V\n"
			   "\n"
			   "Reads NAME<>ARGUMENT<>... lines, executes them, and writes the replies.\n"
			   "\n"
			   "  -d DIR       make each program in DIR a command, too\n"
			   "  -i SECONDS   end a session that sends no complete line for this time (0: no limit)\n"
			   "  -l BYTES     the maximum length of a line (65536)\n"
			   "  -n           end a line at the end of each read, even without a line feed\n"
			   "  -t SECONDS   how long a program may run; 0: no limit (30)\n"
			   "  -V           print the version\n"
			   "  -h           print this help\n";

static _Noreturn void print(const char *string) {
	reply_plain(string);
	exit(reply_flush() == 0 ? 0 : 1);
}

/* Reads the value of an option, a decimal number from least to most. */
static unsigned read_number(int letter, unsigned least, unsigned most) {
	unsigned long number = strtoul(optarg, NULL, 10);

	if (optarg[0] == '\0' || optarg[strspn(optarg, "0123456789")] != '\0' || number < least || number > most) {
		screen_error("-%c %s: not a number from %u to %u", letter, optarg, least, most);
		exit(2);
	}
	return (unsigned)number;
}

static void read_option(struct options *options, int letter) {
	switch (letter) {
	case 'd': options->directory = optarg; break;
	case 'i': options->idle = read_number(letter, 0, SECONDS_MAX); break;
	case 'l': options->limit = read_number(letter, 1, LIMIT_MAX); break;
	case 'n': options->read_ends_line = true; break;
	case 't': options->time_limit = read_number(letter, 0, SECONDS_MAX); break;
	case 'V': print("cmd " VERSION "\n");
	case 'h': print(help);
	default:
		screen_error(letter == ':' ? "-%c needs a value" : "-%c: no such option; cmd -h lists them", optopt);
		exit(2);
	}
}

/* Sets the options from the command line and the defaults. Returns only if the session is to begin. */
void options_read(struct options *options, int argc, char **argv) {
	int letter;

	memset(options, 0, sizeof *options);
	options->limit = OPTIONS_LIMIT_DEFAULT;
	options->time_limit = TIME_LIMIT_DEFAULT;
	if (argc > 1 && strcmp(argv[1], "--help") == 0) print(help);
	if (argc > 1 && strcmp(argv[1], "--version") == 0) print("cmd " VERSION "\n");
	while ((letter = getopt(argc, argv, ":d:i:l:nt:Vh")) != -1) read_option(options, letter);
	if (optind < argc) {
		screen_error("%s: cmd takes no arguments; cmd -h lists the options", argv[optind]);
		exit(2);
	}
}

/* SPDX-License-Identifier: ISC */
/*
 * options: the command line. An error in it is one line, and ends the program with status 2.
 */
#include "superd.h"

#include <stdarg.h>

enum { EXIT_USAGE = 2 };

/* Usage and help together fit a screen of 24 lines, with the prompts before and after them. */
static const char usage[] = "usage: superd [-nqv] [-l FACILITY] [-P FILE] [-m FILE] [-r FD] -p PORT\n"
			    "              [-b ADDRESS]... [-u USER[:GROUP]] [-o ATTRIBUTE=VALUE]...\n"
			    "              PROGRAM [ARGUMENT...]\n"
			    "       superd [-nqv] [-l FACILITY] [-P FILE] [-m FILE] [-r FD] -c PATH\n"
			    "              [-c PATH]... [-o ATTRIBUTE=VALUE]...\n"
			    "       superd -t ... | -C ADDRESS ... | -A | -V | -h\n";

static const char help[] = "  -p PORT             listen on this port, a number or a name; 0: any free one\n"
			   "  -b ADDRESS          an address, host name, * or /path; else 127.0.0.1 and ::1\n"
			   "  -u USER[:GROUP]     run PROGRAM as this user\n"
			   "  -o ATTRIBUTE=VALUE  set an attribute of superd.conf(5); += and -= too\n"
			   "  -c PATH             read the services from a file or a directory of files\n"
			   "  -t                  check only: print the services as they would run\n"
			   "  -C ADDRESS          check only: print which services admit such a client\n"
			   "  -n                  look up no names\n"
			   "  -q                  log warnings and errors only\n"
			   "  -v                  log more\n"
			   "  -r FD               write a newline to descriptor FD when listening\n"
			   "  -P FILE             write the process id to FILE\n"
			   "  -l FACILITY         log to syslog instead of stderr\n"
			   "  -m FILE             keep metrics in FILE, in Prometheus text format\n"
			   "  -A, -V, -h          print the attribute table, the version, this help\n";

static _Noreturn void PRINTF_LIKE(1, 2) wrong_usage(const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	fputs("superd: ", stderr);
	vfprintf(stderr, format, arguments);
	fputs("; superd -h shows the usage\n", stderr);
	va_end(arguments);
	exit(EXIT_USAGE);
}

/* Ends the program after something has been printed: a full disk is an error, too. */
static _Noreturn void printed(void) {
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "superd: stdout: %s\n", strerror(errno));
		exit(1);
	}
	exit(0);
}

static int read_descriptor(const char *text) {
	char *end;
	long fd = strtol(text, &end, 10);
	if (end == text || *end != '\0' || fd < 0 || fd > INT_MAX) wrong_usage("-r %s: not a descriptor", text);
	return (int)fd;
}

static const struct source *read_client(struct arena *arena, const char *text) {
	struct source *client = mem_alloc(arena, sizeof *client);
	struct error error = {.text = ""};
	struct endpoint *found;
	addr_numeric_only = true;
	if (addr_resolve(arena, text, NULL, &found, &error) < 0) wrong_usage("-C %s: not an address", text);
	*client = addr_source(found, 0);
	return client;
}

static void read_option(struct options *options, int option) {
	static bool is_given[UCHAR_MAX + 1];
	if (strchr("ClmPpru", option) != NULL && is_given[option]) wrong_usage("-%c is given twice", option);
	is_given[option] = true;
	switch (option) {
	case 'C':
		options->client = read_client(options->arena, optarg);
		options->check = true;
		break;
	case 'A':
		if (isatty(STDOUT_FILENO) == 1) terminal_print_attributes(options->arena);
		else attr_print_table(stdout);
		printed();
	case 'V': puts("superd " VERSION); printed();
	case 'h': printf("%s\n%s", usage, help); printed();
	case 'b': words_add(options->arena, &options->addresses, optarg); break;
	case 'c': words_add(options->arena, &options->paths, optarg); break;
	case 'l':
		options->facility = named_value_find(syslog_facilities, optarg);
		if (options->facility == NULL) wrong_usage("-l %s: unknown syslog facility", optarg);
		break;
	case 'm': options->metrics_file = optarg; break;
	case 'n': options->numeric = true; break;
	case 'o': words_add(options->arena, &options->assignments, optarg); break;
	case 'P': options->pid_file = optarg; break;
	case 'p': options->port = optarg; break;
	case 'q': options->quiet = true; break;
	case 'r': options->ready_fd = read_descriptor(optarg); break;
	case 't': options->check = true; break;
	case 'u': options->user = optarg; break;
	case 'v': options->verbose = true; break;
	case ':': wrong_usage("-%c needs a value", optopt);
	default: wrong_usage("unknown option -%c", optopt);
	}
}

static void check_together(const struct options *options) {
	if (options->paths.count > 0) {
		if (options->program != NULL)
			wrong_usage("-c and PROGRAM '%s' do not go together", options->program[0]);
		if (options->port != NULL || options->addresses.count > 0 || options->user != NULL)
			wrong_usage("-p, -b and -u do not go with -c");
		return;
	}
	if (options->program == NULL) wrong_usage("PROGRAM, or -c PATH, is missing");
	bool has_passed_sockets =
	    options->addresses.count == 0 && (getenv("LISTEN_FDS") != NULL || upgrade_is_successor());
	if (options->port == NULL && !addr_are_paths(&options->addresses) && !has_passed_sockets)
		wrong_usage("-p PORT is missing");
}

/* Reads the command line; ends the program if it is wrong, or if it only asks for something to be printed. */
void options_read(struct options *options, int argc, char **argv) {
	int option;
	*options = (struct options){.arena = mem_arena_new(), .ready_fd = -1};
	opterr = 0;
	if (argc > 1 && strcmp(argv[1], "--help") == 0) read_option(options, 'h');
	if (argc > 1 && strcmp(argv[1], "--version") == 0) read_option(options, 'V');
	while ((option = getopt(argc, argv, "+:Ab:C:c:hl:m:no:P:p:qr:tu:Vv")) != -1) read_option(options, option);
	if (optind < argc) options->program = argv + optind;
	check_together(options);
}

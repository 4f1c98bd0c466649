/* SPDX-License-Identifier: ISC */
/*
 * cmdc: sends command lines to cmd, and turns the replies into plain output and an exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmdc.h"

enum {
	TIMEOUT_DEFAULT = 60, /* seconds; a program's time limit on the server, 30 by default, passes first */
	TIMEOUT_MAX = 86400
};

static const char version[] = "cmdc " VERSION "\n";
static const char usage[] =
    "usage: cmdc [-h HOST] [-p PORT] [-t SECONDS] [NAME [ARGUMENT...]]\n"
    "       cmdc -V\n"
    "  -h HOST     a name, an address, or the path of a socket, which begins with `/` (localhost)\n"
    "  -p PORT     a number or the name of a service (10100)\n"
    "  -t SECONDS  how long to wait for the connection and for each line; 0: no limit (60)\n"
    "  -V          print the version\n"
    "Without NAME, sends each line of the input: NAME<>ARGUMENT<>ARGUMENT...\n"
    "Exit status: 0 ok, 1 error, 2 wrong usage, 3 no connection or no complete reply.\n";

struct options {
	const char *host;
	const char *port;
	int timeout; /* seconds */
};

/*
 * Opens those of the standard descriptors that are closed, so that the connection does not become one of them. Using
 * one of them still fails with EBADF.
 */
static void open_standard_descriptors(void) {
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) == -1) open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* Reads a decimal number. Returns -1 unless it is one from least to most. */
static int read_number(const char *text, int least, int most) {
	unsigned long number = strtoul(text, NULL, 10);

	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') return -1;
	return number >= (unsigned long)least && number <= (unsigned long)most ? (int)number : -1;
}

static bool is_port(const char *text) {
	return read_number(text, 1, 65535) != -1 || getservbyname(text, "tcp") != NULL;
}

static _Noreturn void print(const char *text) {
	output_text(&standard_output, text);
	if (output_flush(&standard_output) == 0) exit(CMDC_OK);
	output_report_failure();
	exit(CMDC_LOST);
}

/* Removes brackets around a host, as a URL has them around an IPv6 address. */
static const char *without_brackets(char *host) {
	size_t length = strlen(host);

	if (length < 2 || host[0] != '[' || host[length - 1] != ']') return host;
	host[length - 1] = '\0';
	return host + 1;
}

/* Sets an option. Returns -1, after a message, if it or its value is wrong. */
static int set_option(struct options *options, int letter, char *value) {
	switch (letter) {
	case 'h':
		options->host = without_brackets(value);
		if (options->host[0] == '\0') return output_message("-h: HOST is empty");
		return 0;
	case 'p':
		options->port = value;
		if (is_port(value)) return 0;
		return output_message("-p %.200s: neither a port from 1 to 65535 nor the name of a TCP service", value);
	case 't':
		options->timeout = read_number(value, 0, TIMEOUT_MAX);
		if (options->timeout != -1) return 0;
		return output_message("-t %.200s: not a number of seconds from 0 to %d", value, TIMEOUT_MAX);
	case 'V': print(version);
	case ':': return output_message("-%c needs a value", optopt);
	default: return output_message("no such option: -%c", optopt);
	}
}

static void read_options(struct options *options, int argc, char *argv[]) {
	int letter;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) print(usage);
	if (argc > 1 && strcmp(argv[1], "--version") == 0) print(version);
	while ((letter = getopt(argc, argv, ":h:p:t:V")) != -1) {
		if (set_option(options, letter, optarg) == 0) continue;
		output_text(&standard_error, usage);
		output_flush(&standard_error);
		exit(CMDC_USAGE);
	}
}

/* Runs the session with the server of the options. Returns the exit status. */
static int run_session(struct session *session, const struct options *options) {
	static char peer[MESSAGE_SIZE];

	if (options->host[0] == '/') snprintf(peer, sizeof peer, "%s", options->host);
	else snprintf(peer, sizeof peer, "%.300s port %s", options->host, options->port);
	session->peer = peer;
	session->timeout = options->timeout * 1000;
	session->fd = connection_open(options->host, options->port, session->timeout, peer);
	return session->fd == -1 ? CMDC_LOST : session_run(session);
}

int main(int argc, char *argv[]) {
	static struct session session;
	static char prompt[MESSAGE_SIZE];
	struct options options = {.host = "localhost", .port = "10100", .timeout = TIMEOUT_DEFAULT};
	char *request = NULL;

	open_standard_descriptors();
	signal(SIGPIPE, SIG_IGN);
	output_open();
	read_options(&options, argc, argv);

	if (optind < argc) {
		request = request_build(argv + optind, &session.unsent_length);
		if (request == NULL) return CMDC_USAGE;
		session.unsent = request;
		session.requests = 1;
		session.input_ended = true;
		session.reply.plain = true;
	} else if (isatty(STDIN_FILENO) == 1 && standard_output.is_terminal) {
		snprintf(prompt, sizeof prompt, "%.300s> ", options.host);
		session.prompt = prompt;
	}

	int status = run_session(&session, &options);

	free(request);
	return status;
}

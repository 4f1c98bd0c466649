/*
 * cmdc: send command lines to cmd, and turn the replies back into plain output and an exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmdc.h"

/* A program may run for 30 seconds on the server unless cmd is told otherwise: wait long enough to hear of it. */
static const int default_timeout = 60;

static const int longest_timeout = 86400;

static const char usage[] = "usage: cmdc [-h HOST] [-p PORT] [-t SECONDS] [NAME [ARGUMENT...]]\n"
			    "       cmdc -V\n"
			    "  -h HOST     a name, an address, or the path of a socket, from `/` (localhost)\n"
			    "  -p PORT     a number or the name of a service (10100)\n"
			    "  -t SECONDS  how long to wait for the connection and for each line; 0 is for ever (60)\n"
			    "  -V          print the version\n"
			    "Without NAME, each line of the input is sent: NAME<>ARGUMENT<>ARGUMENT...\n"
			    "Exit status: 0 ok, 1 error, 2 wrong usage, 3 no connection or no whole reply.\n";

struct options {
	const char *host;
	const char *port;
	int timeout; /* seconds */
};

static struct output out, err;

static void say(const char *format, ...) {
	char message[REASON_SIZE * 2];
	va_list values;

	va_start(values, format);
	vsnprintf(message, sizeof message, format, values);
	va_end(values);
	output_text(&err, "cmdc: ");
	output_text(&err, message);
	output_text(&err, "\n");
	output_flush(&err);
}

static _Noreturn void refuse_usage(void) {
	output_text(&err, usage);
	output_flush(&err);
	exit(CMDC_USAGE);
}

/* Where one of the standard descriptors is closed, the connection must not become it. What is put there fails
 * with EBADF when it is used, as the closed one would. */
static void occupy_standard_descriptors(void) {
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* A number in decimal, from lowest to highest; -1 for all else. */
static int number_read(const char *text, int lowest, int highest) {
	size_t length = strlen(text);

	if (length == 0 || length > 9 || strspn(text, "0123456789") != length) return -1;

	long number = strtol(text, NULL, 10);

	return number >= lowest && number <= highest ? (int)number : -1;
}

static void set_option(struct options *options, int letter, const char *value) {
	switch (letter) {
	case 'h':
		options->host = value;
		if (value[0] != '\0') return;
		say("-h: HOST is empty");
		break;
	case 'p':
		options->port = value;
		if (number_read(value, 1, 65535) != -1 || getservbyname(value, "tcp") != NULL) return;
		say("-p %.200s: neither a port from 1 to 65535 nor the name of a TCP service", value);
		break;
	case 't':
		options->timeout = number_read(value, 0, longest_timeout);
		if (options->timeout != -1) return;
		say("-t %.200s: not a number of seconds from 0 to %d", value, longest_timeout);
		break;
	case ':': say("-%c needs a value", optopt); break;
	default: say("no such option: -%c", optopt);
	}
	refuse_usage();
}

static _Noreturn void print_version(void) {
	output_text(&out, "cmdc " VERSION "\n");
	if (output_flush(&out) == 0) exit(CMDC_OK);
	say("standard output: %s", strerror(out.error));
	exit(CMDC_LOST);
}

static void read_options(struct options *options, int argc, char *argv[]) {
	int letter;

	opterr = 0;
	while ((letter = getopt(argc, argv, ":h:p:t:V")) != -1) {
		if (letter == 'V') print_version();
		set_option(options, letter, optarg);
	}
}

/* Fill in what the session needs of the connection. Returns -1 where there is none, which has been said. */
static int open_connection(struct session *session, const struct options *options) {
	static char peer[REASON_SIZE];
	char reason[REASON_SIZE];
	int timeout = options->timeout * 1000;

	if (options->host[0] == '/') {
		snprintf(peer, sizeof peer, "%s", options->host);
		session->fd = connection_open_path(options->host, timeout, reason);
	} else {
		snprintf(peer, sizeof peer, "%.300s port %s", options->host, options->port);
		session->fd = connection_open_host(options->host, options->port, timeout, reason);
	}
	session->peer = peer;
	session->timeout = timeout;
	if (session->fd == -1) say("%s: %s", peer, reason);
	return session->fd;
}

/* A session of one request, whose reply is to be plain. Returns the request. */
static char *prepare_request(struct session *session, char *const arguments[]) {
	char reason[REASON_SIZE];
	char *request = request_build(arguments, &session->unsent_length, reason);

	if (request == NULL) {
		say("%s", reason);
		exit(CMDC_USAGE);
	}
	session->unsent = request;
	session->input = (struct input){.requests = 1, .ended = true};
	session->reply.plain = true;
	return request;
}

/* A session of the lines of stdin, with a prompt where somebody types them. */
static void prepare_lines(struct session *session, const char *host) {
	static char prompt[REASON_SIZE];

	if (isatty(STDIN_FILENO) == 1 && out.terminal) {
		snprintf(prompt, sizeof prompt, "%.300s> ", host);
		session->prompt = prompt;
	}
}

int main(int argc, char *argv[]) {
	static struct session session;
	struct options options = {.host = "localhost", .port = "10100", .timeout = default_timeout};
	char *request = NULL;

	occupy_standard_descriptors();
	signal(SIGPIPE, SIG_IGN);
	output_init(&out, STDOUT_FILENO);
	output_init(&err, STDERR_FILENO);
	read_options(&options, argc, argv);

	session.reply.out = &out;
	session.reply.err = &err;
	if (optind < argc)
		request = prepare_request(&session, argv + optind);
	else
		prepare_lines(&session, options.host);

	int status = open_connection(&session, &options) == -1 ? CMDC_LOST : session_run(&session);

	free(request);
	return status;
}

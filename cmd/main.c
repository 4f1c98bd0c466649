/* SPDX-License-Identifier: ISC */
/*
 * cmd: reads requests from stdin, one a line, runs their commands, and writes the replies to stdout, as cmd(7)
 * describes. Exit status: 0 at the end of input, `exit` or the idle time; 1 if the client is gone in the middle of a
 * line or of a reply, or input or output failed; 2 wrong usage.
 *
 * Until the first reply no memory is allocated and no stream is opened: a superserver starts one cmd for each
 * connection, so its start-up must be short.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"

static char line_buffer[LINE_BUFFER_SIZE(OPTIONS_LIMIT_DEFAULT)];

/*
 * Opens those of the descriptors 0, 1 and 2 that are closed, so that no other file gets their numbers. Descriptor 0
 * is opened for writing and 1 for reading, so that using them still fails.
 */
static void open_standard_descriptors(void) {
	static const int modes[] = {O_WRONLY, O_RDONLY, O_WRONLY};
	int fd;

	for (fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) == -1) (void)open("/dev/null", modes[fd]);
	}
}

/* Reports a failure, unless it only means that the client is gone. Returns the exit status. */
static int fail(const char *what, int reason) {
	if (reason != EPIPE && reason != ECONNRESET && reason != ETIMEDOUT)
		screen_error("cannot %s: %s", what, strerror(reason));
	return 1;
}

static enum session serve_line(enum line_status status, struct text line, const struct options *options) {
	struct request request;

	if (status == LINE_TOOLONG) reply_error_number("toolong", options->limit);
	else if (status == LINE_NUL) reply_error("nul", text_from_string("a line may not hold a NUL byte"));
	else if (line.length > 0) {
		parse_request(line, &request);
		return command_run(&request);
	}
	return SESSION_GOES_ON;
}

/* Serves the lines that were read. Returns whether the session goes on, and in *lines how many there were. */
static enum session serve_lines(struct line_reader *reader, const struct options *options, size_t *lines) {
	enum session session = SESSION_GOES_ON;
	enum line_status status;
	struct text line;

	*lines = 0;
	while (session == SESSION_GOES_ON && (status = line_next(reader, &line)) != LINE_NONE) {
		session = serve_line(status, line, options);
		if (reply_failure() != 0) session = SESSION_ENDS;
		(*lines)++;
	}
	return session;
}

/* Serves lines until the session ends. Returns the exit status. */
static int run_session(const struct options *options, char *buffer) {
	long long deadline = input_deadline(options->idle);
	struct line_reader reader;

	line_open(&reader, buffer, options->limit);
	reader.rest_is_line = options->read_ends_line;
	for (;;) {
		enum input_status input = input_read(&reader, deadline);
		enum session session;
		size_t lines;

		if (input == INPUT_FAILED && errno == ECONNRESET && reader.start == reader.end && !reader.skipping)
			return 0; /* between two lines, the client has simply left */
		if (input == INPUT_FAILED) return fail("read", errno);
		if (input == INPUT_IDLE) reply_error_number("idle", options->idle);
		if (input == INPUT_END) reader.rest_is_line = true;
		session = serve_lines(&reader, options, &lines);
		/* A session without a reply does not touch the reply buffer: the first use of a page costs time. */
		if ((lines > 0 || input == INPUT_IDLE) && reply_flush() == -1) return fail("write", reply_failure());
		if (input == INPUT_IDLE || session == SESSION_ENDS) input_linger(&reader);
		if (input != INPUT_SOME || session == SESSION_ENDS) return 0;
		if (lines > 0) deadline = input_deadline(options->idle);
	}
}

int main(int argc, char **argv) {
	char *buffer = line_buffer, *long_buffer = NULL;
	struct options options;
	int status;

	open_standard_descriptors();
	/* A write fails instead, and cmd knows what it was. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	options_read(&options, argc, argv);
	if (options.directory != NULL) {
		if (directory_open(options.directory) == -1) return 2;
		if (program_open(options.time_limit) == -1) return fail("make a pipe", errno);
	}
	if (options.limit > OPTIONS_LIMIT_DEFAULT) {
		buffer = long_buffer = malloc(LINE_BUFFER_SIZE(options.limit));
		if (buffer == NULL) return fail("make room for a line", errno);
	}
	status = run_session(&options, buffer);
	screen_close();
	free(long_buffer);
	return status;
}

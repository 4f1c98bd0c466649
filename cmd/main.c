/*
 * cmd: reads requests from stdin, one a line, serves them, and writes the replies to stdout. cmd(7) is
 * the protocol. Exit status: 0 at the end of the input or `exit`, 1 when the client is gone or input or
 * output failed, 2 wrong usage.
 *
 * No memory is allocated and no stream opened on the way to the first reply: a superserver starts one of
 * these a connection, and what is not touched costs nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"

LARGE char usual_buffer[LINE_BUFFER_SIZE(OPTIONS_LIMIT_DEFAULT)];

/*
 * Takes descriptors 0, 1 and 2 where they are closed, so that no other file gets one of those numbers.
 * The wrong way round, so that reading 0 and writing 1 still fail.
 */
static void occupy_descriptors(void) {
	static const int modes[] = {O_WRONLY, O_RDONLY, O_WRONLY};
	int fd;

	for (fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) == -1) (void)open("/dev/null", modes[fd]);
	}
}

static enum session serve_line(enum line_status status, struct text line, const struct options *options) {
	static const struct text nul = TEXT("a line may not hold a NUL byte");
	struct request request;

	if (status == LINE_TOOLONG)
		reply_error_number("toolong", options->limit);
	else if (status == LINE_NUL)
		reply_error("nul", nul);
	else if (line.length > 0) {
		parse_request(line, &request);
		return dispatch_request(&request);
	}
	return SESSION_GOES_ON;
}

enum served { SERVED_NONE, SERVED_SOME, SERVED_LAST };

/* Serves the whole lines that were read and, with rest_too, what is left after them. */
static enum served serve_lines(struct line_reader *reader, const struct options *options, bool rest_too) {
	enum served served = SERVED_NONE;
	enum line_status status;
	struct text line;

	while ((status = line_next(reader, &line)) != LINE_NONE ||
	       (rest_too && (status = line_rest(reader, &line)) != LINE_NONE)) {
		if (serve_line(status, line, options) == SESSION_ENDS || reply_failure() != 0) return SERVED_LAST;
		served = SERVED_SOME;
	}
	return served;
}

/* A client that goes away is nothing to tell the operator; any other failure is. */
static int fail(const char *what, int reason) {
	if (reason != EPIPE && reason != ECONNRESET && reason != ETIMEDOUT)
		screen_error("cannot %s: %s", what, strerror(reason));
	return 1;
}

static int run_session(const struct options *options, char *buffer) {
	struct line_reader reader;
	struct input input;

	line_open(&reader, buffer, options->limit);
	input_patience(&input, options->idle);

	for (;;) {
		enum input_status status = input_read(&input, &reader);
		enum served served;

		if (status == INPUT_FAILED) return fail("read", errno);
		if (status == INPUT_IDLE) reply_error_number("idle", options->idle);
		served = serve_lines(&reader, options, status == INPUT_END || options->read_ends_line);
		/* A session without a reply does not even touch the replies' memory. */
		if ((served != SERVED_NONE || status == INPUT_IDLE) && reply_flush() == -1)
			return fail("write", reply_failure());
		if (status != INPUT_SOME || served == SERVED_LAST) return 0;
		if (served == SERVED_SOME) input_patience(&input, options->idle);
	}
}

/* The usual lines need no memory but what is there; longer ones do. */
static int run_session_with_room(const struct options *options) {
	char *buffer;
	int status;

	if (options->limit <= OPTIONS_LIMIT_DEFAULT) return run_session(options, usual_buffer);
	buffer = malloc(LINE_BUFFER_SIZE(options->limit));
	if (buffer == NULL) return fail("make room for a line", errno);
	status = run_session(options, buffer);
	free(buffer);
	return status;
}

int main(int argc, char **argv) {
	struct options options;
	int status;

	occupy_descriptors();
	signal(SIGPIPE, SIG_IGN);

	status = options_read(&options, argc, argv);
	if (status != -1) return status;
	if (options.directory != NULL) {
		if (directory_open(options.directory) == -1) return 2;
		if (program_open(options.time_limit) == -1) return fail("make a pipe", errno);
	}
	return run_session_with_room(&options);
}

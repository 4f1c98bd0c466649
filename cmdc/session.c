/*
 * The session: requests go out, replies come in, both at once, until the input has ended and all is answered.
 *
 * One command is a session whose input is that one line. The server reads and writes at its own pace, so neither
 * direction may wait for the other: a client that sends all before it reads would, with enough requests, wait for
 * a server that waits for it. Our side of the connection stays open until the last reply is whole, since not
 * everything between the two ends passes on one half that is closed.
 *
 * There is progress when a line of a reply has ended, or CHUNK_SIZE bytes have moved in either direction. Bytes
 * that never make a line do not prolong the wait, and a line that takes its time because it is long is no failure.
 * Only waiting for the server counts, neither for the user nor for whoever reads our output.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmdc.h"

/* How much of what is no reply to show: enough to know a banner or another protocol by. */
enum { STRANGE_SIZE = 60 };

/* Begin a message on a line of its own, behind everything that the server has said. */
static void begin_message(struct session *session) {
	struct output *err = session->reply.err;

	output_end_line(session->reply.out);
	output_flush(session->reply.out);
	if (err->midline) output_text(err, "\n");
	output_text(err, "cmdc: ");
}

/* End the session behind a message: status 3. Returns -1. */
static int end_message(struct session *session) {
	output_text(session->reply.err, "\n");
	output_flush(session->reply.err);
	session->status = CMDC_LOST;
	return -1;
}

/* End the session: say why, in printf's format. Returns -1. */
static int give_up(struct session *session, const char *format, ...) {
	char message[REASON_SIZE];
	va_list values;

	va_start(values, format);
	vsnprintf(message, sizeof message, format, values);
	va_end(values);
	begin_message(session);
	output_text(session->reply.err, message);
	return end_message(session);
}

/* Whether the server owes us something: to read what we send, a reply, or the end of what it no longer reads. */
static bool is_owed(const struct session *session) {
	return session->unsent_length > 0 || session->answered < session->input.requests || session->reply.begun ||
	       session->send_error != 0;
}

static bool is_done(const struct session *session) {
	return session->input.ended && !is_owed(session);
}

static void note_progress(struct session *session) {
	session->left = session->timeout;
	session->moved = 0;
}

static void note_moved(struct session *session, size_t length) {
	session->moved += length;
	if (session->moved >= CHUNK_SIZE) note_progress(session);
}

static int flush_output(struct session *session) {
	struct output *out = session->reply.out;

	if (output_flush(out) == 0) return 0;
	return give_up(session, "standard output: %s", strerror(out->error));
}

static int prompt(struct session *session) {
	if (session->prompt == NULL || session->prompted || is_owed(session) || session->input.length > 0) return 0;
	output_text(session->reply.out, session->prompt);
	session->prompted = true;
	return flush_output(session);
}

/* What to wait for: replies, and either that the server takes what is unsent, or more input. */
static void choose_events(const struct session *session, struct pollfd *server, struct pollfd *input) {
	*server = (struct pollfd){.fd = session->fd, .events = POLLIN};
	*input = (struct pollfd){.fd = -1, .events = POLLIN};
	if (session->unsent_length > 0)
		server->events |= POLLOUT;
	else if (!session->input.ended)
		input->fd = STDIN_FILENO;
}

static int await_events(struct session *session, struct pollfd events[2]) {
	bool limited = session->timeout > 0 && is_owed(session);
	long long start = clock_milliseconds();

	if (!limited)
		note_progress(session);
	else if (session->left <= 0)
		return give_up(session, "%s: no reply for %d s", session->peer, session->timeout / 1000);
	if (poll(events, 2, limited ? session->left : -1) == -1 && errno != EINTR)
		return give_up(session, "poll: %s", strerror(errno));
	if (limited) session->left -= (int)(clock_milliseconds() - start);
	return 0;
}

/* What is left of the requests is not sent after a failure, but replies may have come before it. */
static void send_requests(struct session *session) {
	ssize_t n = send(session->fd, session->unsent, session->unsent_length, 0);

	if (n >= 0) {
		session->unsent += n;
		session->unsent_length -= (size_t)n;
		note_moved(session, (size_t)n);
	} else if (errno != EAGAIN && errno != EINTR) {
		session->send_error = errno;
		session->unsent_length = 0;
		session->input.ended = true;
	}
}

static int read_input(struct session *session) {
	ssize_t n = read(STDIN_FILENO, session->chunk, sizeof session->chunk);

	if (n == -1 && (errno == EINTR || errno == EAGAIN)) return 0;
	if (n == -1) return give_up(session, "standard input: %s", strerror(errno));
	session->unsent = session->chunk;
	if (n == 0) {
		session->unsent = "\n";
		session->unsent_length = input_end(&session->input) ? 1 : 0;
		if (session->prompted) output_end_line(session->reply.out);
		return 0;
	}
	session->unsent_length = input_take(&session->input, session->chunk, (size_t)n);
	/* The user has ended the prompt's line. */
	if (session->prompted && session->chunk[n - 1] == '\n') session->reply.out->midline = false;
	session->prompted = false;
	return 0;
}

static int explain_end(struct session *session) {
	if (session->reply.begun)
		return give_up(session, "%s: the server closed the connection in the middle of a reply", session->peer);
	if (is_owed(session))
		return give_up(session, "%s: the server closed the connection before the reply", session->peer);
	return give_up(session, "%s: the server closed the connection", session->peer);
}

/* What came is no reply. Show the beginning of the line, escaped wherever the message goes. */
static int refuse_strange(struct session *session, const char *rest, size_t length) {
	const char *newline = memchr(rest, '\n', length);
	struct output *err = session->reply.err;
	struct reply *reply = &session->reply;

	if (reply->head[reply->head_length - 1] == '\n') {
		reply->head_length--;
		length = 0;
	} else if (newline != NULL) {
		length = (size_t)(newline - rest);
	}
	if (length > STRANGE_SIZE) length = STRANGE_SIZE;
	begin_message(session);
	output_text(err, session->peer);
	output_text(err, ": not a reply of cmd: \"");
	output_write_shown(err, reply->head, reply->head_length);
	output_write_shown(err, rest, length);
	output_text(err, "\"");
	return end_message(session);
}

static int take_replies(struct session *session, const char *bytes, size_t length) {
	size_t taken;

	for (size_t at = 0; at < length && !is_done(session); at += taken) {
		switch (reply_take(&session->reply, bytes + at, length - at, &taken)) {
		case REPLY_PART: break;
		case REPLY_ERROR:
			session->status = CMDC_ERROR;
			/* FALLTHROUGH */
		case REPLY_OK:
			session->answered++;
			/* FALLTHROUGH */
		case REPLY_LINE: note_progress(session); break;
		case REPLY_BAD: return refuse_strange(session, bytes + at + taken, length - at - taken);
		}
	}
	return flush_output(session);
}

static int read_replies(struct session *session) {
	char bytes[CHUNK_SIZE];
	ssize_t n = recv(session->fd, bytes, sizeof bytes, 0);

	if (n == -1 && (errno == EAGAIN || errno == EINTR)) return 0;
	if (n == -1) return give_up(session, "%s: %s", session->peer, strerror(errno));
	if (n == 0) return explain_end(session);
	if (session->prompted) output_end_line(session->reply.out);
	session->prompted = false;
	note_moved(session, (size_t)n);
	return take_replies(session, bytes, (size_t)n);
}

/*
 * Send the input and write the replies. Returns the exit status: CMDC_OK, CMDC_ERROR where any reply was an error,
 * or CMDC_LOST, and then the reason has been said.
 */
int session_run(struct session *session) {
	struct pollfd events[2], *server = &events[0], *input = &events[1];

	note_progress(session);
	while (!is_done(session)) {
		choose_events(session, server, input);
		if (prompt(session) == -1 || await_events(session, events) == -1) return session->status;
		if (server->revents & POLLOUT) send_requests(session);
		if (server->revents & ~POLLOUT && read_replies(session) == -1) return session->status;
		if (input->revents != 0 && read_input(session) == -1) return session->status;
	}
	flush_output(session);
	return session->status;
}

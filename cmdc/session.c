/* SPDX-License-Identifier: ISC */
/*
 * The session: requests go out and replies come in, both at once, until the input has ended and every request has its
 * reply. One command is a session with one line of input.
 *
 * Neither direction waits for the other: if cmdc sent everything before it reads, then with enough requests it would
 * wait for a server that waits for cmdc. cmdc keeps its side of the connection open until the last reply is complete,
 * because some systems between the two do not pass on half of a connection.
 *
 * The timeout counts from the last progress: the end of a line of a reply, or CHUNK_SIZE bytes in either direction.
 * So bytes that never end a line do not extend it, and a long line does. Only the time in which cmdc waits for the
 * server counts, not the time in which it waits for the user or for the reader of its output.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmdc.h"

/* How many bytes of a bad reply are shown: enough to recognise a banner or another protocol. */
enum { BAD_REPLY_SHOWN = 60 };

/* Returns whether the server must act: read what cmdc sends, reply, or close after it has stopped reading. */
static bool is_awaiting_server(const struct session *session) {
	return session->unsent_length > 0 || session->answered < session->requests || session->reply.begun ||
	       session->send_failed;
}

static bool is_done(const struct session *session) { return session->input_ended && !is_awaiting_server(session); }

static void restart_timeout(struct session *session) {
	session->left = session->timeout;
	session->moved = 0;
}

static void count_moved(struct session *session, size_t length) {
	session->moved += length;
	if (session->moved >= CHUNK_SIZE) restart_timeout(session);
}

/* The functions below return -1, after a message, if the session cannot go on. */

static int flush_output(void) { return output_flush(&standard_output) == 0 ? 0 : output_report_failure(); }

static int show_prompt(struct session *session) {
	if (session->prompt == NULL || session->prompted || is_awaiting_server(session) || session->line_length > 0)
		return 0;
	output_text(&standard_output, session->prompt);
	session->prompted = true;
	return flush_output();
}

enum { SERVER, INPUT, EVENTS };

/* Waits for replies, and for the server to read unsent bytes or, if there are none, for input. */
static int await_events(struct session *session, struct pollfd events[EVENTS]) {
	bool has_unsent = session->unsent_length > 0;
	bool is_limited = session->timeout > 0 && is_awaiting_server(session);
	long long start = connection_clock();

	events[SERVER] = (struct pollfd){.fd = session->fd, .events = has_unsent ? POLLIN | POLLOUT : POLLIN};
	events[INPUT] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	if (has_unsent || session->input_ended) events[INPUT].fd = -1;

	if (!is_limited) restart_timeout(session);
	else if (session->left <= 0)
		return output_message("%s: no reply for %d s", session->peer, session->timeout / 1000);
	if (poll(events, EVENTS, is_limited ? session->left : -1) == -1 && errno != EINTR)
		return output_message("poll: %s", strerror(errno));
	if (is_limited) session->left -= (int)(connection_clock() - start);
	return 0;
}

/* After a failure the rest of the requests is dropped, but replies may have arrived before it. */
static void send_requests(struct session *session) {
	ssize_t n = send(session->fd, session->unsent, session->unsent_length, 0);

	if (n >= 0) {
		session->unsent += n;
		session->unsent_length -= (size_t)n;
		count_moved(session, (size_t)n);
	} else if (errno != EAGAIN && errno != EINTR) {
		session->send_failed = true;
		session->unsent_length = 0;
		session->input_ended = true;
	}
}

static void add_to_line(struct session *session, const char *bytes, size_t length) {
	if (session->line_length < sizeof session->line_head) {
		size_t room = sizeof session->line_head - session->line_length;

		memcpy(session->line_head + session->line_length, bytes, length < room ? length : room);
	}
	session->line_length += length;
}

/* Counts the line as a request unless it is empty. A carriage return at the end is not part of it. */
static void end_line(struct session *session) {
	const char *head = session->line_head;
	size_t length = session->line_length;

	session->line_length = 0;
	if (length > 0 && length <= sizeof session->line_head && head[length - 1] == '\r') length--;
	if (length == 0) return;
	session->requests++;
	if (length == strlen("exit") && memcmp(head, "exit", length) == 0) session->input_ended = true;
}

/*
 * Counts the requests in a chunk of input. Returns how many of its bytes to send: all, or those up to the end of
 * `exit`. A server may close the connection with later bytes unread, and TCP then sends a reset, which can destroy
 * replies that have not arrived yet.
 */
static size_t count_requests(struct session *session, size_t length) {
	const char *line = session->chunk;
	const char *end = line + length;

	while (line < end && !session->input_ended) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		add_to_line(session, line, (size_t)((newline == NULL ? end : newline) - line));
		if (newline == NULL) return length;
		end_line(session);
		line = newline + 1;
	}
	return (size_t)(line - session->chunk);
}

static int read_input(struct session *session) {
	ssize_t n = read(STDIN_FILENO, session->chunk, sizeof session->chunk);

	if (n == -1 && (errno == EINTR || errno == EAGAIN)) return 0;
	if (n == -1) return output_message("standard input: %s", strerror(errno));
	if (n == 0) {
		/* A last line without a newline gets one. */
		session->unsent = "\n";
		session->unsent_length = session->line_length > 0 ? 1 : 0;
		end_line(session);
		session->input_ended = true;
		if (session->prompted) output_end_line(&standard_output);
		return 0;
	}
	session->unsent = session->chunk;
	session->unsent_length = count_requests(session, (size_t)n);
	/* The user has ended the line of the prompt. */
	if (session->prompted && session->chunk[n - 1] == '\n') standard_output.midline = false;
	session->prompted = false;
	return 0;
}

static int report_close(const struct session *session) {
	const char *when = "";

	if (session->reply.begun) when = " in the middle of a reply";
	else if (is_awaiting_server(session)) when = " before the reply";
	return output_message("%s: the server closed the connection%s", session->peer, when);
}

/* Reports the line that begins with the reply's head and goes on with the bytes, up to a bound. */
static int report_bad_reply(const struct session *session, const char *bytes, size_t length) {
	const struct reply *reply = &session->reply;
	size_t head_length = reply->head_length;
	const char *newline = memchr(bytes, '\n', length);

	if (newline != NULL) length = (size_t)(newline - bytes);
	if (length > BAD_REPLY_SHOWN) length = BAD_REPLY_SHOWN;
	if (reply->head[head_length - 1] == '\n') {
		head_length--;
		length = 0;
	}
	output_begin_message();
	output_text(&standard_error, session->peer);
	output_text(&standard_error, ": not a reply of cmd: \"");
	output_write_escaped(&standard_error, reply->head, head_length);
	output_write_escaped(&standard_error, bytes, length);
	output_text(&standard_error, "\"");
	output_end_message();
	return -1;
}

static int take_replies(struct session *session, const char *bytes, size_t length) {
	size_t taken;

	for (size_t at = 0; at < length && !is_done(session); at += taken) {
		switch (reply_take(&session->reply, bytes + at, length - at, &taken)) {
		case REPLY_PART: break;
		case REPLY_ERROR:
			session->has_error = true;
			/* FALLTHROUGH */
		case REPLY_OK:
			session->answered++;
			/* FALLTHROUGH */
		case REPLY_LINE:
		case REPLY_IDLE: restart_timeout(session); break;
		case REPLY_BAD: return report_bad_reply(session, bytes + at + taken, length - at - taken);
		}
	}
	return flush_output();
}

static int read_replies(struct session *session) {
	char bytes[CHUNK_SIZE];
	ssize_t n = recv(session->fd, bytes, sizeof bytes, 0);

	if (n == -1 && (errno == EAGAIN || errno == EINTR)) return 0;
	if (n == -1) return output_message("%s: %s", session->peer, strerror(errno));
	if (n == 0) return report_close(session);
	if (session->prompted) output_end_line(&standard_output);
	session->prompted = false;
	count_moved(session, (size_t)n);
	return take_replies(session, bytes, (size_t)n);
}

/*
 * Sends the input and writes the replies. Returns the exit status: CMDC_OK, CMDC_ERROR if a reply was an error, or
 * CMDC_LOST after a message.
 */
int session_run(struct session *session) {
	struct pollfd events[EVENTS];

	restart_timeout(session);
	while (!is_done(session)) {
		if (show_prompt(session) == -1 || await_events(session, events) == -1) return CMDC_LOST;
		if (events[SERVER].revents & POLLOUT) send_requests(session);
		if (events[SERVER].revents & ~POLLOUT && read_replies(session) == -1) return CMDC_LOST;
		if (events[INPUT].revents != 0 && read_input(session) == -1) return CMDC_LOST;
	}
	if (flush_output() == -1) return CMDC_LOST;
	return session->has_error ? CMDC_ERROR : CMDC_OK;
}

/*
 * cmdc, the client of cmd. This header is the map: what the files share, under the name of each.
 *
 * main reads the options, request joins the arguments to one line, connection finds a server, and session moves
 * lines there and replies back until the last reply is whole. On the way out a line is counted by input, on the
 * way back it is read by reply and written by output, which is the only writer of stdout and stderr.
 *
 * Nothing here keeps a whole reply or a whole input line: every buffer has a fixed size.
 */
#ifndef CMDC_H
#define CMDC_H

#include <stdbool.h>
#include <stddef.h>

/* The exit statuses. */
enum {
	CMDC_OK = 0,
	CMDC_ERROR = 1, /* the server answered with an error */
	CMDC_USAGE = 2, /* wrong usage, or what the protocol cannot say */
	CMDC_LOST = 3,  /* no connection, no whole reply, or input or output failed */
};

/* What separates the fields of a line, in both directions. */
#define SEPARATOR "<>"

/* How many bytes are moved at a time, in either direction. */
#define CHUNK_SIZE ((size_t)65536)

/* Room for a reason: one line, without the name of what it is about. */
#define REASON_SIZE ((size_t)512)

/* output.c: buffered writing, safe for a terminal */

struct output {
	int fd;
	int error;                  /* errno of the first write that failed; nothing is written after it */
	bool terminal;              /* control bytes are shown as \xHH */
	bool midline;               /* the last byte was no newline */
	size_t held;                /* how many bytes of a UTF-8 character have come */
	unsigned char character[4]; /* these bytes */
	size_t length;              /* how much of bytes waits to be written */
	char bytes[CHUNK_SIZE];
};

void output_init(struct output *output, int fd);
void output_write(struct output *output, const char *bytes, size_t length);
void output_write_shown(struct output *output, const char *bytes, size_t length);
void output_text(struct output *output, const char *text);
void output_end_line(struct output *output);
int output_flush(struct output *output);

/* request.c: the arguments to a line */

char *request_build(char *const arguments[], size_t *length, char *reason);

/* connection.c: a name to a connected socket */

int connection_open_host(const char *host, const char *port, int timeout, char *reason);
int connection_open_path(const char *path, int timeout, char *reason);

/* clock.c: time that no change of the date can move */

long long clock_milliseconds(void);

/* input.c: which lines of the input are requests */

struct input {
	unsigned long long requests; /* how many replies the server owes for what was taken */
	bool ended;                  /* nothing more is to be sent: the end of input, or `exit` */
	char head[6];                /* the first bytes of the line */
	size_t length;               /* of the line so far */
};

size_t input_take(struct input *input, const char *bytes, size_t length);
bool input_end(struct input *input);

/* reply.c: the server's bytes to lines, results and errors */

enum reply_verdict {
	REPLY_PART,  /* all the bytes are taken, and the line goes on */
	REPLY_LINE,  /* a line has ended, the reply goes on */
	REPLY_OK,    /* a reply has ended */
	REPLY_ERROR, /* a reply has ended, and it was an error */
	REPLY_BAD,   /* this is not cmd's protocol */
};

struct reply {
	struct output *out;
	struct output *err;
	bool plain;                    /* what the lines hold, instead of the lines; errors to err */
	bool begun;                    /* a reply has begun and not ended */
	const struct reply_kind *kind; /* of the line; NULL until its head has come */
	char head[8];
	size_t head_length;
	bool in_text; /* of an error: the code is past */
	bool half;    /* of an error: the `<` of what may be a separator has come */
};

enum reply_verdict reply_take(struct reply *reply, const char *bytes, size_t length, size_t *taken);

/* session.c: requests out, replies in, until all is answered */

struct session {
	int fd;             /* the connection, non-blocking */
	const char *peer;   /* how messages name the server */
	const char *prompt; /* NULL where nobody types */
	int timeout;        /* milliseconds without progress, 0 for ever */
	struct input input;
	struct reply reply;
	const char *unsent; /* what waits to be sent */
	size_t unsent_length;

	/* The session's own; zero at the start. */
	unsigned long long answered;
	bool prompted;  /* the cursor stands behind the prompt */
	int send_error; /* errno of the send that failed */
	int left;       /* milliseconds left for the next progress */
	size_t moved;   /* bytes moved since the last progress */
	int status;
	char chunk[CHUNK_SIZE]; /* unsent points into it */
};

int session_run(struct session *session);

#endif

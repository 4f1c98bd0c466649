/* SPDX-License-Identifier: ISC */
/*
 * What the files of cmdc share, under the name of each.
 *
 * request.c joins the arguments to one line, connection.c connects to the server, and session.c sends requests and
 * receives replies until the last reply is complete. reply.c reads the replies, and output.c, the only writer of
 * stdout and stderr, writes them. main.c reads the options.
 *
 * Nothing here keeps a complete reply or a complete line of input: every buffer has a fixed size.
 */
#ifndef CMDC_H
#define CMDC_H

#include <stdbool.h>
#include <stddef.h>

/* The exit statuses. */
enum {
	CMDC_OK = 0,
	CMDC_ERROR = 1, /* the server replied with an error */
	CMDC_USAGE = 2, /* wrong usage, or a request that the protocol cannot carry */
	CMDC_LOST = 3,  /* no connection, no complete reply, or input or output failed */
};

/* How many bytes are read, sent or written at once. */
#define CHUNK_SIZE ((size_t)65536)

/* The size of a message without `cmdc: `. */
#define MESSAGE_SIZE ((size_t)1024)

/* output.c: writes stdout and stderr, safely for a terminal */

struct output {
	int fd;
	int error;                  /* errno of the first write that failed; later bytes are dropped */
	bool is_terminal;           /* control bytes are shown as \xHH */
	bool midline;               /* the last byte was no newline */
	size_t partial;             /* how many bytes of character have arrived */
	unsigned char character[4]; /* a UTF-8 character that is not complete yet */
	size_t length;              /* how much of bytes waits to be written */
	char bytes[CHUNK_SIZE];
};

extern struct output standard_output, standard_error;

void output_open(void);
void output_write(struct output *output, const char *bytes, size_t length);
void output_write_escaped(struct output *output, const char *bytes, size_t length);
void output_text(struct output *output, const char *text);
void output_end_line(struct output *output);
int output_flush(struct output *output);
void output_begin_message(void);
void output_end_message(void);
int output_message(const char *format, ...);
int output_report_failure(void);

/* request.c: the arguments to a line */

char *request_build(char *const arguments[], size_t *length);

/* connection.c: the server's name to a connected socket */

long long connection_clock(void);
int connection_open(const char *host, const char *port, int timeout, const char *peer);

/* reply.c: the server's bytes to lines, results and errors */

enum reply_status {
	REPLY_PART,  /* all bytes are taken, and the line goes on */
	REPLY_LINE,  /* a line has ended, the reply goes on */
	REPLY_OK,    /* a reply has ended */
	REPLY_ERROR, /* a reply has ended, and it was an error */
	REPLY_IDLE,  /* the error of the idle time, which is the reply to no request */
	REPLY_BAD,   /* this is not cmd's protocol */
};

struct reply {
	bool plain;                    /* write only the text of the lines, and errors to stderr */
	bool begun;                    /* a reply has begun and not ended */
	const struct reply_kind *kind; /* of the line; NULL until its head is complete */
	char head[8];                  /* the first bytes of the line, up to its first separator */
	size_t head_length;
	char code[6]; /* in an error: the first bytes of its code and separator */
	size_t code_length;
	bool after_code;      /* in an error: the text has begun */
	bool after_less_than; /* in an error's code: the last byte was `<`, which may begin a separator */
};

enum reply_status reply_take(struct reply *reply, const char *bytes, size_t length, size_t *taken);

/* session.c: requests out, replies in, until every request has its reply */

struct session {
	int fd;             /* the connection, non-blocking */
	const char *peer;   /* the server's name in messages */
	const char *prompt; /* NULL unless a user types the requests */
	int timeout;        /* milliseconds without progress; 0 is no limit */
	struct reply reply;
	const char *unsent; /* the bytes that wait to be sent */
	size_t unsent_length;
	unsigned long long requests; /* how many the input has had, so how many replies the server owes */
	bool input_ended;            /* nothing more is sent: the input has ended, or a request was `exit` */

	/* For session.c only; zero at the start. */
	char line_head[6];           /* the first bytes of the last line of input, if it has no newline yet */
	size_t line_length;          /* how many bytes of that line have arrived */
	unsigned long long answered; /* how many replies have ended */
	bool has_error;              /* one of them was an error */
	bool prompted;               /* the cursor is after the prompt */
	bool send_failed;            /* the server no longer reads */
	int left;                    /* milliseconds that are left for the next progress */
	size_t moved;                /* bytes since the last progress */
	char chunk[CHUNK_SIZE];      /* unsent points into it */
};

int session_run(struct session *session);

#endif

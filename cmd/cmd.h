/*
 * The map of cmd. Bytes come in through line.c, become a request in parse.c, are served by dispatch.c
 * and the functions that its table names, and leave through reply.c (to the client) and screen.c (to
 * the operator). main.c ties them together. With -d a request may be a program's, found by directory.c and
 * run by program.c. Nothing here knows of sockets but the answer to `peer`.
 */
#ifndef CMD_H
#define CMD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

/*
 * Goes before a variable of some pages. A linker puts common variables behind all others, libc's too, which so are
 * together in one page, and a start touches no other. Such a variable cannot be static; nor can sanitizers watch it,
 * so they do without.
 */
#if defined __GNUC__ && !defined __SANITIZE_ADDRESS__
#define LARGE __attribute__((common))
#else
#define LARGE
#endif

/* A run of bytes; no NUL ends it. */
struct text {
	const char *start;
	size_t length;
};

/* A string constant as the initializer of a struct text. */
#define TEXT(constant)                                                                                                 \
	{ (constant), sizeof(constant) - 1 }

static inline struct text text_from_string(const char *string) {
	struct text text = {string, strlen(string)};

	return text;
}

static inline bool text_equals(struct text a, struct text b) {
	return a.length == b.length && memcmp(a.start, b.start, a.length) == 0;
}

/* options.c: what the command line asks for. */
struct options {
	const char *directory; /* of the programs that are commands; NULL where there are none */
	unsigned idle;         /* seconds to wait for a whole line; 0 for ever */
	unsigned limit;        /* bytes of the longest line */
	unsigned time_limit;   /* seconds that a program may run; 0 for ever */
	bool read_ends_line;
};

enum { OPTIONS_LIMIT_DEFAULT = 65536 };

int options_read(struct options *options, int argc, char **argv);

/* line.c: bytes in, in pieces of any size; lines out. */
enum line_status { LINE_NONE, LINE_WHOLE, LINE_TOOLONG, LINE_NUL };

enum { LINE_READ_SIZE = 65536 };

struct line_reader {
	char *buffer;
	size_t size;
	size_t limit;
	size_t start;    /* the first byte that is not handed out */
	size_t searched; /* from here on a line feed may come */
	size_t nul;      /* the first NUL byte from start on, or end */
	size_t end;      /* the first free byte */
	bool skipping;   /* in a line that is already known to be too long */
};

/* The buffer that a reader needs for lines of up to limit bytes. */
#define LINE_BUFFER_SIZE(limit) ((size_t)(limit) + 2 + LINE_READ_SIZE)

void line_open(struct line_reader *reader, char *buffer, size_t limit);
char *line_space(struct line_reader *reader, size_t *size);
void line_fill(struct line_reader *reader, size_t count);
enum line_status line_next(struct line_reader *reader, struct text *line);
enum line_status line_rest(struct line_reader *reader, struct text *line);

/* input.c: the client's bytes, and how long to wait for them. */
enum input_status { INPUT_SOME, INPUT_END, INPUT_IDLE, INPUT_FAILED };

struct input {
	bool has_deadline;
	struct timespec deadline;
};

void input_patience(struct input *input, unsigned seconds);
enum input_status input_read(const struct input *input, struct line_reader *reader);

/* parse.c: a line to its parts. */
enum { PARSE_ARGUMENTS_MAX = 8 };

struct request {
	struct text name;
	bool has_arguments;
	struct text arguments[PARSE_ARGUMENTS_MAX]; /* until they are split, [0] is all that follows the name */
};

void parse_request(struct text line, struct request *request);
bool parse_argument(struct text *rest, struct text *argument);
size_t parse_arguments(struct request *request, size_t most);

/* dispatch.c: a request to the command that serves it. */
enum session { SESSION_GOES_ON, SESSION_ENDS };

enum session dispatch_request(struct request *request);

/* directory.c: which files of the -d directory are commands. */
enum { DIRECTORY_NAME_MAX = 255 };

int directory_open(const char *name);
const char *directory_program(struct text name);
struct text directory_summary(const char *path);
void directory_each(void (*visit)(struct text name, struct text summary));

/* launch.c: a program that runs. */
struct launch {
	pid_t pid;  /* and its group's */
	int output; /* our end of its stdout */
	int errors; /* our end of its stderr */
};

int launch_program(struct launch *launch, const sigset_t *mask, const char *path, const struct request *request);

/* program.c: a command that is a program. */
int program_open(unsigned seconds);
void program_run(const char *path, const struct request *request);

/* peer.c: who is at the other end. */
enum { PEER_ADDRESS_SIZE = 128, PEER_PORT_SIZE = 16 };

struct peer {
	char address[PEER_ADDRESS_SIZE];
	char port[PEER_PORT_SIZE];
};

bool peer_find(struct peer *peer);

/* reply.c: the only writer of stdout. */
void reply_ok(void);
void reply_result(struct text result);
void reply_error(const char *code, struct text text);
void reply_error_number(const char *code, unsigned long number);
void reply_usage(struct text name, const char *parameters);
void reply_out_bytes(struct text bytes);
void reply_out_end(void);
void reply_plain(const char *string);
int reply_flush(void);
void reply_give_up(int reason);
int reply_failure(void);

/* screen.c: the only writer of the server's screen. */
void screen_line(struct text prefix, struct text line);
void screen_error(const char *format, ...);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * What the files of cmd share, under the name of each.
 *
 * input.c reads bytes into the line reader of line.c; parse.c splits a line into a name and its arguments;
 * commands.c finds the command of that name and runs it. With -d it may be a program, which directory.c finds,
 * launch.c starts and program.c relays. reply.c writes to the client, screen.c to the server's screen. signal.c bounds
 * how long a program and a write to the screen take. main.c ties these together. Only input.c, peer.c and screen.c know that a descriptor may be a socket.
 */
#ifndef CMD_H
#define CMD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>

/* A run of bytes; no NUL ends it. Only a command's arguments may be changed, in place: they are its own. */
struct text {
	char *start;
	size_t length;
};

static inline struct text text_from_string(const char *string) {
	struct text text = {(char *)string, strlen(string)};

	return text;
}

static inline bool text_equals(struct text a, struct text b) {
	return a.length == b.length && memcmp(a.start, b.start, a.length) == 0;
}

/* options.c: the command line */

struct options {
	const char *directory; /* of the programs that are commands; NULL without -d */
	unsigned idle;         /* seconds to wait for a whole line; 0 is no limit */
	unsigned limit;        /* bytes of the longest line */
	unsigned time_limit;   /* seconds that a program may run; 0 is no limit */
	bool read_ends_line;   /* what one read(2) returns ends a line */
};

enum { OPTIONS_LIMIT_DEFAULT = 65536 };

void options_read(struct options *options, int argc, char **argv);

/* line.c: bytes in pieces of any size to lines */

enum line_status { LINE_NONE, LINE_WHOLE, LINE_TOOLONG, LINE_NUL };

enum { LINE_READ_SIZE = 65536 };

struct line_reader {
	char *buffer;
	size_t size;
	size_t limit;
	size_t start;      /* the first byte of the next line */
	size_t searched;   /* there is no line feed between start and here */
	size_t end;        /* the first free byte */
	bool skipping;     /* the next line is too long; its bytes so far were dropped */
	bool has_begun;    /* the first line has been taken out */
	bool rest_is_line; /* bytes that no line feed follows are a line, too */
};

/* The buffer that a reader needs for lines of up to limit bytes. */
#define LINE_BUFFER_SIZE(limit) ((size_t)(limit) + 2 + LINE_READ_SIZE)

void line_open(struct line_reader *reader, char *buffer, size_t limit);
char *line_space(struct line_reader *reader, size_t *size);
void line_fill(struct line_reader *reader, size_t count);
size_t line_discard(struct line_reader *reader);
enum line_status line_next(struct line_reader *reader, struct text *line);

/* signal.c: handlers, and the limits that SIGALRM keeps */

enum { SIGNAL_GUARD_MS = 1000 };

long long signal_clock(void);
void signal_handle(int number, int flags, void (*handler)(int));
void signal_default_reserved(void);
void signal_open_limit(void (*action)(void));
void signal_limit(unsigned seconds);
void signal_begin_guard(void);
bool signal_end_guard(void);

/* input.c: the client's bytes, and how long to wait for them */

enum input_status { INPUT_SOME, INPUT_END, INPUT_IDLE, INPUT_FAILED };

long long input_deadline(unsigned seconds);
enum input_status input_read(struct line_reader *reader, long long deadline);
void input_linger(struct line_reader *reader);

/* parse.c: a line to a name and arguments */

enum { PARSE_ARGUMENTS_MAX = 8 };

struct request {
	struct text name;
	bool has_arguments;
	struct text arguments; /* all of them, with the separators between them */
};

void parse_request(struct text line, struct request *request);
bool parse_argument(struct text *rest, struct text *argument);
size_t parse_arguments(const struct request *request, size_t most, struct text *arguments);

/* commands.c: a request to its command */

enum session { SESSION_GOES_ON, SESSION_ENDS };

enum session command_run(const struct request *request);

/* directory.c: which files of the -d directory are commands */

enum { DIRECTORY_NAME_MAX = 255 };

struct program_file {
	const char *path; /* without links: what was checked, and what is executed */
	const char *name; /* DIR/NAME, the program's argv[0] */
};

int directory_open(const char *name);
const struct program_file *directory_program(struct text name);
struct text directory_summary(const struct program_file *file);
void directory_explain(const struct program_file *file, int error);
void directory_each(void (*visit)(struct text name, struct text summary));

/* launch.c: starts a program */

struct child {
	pid_t pid;   /* also of its process group */
	int output;  /* cmd's end of its stdout */
	int errors;  /* cmd's end of its stderr */
	int failure; /* cmd's end of a pipe that contains a struct launch_failure if the program could not be executed */
};

struct launch_failure {
	int error; /* an errno value */
	bool in_exec;
};

void launch_lower_cpu_limit(void);
int launch_program(
    struct child *child, const sigset_t *mask, const struct program_file *file, const struct request *request);

/* program.c: a command that is a program */

int program_open(unsigned seconds);
void program_run(const struct program_file *file, const struct request *request);

/* peer.c: the client's address and port */

enum { PEER_VALUE_MAX = 100 }; /* bytes of an address or a port */

bool peer_set_environment(void);

/* reply.c: the only writer of stdout */

void reply_ok(void);
void reply_result(struct text result);
void reply_error(const char *code, struct text text);
void reply_error_number(const char *code, unsigned long number);
void reply_out_bytes(struct text bytes);
void reply_out_end(void);
void reply_plain(const char *string);
int reply_flush(void);
void reply_stop(void);
int reply_failure(void);

/* screen.c: the only writer of the server's screen */

void screen_line(struct text source, struct text line);
void screen_error(const char *format, ...);
void screen_close(void);

#endif

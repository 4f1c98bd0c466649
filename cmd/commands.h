/*
 * What a command is. To add one: write its function in a file of commands/, declare it below, and give
 * it a row in the table of dispatch.c. Help, the arity check and its error come from the row.
 *
 * A function gets its arguments split as the row says, and answers with exactly one of reply_ok(),
 * reply_result() and reply_error(), after any reply_out_bytes() and a reply_out_end().
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "cmd.h"

struct command {
	struct text name;
	unsigned fewest;        /* arguments */
	unsigned most;          /* arguments, at most PARSE_ARGUMENTS_MAX; the last takes the rest of the line */
	const char *parameters; /* as they are written after the name */
	const char *summary;
	enum session (*run)(const struct text *arguments, size_t count);
};

extern const struct command dispatch_table[];
extern const size_t dispatch_table_length;

const struct command *dispatch_find(struct text name);

/* commands/server.c */
enum session command_help(const struct text *arguments, size_t count);
enum session command_time(const struct text *arguments, size_t count);
enum session command_version(const struct text *arguments, size_t count);

/* commands/session.c */
enum session command_exit(const struct text *arguments, size_t count);
enum session command_peer(const struct text *arguments, size_t count);

/* commands/text.c */
enum session command_echo(const struct text *arguments, size_t count);
enum session command_printf(const struct text *arguments, size_t count);

#endif

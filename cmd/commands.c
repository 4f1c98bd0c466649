/* SPDX-License-Identifier: ISC */
/*
 * The commands, and which of them a request runs. To add one, write its function and give it a row in the table:
 * help, the check of the number of arguments and the error for a wrong number come from the row.
 *
 * A function calls exactly one of reply_ok(), reply_result() and reply_error(), after any output. It may change its
 * arguments in place, and answer with them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cmd.h"

struct command {
	const char *name;
	const char *usage; /* the name with its arguments, as help shows them */
	const char *summary;
	size_t fewest, most; /* arguments, at most PARSE_ARGUMENTS_MAX; the last one takes the rest of the line */
	bool ends_session;
	void (*run)(const struct text *arguments); /* after the last one is a text whose start is NULL */
};

static void run_echo(const struct text *arguments) { reply_result(arguments[0]); }

static void run_exit(const struct text *arguments) {
	(void)arguments;
	reply_result(text_from_string("bye"));
}

static void run_peer(const struct text *arguments) {
	char result[sizeof "<>" + PEER_VALUE_MAX + PEER_VALUE_MAX] = "-";

	(void)arguments;
	if (peer_set_environment())
		snprintf(result, sizeof result, "%s<>%s", getenv("TCPREMOTEIP"), getenv("TCPREMOTEPORT"));
	reply_result(text_from_string(result));
}

static void run_printf(const struct text *arguments) {
	screen_line(text_from_string(""), arguments[0]);
	reply_result(arguments[0]);
}

static void run_time(const struct text *arguments) {
	char result[sizeof "2026-01-31T12:00:00Z"];
	time_t now = time(NULL);
	struct tm tm;

	(void)arguments;
	if (gmtime_r(&now, &tm) == NULL || strftime(result, sizeof result, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		reply_error("failed", text_from_string("the clock is out of range"));
	else reply_result(text_from_string(result));
}

static void run_version(const struct text *arguments) {
	(void)arguments;
	reply_result(text_from_string("cmd " VERSION));
}

static void run_help(const struct text *arguments);

static const struct command table[] = {
    {.name = "echo", .usage = "echo<>TEXT", .summary = "reply with TEXT", .fewest = 1, .most = 1, .run = run_echo},
    {.name = "exit", .usage = "exit", .summary = "end the session", .ends_session = true, .run = run_exit},
    {.name = "help",
	.usage = "help[<>NAME]",
	.summary = "list all commands, or only the command NAME",
	.most = 1,
	.run = run_help},
    {.name = "peer", .usage = "peer", .summary = "reply with the client's address and port, or -", .run = run_peer},
    {.name = "printf",
	.usage = "printf<>TEXT",
	.summary = "show TEXT on the server's screen, and reply with it",
	.fewest = 1,
	.most = 1,
	.run = run_printf},
    {.name = "time", .usage = "time", .summary = "reply with the time in UTC", .run = run_time},
    {.name = "version", .usage = "version", .summary = "reply with the program's name and version", .run = run_version},
};

static const struct command *const table_end = table + sizeof table / sizeof table[0];

/* Returns NULL if the table has no such command. */
static const struct command *find(struct text name) {
	const struct command *command;

	for (command = table; command < table_end; command++) {
		if (text_equals(text_from_string(command->name), name)) return command;
	}
	return NULL;
}

/* One line of help: the command with its arguments, two blanks or more, what it does. */
static void show(struct text usage, struct text summary) {
	static char blanks[] = "                  ";
	const size_t column = sizeof blanks - 1;
	struct text gap = {blanks, usage.length + 2 < column ? column - usage.length : 2};

	reply_out_bytes(usage);
	if (summary.length > 0) {
		reply_out_bytes(gap);
		reply_out_bytes(summary);
	}
	reply_out_bytes(text_from_string("\n"));
}

static void show_command(const struct command *command) {
	show(text_from_string(command->usage), text_from_string(command->summary));
}

/* Leaves out a program with the name of a command in the table, which a request would run instead. */
static void show_program(struct text name, struct text summary) {
	if (find(name) == NULL) show(name, summary);
}

static void show_all(void) {
	const struct command *command;

	for (command = table; command < table_end; command++) show_command(command);
	directory_each(show_program);
}

static void run_help(const struct text *arguments) {
	struct text name = arguments[0];
	const struct command *command;
	const struct program_file *program;

	if (name.start == NULL) show_all();
	else if ((command = find(name)) != NULL) show_command(command);
	else if ((program = directory_program(name)) != NULL) show(name, directory_summary(program));
	else {
		reply_error("unknown", name);
		return;
	}
	reply_ok();
}

static enum session run_from_table(const struct command *command, const struct request *request) {
	struct text arguments[PARSE_ARGUMENTS_MAX + 1];
	size_t count = parse_arguments(request, command->most, arguments);

	if (count < command->fewest || count > command->most) {
		reply_error("usage", text_from_string(command->usage));
		return SESSION_GOES_ON;
	}
	arguments[count].start = NULL;
	command->run(arguments);
	return command->ends_session ? SESSION_ENDS : SESSION_GOES_ON;
}

/* Runs a request's command and adds its whole reply. Returns whether the session goes on. */
enum session command_run(const struct request *request) {
	const struct command *command = find(request->name);
	const struct program_file *program;

	if (command != NULL) return run_from_table(command, request);
	program = directory_program(request->name);
	if (program != NULL) program_run(program, request);
	else reply_error("unknown", request->name);
	return SESSION_GOES_ON;
}

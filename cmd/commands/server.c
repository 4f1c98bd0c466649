/*
 * Commands about the server: what it can do, what it is, what time it has.
 */
#include <time.h>

#include "../commands.h"

/* Where the summaries of help begin. */
enum { HELP_COLUMN = 18 };

/* One line of help: the command as it is written, two blanks or more, what it does. */
static void show(struct text name, struct text parameters, struct text summary) {
	static const struct text blanks = TEXT("                  "), line_feed = TEXT("\n");
	size_t width = name.length + parameters.length;
	struct text gap = blanks;

	gap.length = width + 2 < HELP_COLUMN ? HELP_COLUMN - width : 2;
	reply_out_bytes(name);
	reply_out_bytes(parameters);
	if (summary.length > 0) {
		reply_out_bytes(gap);
		reply_out_bytes(summary);
	}
	reply_out_bytes(line_feed);
}

static void show_command(const struct command *command) {
	show(command->name, text_from_string(command->parameters), text_from_string(command->summary));
}

static void show_program(struct text name, struct text summary) {
	static const struct text unknown = TEXT("");

	/* A built-in of the same name is what a request would get. */
	if (dispatch_find(name) == NULL) show(name, unknown, summary);
}

static void show_all(void) {
	size_t i;

	for (i = 0; i < dispatch_table_length; i++) show_command(&dispatch_table[i]);
	directory_each(show_program);
}

/* Shows the command with this name. Returns whether there is one. */
static bool show_one(struct text name) {
	const struct command *command = dispatch_find(name);
	const char *program;

	if (command != NULL) {
		show_command(command);
		return true;
	}
	program = directory_program(name);
	if (program == NULL) return false;
	show_program(name, directory_summary(program));
	return true;
}

enum session command_help(const struct text *arguments, size_t count) {
	if (count == 0)
		show_all();
	else if (!show_one(arguments[0])) {
		reply_error("unknown", arguments[0]);
		return SESSION_GOES_ON;
	}
	reply_ok();
	return SESSION_GOES_ON;
}

enum session command_time(const struct text *arguments, size_t count) {
	char result[sizeof "2026-01-31T12:00:00Z"];
	time_t now = time(NULL);
	struct tm tm;

	(void)arguments;
	(void)count;
	if (gmtime_r(&now, &tm) == NULL || strftime(result, sizeof result, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		reply_error("failed", text_from_string("the clock is out of range"));
	else
		reply_result(text_from_string(result));
	return SESSION_GOES_ON;
}

enum session command_version(const struct text *arguments, size_t count) {
	static const struct text version = TEXT("cmd " VERSION);

	(void)arguments;
	(void)count;
	reply_result(version);
	return SESSION_GOES_ON;
}

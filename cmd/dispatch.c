/*
 * A request to the command that serves it: a row of the table, or a program of the -d directory. One
 * row a command; a built-in wins over a program of its name.
 */
#include "commands.h"

const struct command dispatch_table[] = {
    {TEXT("echo"), 1, 1, "<>TEXT", "answer TEXT", command_echo},
    {TEXT("exit"), 0, 0, "", "end the session", command_exit},
    {TEXT("help"), 0, 1, "[<>NAME]", "list the commands, or the one called NAME", command_help},
    {TEXT("peer"), 0, 0, "", "answer with the client's address and port, or -", command_peer},
    {TEXT("printf"), 1, 1, "<>TEXT", "show TEXT on the server's screen, and answer TEXT", command_printf},
    {TEXT("time"), 0, 0, "", "answer with the time in UTC", command_time},
    {TEXT("version"), 0, 0, "", "answer with the program's name and version", command_version},
};
const size_t dispatch_table_length = sizeof dispatch_table / sizeof dispatch_table[0];

/* Returns NULL where there is no such command in the table. */
const struct command *dispatch_find(struct text name) {
	const struct command *command;

	for (command = dispatch_table; command < dispatch_table + dispatch_table_length; command++) {
		if (text_equals(command->name, name)) return command;
	}
	return NULL;
}

static enum session run_command(const struct command *command, struct request *request) {
	size_t count = parse_arguments(request, command->most);

	if (count < command->fewest || count > command->most) {
		reply_usage(command->name, command->parameters);
		return SESSION_GOES_ON;
	}
	return command->run(request->arguments, count);
}

/* Serves one request and leaves its whole reply with reply.c. Returns whether the session goes on. */
enum session dispatch_request(struct request *request) {
	const struct command *command = dispatch_find(request->name);
	const char *program;

	if (command != NULL) return run_command(command, request);
	program = directory_program(request->name);
	if (program != NULL)
		program_run(program, request);
	else
		reply_error("unknown", request->name);
	return SESSION_GOES_ON;
}

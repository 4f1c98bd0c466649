/*
 * Commands that take text.
 */
#include "../commands.h"

enum session command_echo(const struct text *arguments, size_t count) {
	(void)count;
	reply_result(arguments[0]);
	return SESSION_GOES_ON;
}

enum session command_printf(const struct text *arguments, size_t count) {
	static const struct text no_prefix = TEXT("");

	(void)count;
	screen_line(no_prefix, arguments[0]);
	reply_result(arguments[0]);
	return SESSION_GOES_ON;
}

# The example programs of commands/, and adding a command of one's own, as the README shows it.

load ../lib/client

# The programs, in a place that nobody else may write to, whatever the checkout's own place is.
setup() {
	COMMANDS=$BATS_TEST_TMPDIR/commands
	mkdir -m 755 "$COMMANDS"
	cp "$ROOT"/commands/* "$COMMANDS"
	# shellcheck disable=SC2034 # for serve and its like
	CMD_OPTIONS=(-d "$COMMANDS")
}

@test "help has a summary of each example" {
	run -0 run_cmd <<<help
	local name
	for name in "$ROOT"/commands/*; do
		assert_line --regexp "^out<>${name##*/}  +[a-z]"
	done
}

@test "each example is executable, and plain sh" {
	local name
	for name in "$ROOT"/commands/*; do
		[ -x "$name" ]
		run -0 shellcheck --shell=sh "$name"
	done
}

@test "uptime tells how long the machine has been up, and its load" {
	run -0 run_cmd <<<uptime
	assert_line --index 0 --regexp '^out<>up [0-9]+ days, [0-9]+ hours, [0-9]+ minutes$'
	assert_line --index 1 --regexp '^out<>load [0-9.]+ [0-9.]+ [0-9.]+$'
	assert_line --index 2 ok
}

@test "disk tells how full the file system of a path is" {
	run -0 run_cmd <<<'disk<>/'
	assert_line --index 0 --regexp '^out<>/.*: [0-9]+% of [0-9.]+ GiB in use, [0-9.]+ GiB free$'
	assert_line --index 1 ok
	assert_equal "${#lines[@]}" 2
}

@test "disk takes no path for an option, and fails for one that is not there" {
	run -0 run_cmd <<<$'disk<>--help\ndisk<>/nowhere at all'
	assert_output $'error<>exit<>1\nerror<>exit<>1'
	assert_equal "$(grep -c '^disk: ' "$BATS_TEST_TMPDIR/screen")" 2
}

@test "service tells a name that is none" {
	run -0 run_cmd <<<$'service<>../../bin/sh\nservice<>-h\nservice'
	assert_output $'error<>exit<>2\nerror<>exit<>2\nerror<>exit<>2'
}

@test "service tells a service that does not run" {
	run -0 run_cmd <<<'service<>no-such-service'
	assert_line --index 0 --regexp '^out<>no-such-service: (inactive|unknown)$'
	assert_line --index 1 --regexp '^error<>exit<>[34]$'
}

@test "a wrong number of arguments is status 2 with a word on the screen" {
	run -0 run_cmd <<<$'uptime<>\ndisk<>/<>/\nservice<>a<>b'
	assert_output $'error<>exit<>2\nerror<>exit<>2\nerror<>exit<>2'
	assert_equal "$(cut -d: -f1 "$BATS_TEST_TMPDIR/screen" | tr '\n' ' ')" 'uptime disk service '
}

@test "a command is added with a function, its declaration and a row" {
	cp -r "$ROOT/cmd" "$ROOT/Makefile" "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR"
	cat >cmd/commands/length.c <<-'END'
		#include <stdio.h>

		#include "../commands.h"

		enum session command_length(const struct text *arguments, size_t count) {
			char digits[24];

			(void)count;
			snprintf(digits, sizeof digits, "%zu", arguments[0].length);
			reply_result(text_from_string(digits));
			return SESSION_GOES_ON;
		}
	END
	sed -i '/^enum session command_echo/i\
enum session command_length(const struct text *arguments, size_t count);' cmd/commands.h
	sed -i '/TEXT("peer")/i\
    {TEXT("length"), 1, 1, "<>TEXT", "answer with the number of bytes of TEXT", command_length},' cmd/dispatch.c
	rm -f cmd/cmd
	run -0 make CFLAGS='-O2 -Werror' cmd/cmd
	run -0 cmd/cmd <<<$'length<>hello\nlength<>\nlength\nhelp<>length'
	assert_line --index 0 'ok<>5'
	assert_line --index 1 'ok<>0'
	assert_line --index 2 'error<>usage<>length<>TEXT'
	assert_line --index 3 --regexp '^out<>length<>TEXT  +answer with the number of bytes of TEXT$'
}

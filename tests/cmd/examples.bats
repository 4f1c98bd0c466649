# SPDX-License-Identifier: ISC
# The example programs of commands/, and a new built-in command, as CONTRIBUTING.md shows it.

load ../lib/superd
load ../lib/client

# A copy of the programs where no other user may write, wherever the checkout is.
setup() {
	COMMANDS=$BATS_TEST_TMPDIR/commands
	mkdir -m 755 "$COMMANDS"
	cp "$ROOT"/commands/* "$COMMANDS"
	CMD_OPTIONS=(-d "$COMMANDS")
}

@test "example commands: help, it has a summary of each of them" {
	run -0 run_cmd <<<help
	local name
	for name in "$ROOT"/commands/*; do
		assert_line --regexp "^out<>${name##*/}  +[a-z]"
	done
}

@test "example commands: each file, it is executable and plain sh" {
	needs shellcheck
	local name
	for name in "$ROOT"/commands/*; do
		[ -x "$name" ]
		run -0 shellcheck --shell=sh "$name"
	done
}

@test "example uptime: no argument, it prints how long the machine has been up, and its load" {
	run -0 run_cmd <<<uptime
	assert_line --index 0 --regexp '^out<>up [0-9]+ days, [0-9]+ hours, [0-9]+ minutes$'
	assert_line --index 1 --regexp '^out<>load [0-9.]+ [0-9.]+ [0-9.]+$'
	assert_line --index 2 ok
}

@test "example disk: a path, it prints how full the file system of that path is" {
	run -0 run_cmd <<<'disk<>/'
	assert_line --index 0 --regexp '^out<>/.*: [0-9]+% of [0-9.]+ GiB in use, [0-9.]+ GiB free$'
	assert_line --index 1 ok
	assert_equal "${#lines[@]}" 2
}

@test "example disk: an option or a missing path as the argument, it fails" {
	run -0 run_cmd <<<$'disk<>--help\ndisk<>/nowhere at all'
	assert_output $'error<>exit<>1\nerror<>exit<>1'
	assert_equal "$(grep -c '^disk: ' "$BATS_TEST_TMPDIR/screen")" 2
}

@test "example service: an invalid service name, it exits with status 2" {
	run -0 run_cmd <<<$'service<>../../bin/sh\nservice<>-h\nservice'
	assert_output $'error<>exit<>2\nerror<>exit<>2\nerror<>exit<>2'
}

@test "example service: a service that does not run, it prints the state and exits with status 3 or 4" {
	run -0 run_cmd <<<'service<>no-such-service'
	assert_line --index 0 --regexp '^out<>no-such-service: (inactive|unknown)$'
	assert_line --index 1 --regexp '^error<>exit<>[34]$'
}

@test "example commands: the wrong number of arguments, they print a message and exit with status 2" {
	run -0 run_cmd <<<$'uptime<>\ndisk<>/<>/\nservice<>a<>b'
	assert_output $'error<>exit<>2\nerror<>exit<>2\nerror<>exit<>2'
	assert_equal "$(cut -d: -f1 "$BATS_TEST_TMPDIR/screen" | tr '\n' ' ')" 'uptime disk service '
}

# page_code LINE: cmd.7's block of code that holds this line, as the page shows it.
page_code() {
	awk -v line="$1" '
		/^\.Bd/ { block = ""; inside = 1; next }
		/^\.Ed/ { if (inside && index(block, line)) printf "%s", block; inside = 0 }
		inside { gsub(/\\e/, "\\"); block = block $0 "\n" }' "$ROOT/man/cmd.7"
}

@test "cmd.7: the example of base64, the program and its client carry any bytes" {
	page_code '# summary: gzip<>DATA' >"$COMMANDS/gzip"
	chmod 755 "$COMMANDS/gzip"
	start_superd -p 0 "$CMD" -d "$COMMANDS"
	mkdir "$BATS_TEST_TMPDIR/client"
	cd "$BATS_TEST_TMPDIR/client"
	# LF, NUL, <>, and as much as fits in a line.
	{
		printf 'a\nb\0<>\r\n'
		head -c 40000 /dev/urandom
	} >file
	page_code 'cmdc gzip' | sed -n 's/^\$ //p' >script
	grep -q '^cmdc gzip' script
	sed -i "s|^cmdc|'$CMDC' -h 127.0.0.1 -p $PORT|" script
	sh -e script
	zcat file.gz | cmp - file
	run_cmdc help gzip | grep -qx 'gzip  *gzip<>DATA compresses DATA; both are base64'
}

# page_block FIRST-LINE: CONTRIBUTING.md's block of code that begins with this line.
page_block() {
	awk -v first="    $1" '
		$0 == first { inside = 1 }
		inside && /^[^ ]/ { exit }
		inside { print substr($0, 5) }' "$ROOT/CONTRIBUTING.md"
}

@test "CONTRIBUTING: the code of a new built-in command, cmd builds with it and runs it" {
	cp -r "$ROOT/cmd" "$ROOT/Makefile" "$BATS_TEST_TMPDIR"
	cd "$BATS_TEST_TMPDIR"
	page_block 'static void run_length(const struct text *arguments) {' >function
	page_block '{.name = "length",' >row
	sed -i -e '/^static void run_help(.*);$/r function' -e '/^static const struct command table/r row' cmd/commands.c
	rm -f cmd/cmd
	run -0 make CFLAGS='-O2 -Werror' cmd/cmd
	run -0 cmd/cmd <<<$'length<>hello\nlength<>\nlength\nhelp<>length'
	assert_line --index 0 'ok<>5'
	assert_line --index 1 'ok<>0'
	assert_line --index 2 'error<>usage<>length<>TEXT'
	assert_line --index 3 --regexp '^out<>length<>TEXT  +reply with the number of bytes of TEXT$'
}

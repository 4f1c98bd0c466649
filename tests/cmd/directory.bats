# SPDX-License-Identifier: ISC
# Which files of cmd -d DIR are commands, and what help says of them.

load ../lib/client
load ../lib/fault

setup() {
	COMMANDS=$BATS_TEST_TMPDIR/parent/commands
	mkdir -p "$COMMANDS"
	chmod 755 "$BATS_TEST_TMPDIR/parent" "$COMMANDS"
	CMD_OPTIONS=(-d "$COMMANDS")
}

@test "cmd -d names: a name with a path, a dot at its start or another invalid character, it is unknown" {
	write_command good <<<'echo good'
	mkdir "$COMMANDS/folder"
	cp "$COMMANDS/good" "$COMMANDS/.hidden"
	cp "$COMMANDS/good" "$COMMANDS/-option"
	cp "$COMMANDS/good" "$COMMANDS/a b"
	cp "$COMMANDS/good" "$COMMANDS/folder/good"
	cp "$COMMANDS/good" "$BATS_TEST_TMPDIR/parent/outside"
	run -0 run_cmd <<<$'./good\n../outside\nfolder/good\nfolder\n.hidden\n-option\na b\n.\n..\n/bin/sh\ngood\r\r'
	refute_line --partial 'out<>'
	assert_equal "$(grep -c '^error<>unknown<>' <<<"$output")" 11
}

@test "cmd -d names: one byte more than a file name can have, it is unknown" {
	local name
	name=$(printf 'a%.0s' {1..255})
	write_command "$name" <<<'echo long'
	run -0 run_cmd <<<"$name"$'\n'"${name}a"
	assert_output "out<>long"$'\nok\n'"error<>unknown<>${name}a"
}

@test "cmd -d files: a file that is not executable, it is unknown and the screen shows the reason" {
	write_command data <<<'echo a'
	chmod 644 "$COMMANDS/data"
	run -0 run_cmd <<<data
	assert_output 'error<>unknown<>data'
	screen_is "cmd: $COMMANDS/data is not executable by this user"
}

@test "cmd -d files: a directory, a pipe and a socket, they are unknown and the screen shows the reason" {
	needs python3
	local name
	mkdir "$COMMANDS/folder"
	mkfifo -m 755 "$COMMANDS/pipe"
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$COMMANDS/socket"
	for name in folder pipe socket; do
		run -0 run_cmd <<<"$name"
		assert_output "error<>unknown<>$name"
		screen_is "cmd: $COMMANDS/$name is not a regular file"
	done
}

@test "cmd -d files: a name that no file has, the screen shows nothing" {
	run -0 run_cmd <<<$'nosuch\nhelp<>nosuch'
	assert_output $'error<>unknown<>nosuch\nerror<>unknown<>nosuch'
	screen_is ''
}

@test "cmd -d help: files that are no commands, help leaves them out and the screen shows the reason of each" {
	write_command good <<<'echo good'
	write_command data <<<'echo a'
	chmod 644 "$COMMANDS/data"
	ln -s nowhere "$COMMANDS/dangling"
	mkdir "$COMMANDS/folder"
	run -0 run_cmd <<<help
	assert_line 'out<>good'
	refute_line --regexp 'data|dangling|folder'
	screen_is "cmd: $COMMANDS/dangling: cannot follow the link: No such file or directory
cmd: $COMMANDS/data is not executable by this user
cmd: $COMMANDS/folder is not a regular file"
	run -0 run_cmd <<<'help<>data'
	assert_output 'error<>unknown<>data'
	screen_is "cmd: $COMMANDS/data is not executable by this user"
}

@test "cmd -d files: a program with the name of a built-in, the built-in runs" {
	write_command echo <<<'exec printf program'
	run -0 run_cmd <<<'echo<>a'
	assert_output 'ok<>a'
	run -0 run_cmd <<<help
	assert_equal "$(grep -c '^out<>echo' <<<"$output")" 1
}

@test "cmd -d help: programs with and without summaries, help lists them by name after the built-ins" {
	write_command zebra <<<'# summary: shows stripes'
	write_command ape <<<$'\n#\n#summary: not this\n# summary:   climbs, and\tmore  \necho'
	write_command mute <<<'true'
	run -0 run_cmd <<<help
	assert_line --index $((${#lines[@]} - 4)) --regexp '^out<>ape  +climbs, and.more'
	assert_line --index $((${#lines[@]} - 3)) 'out<>mute'
	assert_line --index $((${#lines[@]} - 2)) --regexp '^out<>zebra  +shows stripes$'
	assert_line --index $((${#lines[@]} - 1)) ok
	run -0 run_cmd <<<'help<>zebra'
	assert_line --index 0 --regexp '^out<>zebra  +shows stripes$'
}

@test "cmd -d help: names with digits, capitals and signs, help lists built-ins and then programs by the bytes of their names" {
	local name
	for name in b _a B 2 a-b a.b ab; do
		write_command "$name" <<<'true'
	done
	LC_ALL=C.UTF-8 run -0 run_cmd <<<help
	assert_equal "$(sed 's/^out<>//; s/[<[ ].*//' <<<"$output" | xargs)" \
		'echo exit help peer printf time version 2 B _a a-b a.b ab b ok'
}

@test "cmd -d summaries: only the first 1024 bytes are searched, a file without text has no summary" {
	{
		printf '# %01024d\n' 0
		echo '# summary: too late'
	} | write_command late
	head -c 5000 /dev/zero >"$COMMANDS/zeros"
	: >"$COMMANDS/empty"
	chmod 755 "$COMMANDS/zeros" "$COMMANDS/empty"
	run -0 run_cmd <<<help
	assert_line 'out<>late'
	assert_line 'out<>zeros'
	assert_line 'out<>empty'
}

@test "cmd -d rights: others may write to the directory, cmd exits with status 2" {
	chmod 757 "$COMMANDS"
	run -2 run_cmd <<<'echo<>a'
	assert_output ''
	screen_is "cmd: $COMMANDS is writable by others"
	chmod 1777 "$COMMANDS"
	run -2 run_cmd <<<'echo<>a'
}

@test "cmd -d rights: a group or a user of an access list may write to the directory, cmd exits with status 2" {
	needs setfacl
	chmod 775 "$COMMANDS"
	run -2 run_cmd <<<'echo<>a'
	screen_is "cmd: $COMMANDS is writable by its group"
	chmod 755 "$COMMANDS"
	setfacl -m u:nobody:rwx "$COMMANDS" || skip "no access lists here"
	run -2 run_cmd <<<'echo<>a'
	screen_is "cmd: $COMMANDS is writable by its group"
}

@test "cmd -d rights: others may write to the interpreter of a program, the program is no command" {
	cp "$(type -P cat)" "$BATS_TEST_TMPDIR/interpreter"
	write_command good <<<'echo good'
	sed -i "1s|.*|#!$BATS_TEST_TMPDIR/interpreter|" "$COMMANDS/good"
	run -0 run_cmd <<<good
	assert_line 'out<>echo good'
	chmod o+w "$BATS_TEST_TMPDIR/interpreter"
	run -0 run_cmd <<<good
	assert_output 'error<>unknown<>good'
	screen_is "cmd: $BATS_TEST_TMPDIR/interpreter is writable by others"
}

@test "cmd -d rights: others may write to the parent without the sticky bit, cmd exits with status 2" {
	write_command good <<<'echo good'
	chmod 777 "$BATS_TEST_TMPDIR/parent"
	run -2 run_cmd <<<good
	screen_is "cmd: $BATS_TEST_TMPDIR/parent is writable by others"
	chmod 1777 "$BATS_TEST_TMPDIR/parent"
	run -0 run_cmd <<<good
	assert_output $'out<>good\nok'
}

@test "cmd -d rights: the parent belongs to another user, cmd exits with status 2" {
	needs root
	chown 1 "$BATS_TEST_TMPDIR/parent"
	run -2 run_cmd <<<'echo<>a'
	screen_is "cmd: $BATS_TEST_TMPDIR/parent belongs to another user"
}

@test "cmd -d rights: others may write to a program, it is unknown and the screen shows the reason" {
	write_command open <<<'echo open'
	chmod 757 "$COMMANDS/open"
	run -0 run_cmd <<<open
	assert_output 'error<>unknown<>open'
	screen_is "cmd: $COMMANDS/open is writable by others"
	run -0 run_cmd <<<help
	refute_line --partial 'out<>open'
}

@test "cmd -d rights: a program belongs to another user, it is unknown and the screen shows the reason" {
	needs root
	write_command foreign <<<'echo foreign'
	chown 1 "$COMMANDS/foreign"
	run -0 run_cmd <<<foreign
	assert_output 'error<>unknown<>foreign'
	screen_is "cmd: $COMMANDS/foreign belongs to another user"
}

@test "cmd -d links: a link inside the directory is followed, a link out of the directory is unknown" {
	write_command good <<<'echo good'
	cp "$COMMANDS/good" "$BATS_TEST_TMPDIR/parent/outside"
	ln -s good "$COMMANDS/inside"
	ln -s "$COMMANDS/good" "$COMMANDS/absolute"
	ln -s ../outside "$COMMANDS/out"
	ln -s /bin/true "$COMMANDS/true"
	ln -s nowhere "$COMMANDS/dangling"
	run -0 run_cmd <<<$'inside\nabsolute\nout\ntrue\ndangling'
	assert_output $'out<>good\nok\nout<>good\nok\nerror<>unknown<>out\nerror<>unknown<>true\nerror<>unknown<>dangling'
	screen_is "cmd: $COMMANDS/out leads out of $COMMANDS
cmd: $COMMANDS/true leads out of $COMMANDS
cmd: $COMMANDS/dangling: cannot follow the link: No such file or directory"
}

@test "cmd -d links: a loop, it is unknown and the screen shows the reason" {
	ln -s two "$COMMANDS/one"
	ln -s one "$COMMANDS/two"
	run -0 run_cmd <<<one
	assert_output 'error<>unknown<>one'
	run cat "$BATS_TEST_TMPDIR/screen"
	assert_output --regexp "^cmd: $COMMANDS/one: cannot follow the link: (Too many levels of symbolic links|Symbolic link loop)\$"
}

# program_is_starting: cmd, which strace runs, has a child; strace delays its exec.
program_is_starting() {
	pgrep -P "$(pgrep -P "$CMD_PID")"
}

@test "cmd -d links: a link leads through another user's directory, which changes before exec, the checked program runs" {
	needs root strace
	local other=$BATS_TEST_TMPDIR/parent/other
	mkdir "$COMMANDS/real" "$other" "$other/bad"
	write_command good <<<'echo good'
	mv "$COMMANDS/good" "$COMMANDS/real/program"
	write_program program "$other/bad" <<<'echo bad' >/dev/null
	ln -s "$COMMANDS/real" "$other/hop"
	chown -h 1 "$other" "$other/hop" "$other/bad" "$other/bad/program"
	ln -s "$other/hop/program" "$COMMANDS/linked"

	mkfifo "$BATS_TEST_TMPDIR/in"
	disable_leak_check
	strace -f -o /dev/null \
		-e trace=execve -e inject=execve:delay_enter=4000000 \
		"$CMD" -d "$COMMANDS" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/replies" 2>"$BATS_TEST_TMPDIR/screen" 3>&- &
	CMD_PID=$!
	end_at_teardown "$CMD_PID"
	exec 7>"$BATS_TEST_TMPDIR/in"
	echo linked >&7
	wait_until program_is_starting
	ln -sfn "$other/bad" "$other/hop"
	close_cmd
	replies_are $'out<>good\nok'
}

@test "cmd -d links: a program behind a link, its argv[0] is the name of the link and a script's \$0 is the file" {
	cp /bin/cat "$COMMANDS/cat"
	ln -s cat "$COMMANDS/show"
	write_command script <<<'echo "$0"'
	ln -s script "$COMMANDS/alias"
	run_cmd <<<$'show<>/proc/self/cmdline\nalias' >"$BATS_TEST_TMPDIR/replies"
	printf 'out<>%s\0/proc/self/cmdline\0\nok\nout<>%s\nok\n' "$COMMANDS/show" "$COMMANDS/script" |
		cmp - "$BATS_TEST_TMPDIR/replies"
}

@test "cmd -d links: a link into a folder that others may write to, it is unknown" {
	mkdir "$COMMANDS/open"
	write_command good <<<'echo good'
	mv "$COMMANDS/good" "$COMMANDS/open/good"
	ln -s open/good "$COMMANDS/good"
	run -0 run_cmd <<<good
	assert_output $'out<>good\nok'
	chmod 1777 "$COMMANDS/open"
	run -0 run_cmd <<<good
	assert_output 'error<>unknown<>good'
}

@test "cmd -d paths: a relative path through a symbolic link, cmd finds the programs" {
	write_command good <<<'pwd'
	ln -s parent/commands "$BATS_TEST_TMPDIR/link"
	cd "$BATS_TEST_TMPDIR"
	run -0 timeout "$WAIT_SECONDS" "$CMD" -d link <<<good
	assert_output "out<>$BATS_TEST_TMPDIR"$'\nok'
}

@test "cmd -d paths: the path is missing or not a directory, cmd exits with status 2" {
	run -2 "$CMD" -d "$BATS_TEST_TMPDIR/nowhere" </dev/null
	assert_output "cmd: -d $BATS_TEST_TMPDIR/nowhere: No such file or directory"
	run -2 "$CMD" -d "$CMD" </dev/null
	assert_output "cmd: -d $CMD: not a directory"
}

@test "cmd -d paths: this user cannot search the directory, cmd exits with status 2" {
	needs root
	make_public_folder
	cp "$CMD" "$PUBLIC/cmd"
	mkdir -m 744 "$PUBLIC/commands"
	run -2 as_user "$PUBLIC/cmd" -d "$PUBLIC/commands" </dev/null
	assert_output "cmd: -d $PUBLIC/commands: Permission denied"
	chmod 711 "$PUBLIC/commands"
	write_program good "$PUBLIC/commands" <<<'echo good' >/dev/null
	run -0 as_user "$PUBLIC/cmd" -d "$PUBLIC/commands" <<<good
	assert_output $'out<>good\nok'
	remove_public_folder
}

@test "cmd -d paths: the directory loses its search permission, a program is unknown and the screen shows the reason" {
	needs root
	make_public_folder
	cp "$CMD" "$PUBLIC/cmd"
	mkdir -m 755 "$PUBLIC/commands"
	write_program good "$PUBLIC/commands" <<<'echo good' >/dev/null
	mkfifo "$BATS_TEST_TMPDIR/in"
	as_user "$PUBLIC/cmd" -d "$PUBLIC/commands" <"$BATS_TEST_TMPDIR/in" \
		>"$BATS_TEST_TMPDIR/replies" 2>"$BATS_TEST_TMPDIR/screen" 3>&- &
	CMD_PID=$!
	end_at_teardown "$CMD_PID"
	exec 7>"$BATS_TEST_TMPDIR/in"
	echo good >&7
	wait_until replies_are $'out<>good\nok'
	chmod 744 "$PUBLIC/commands"
	echo good >&7
	close_cmd
	replies_are $'out<>good\nok\nerror<>unknown<>good'
	screen_is "cmd: $PUBLIC/commands/good: Permission denied"
	remove_public_folder
}

@test "cmd -d changes: a program appears during a session, cmd finds it" {
	open_cmd
	echo new >&7
	wait_until grep -qx 'error<>unknown<>new' "$BATS_TEST_TMPDIR/replies"
	write_command new <<<'echo new'
	echo new >&7
	wait_until grep -qx 'out<>new' "$BATS_TEST_TMPDIR/replies"
	close_cmd
}

@test "cmd -d: the option is not given, no file is a command" {
	write_command good <<<'echo good'
	cd "$COMMANDS"
	run -0 "$CMD" <<<good
	assert_output 'error<>unknown<>good'
}

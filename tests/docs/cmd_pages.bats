# SPDX-License-Identifier: ISC
# The manual pages of cmd agree with cmd.

load ../lib/process

# items PAGE SECTION: print the list items of a section, without .It.
items() {
	sed -n "/^\.Sh $2\$/,/^\.Sh /s/^\.It //p" "$ROOT/man/$1"
}

# commands: print the commands with their arguments, as help shows them.
commands() {
	"$CMD" <<<help | sed -n 's/^out<>\([^ ]*\) .*/\1/p' | sort
}

@test "cmd.1: the options, they are those of cmd -h with the same arguments" {
	diff <("$CMD" -h | sed -n 's/^  \(-[A-Za-z]\( [A-Z]*\)\{0,1\}\) .*/\1/p' | sed 's/ *$//' | sort) \
		<(items cmd.1 DESCRIPTION | sed -n 's/^Fl \([A-Za-z]\)\( Ar \(.*\)\)\{0,1\}$/-\1 \3/p' | sed 's/ *$//' | sort)
}

@test "cmd.1: the synopsis, it is the usage of cmd -h" {
	needs mandoc
	mandoc -Tascii -O width=200 "$ROOT/man/cmd.1" | sed 's/.\x08//g' |
		grep -qxF "     $("$CMD" -h | sed -n '1s/usage: //p')"
}

@test "cmd.1: the commands, they are those of help with the same arguments" {
	diff <(commands) <(items cmd.1 COMMANDS | sed -n 's/^Ic //p' | sort)
}

@test "cmd.7: the commands, they are those of help with the same arguments" {
	diff <(commands) <(items cmd.7 COMMANDS | sed -n 's/^\([^ ]*\) Ta .*/\1/p' | sort)
}

@test "cmd.7: the example, cmd's replies are the same" {
	local page=$ROOT/man/cmd.7
	mkdir "$BATS_TEST_TMPDIR/commands"
	printf '#!/bin/sh\necho "$1: 41%% of 20G in use"\n' >"$BATS_TEST_TMPDIR/commands/disk"
	chmod +x "$BATS_TEST_TMPDIR/commands/disk"
	sed -n 's/^C  //p' "$page" | timeout "$WAIT_SECONDS" "$CMD" -d "$BATS_TEST_TMPDIR/commands" 2>"$BATS_TEST_TMPDIR/screen" |
		diff - <(sed -n 's/^S  //p' "$page")
}

@test "cmd.1 and cmd.7: the references, each page names the other" {
	grep -q '^\.Xr cmd 7' "$ROOT/man/cmd.1"
	grep -q '^\.Xr cmd 1' "$ROOT/man/cmd.7"
}

# SPDX-License-Identifier: ISC
# The commands of README.md, with their output as it is shown there.

load ../lib/superd
load ../lib/client

# block NUMBER HEADING: print that block of code under the heading.
block() {
	awk -v number="$1" -v heading="## $2" '
		/^## / { inside = $0 == heading; count = 0; was_code = 0 }
		inside { is_code = /^    /; count += is_code && !was_code; was_code = is_code || ($0 == "" && was_code) }
		inside && is_code && count == number { print substr($0, 5) }' "$ROOT/README.md"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
}

@test "README: a program of one's own, the client and superd's log are as shown" {
	block 1 'Your own program' >script
	sh -e script
	run block 2 'Your own program'
	assert_output 'superd -p 7000 ./hello'
	start_superd -p 0 ./hello
	block 3 'Your own program' >session
	sed -n 's/^\$ //p' session | sed "s/7000/$PORT/" >client
	run bash client
	assert_output "$(grep -v '^\$' session)"
	wait_for_line EXIT
	diff <(block 4 'Your own program' | sed -E 's/(pid|port)=[0-9]+/\1=N/g') \
		<(grep -E 'START|EXIT' "$LOG" | sed -E 's/(pid|port)=[0-9]+/\1=N/g; s/from=::1/from=127.0.0.1/')
}

@test "README: the options for other machines, superd takes them" {
	needs root
	block 1 'Your own program' >script
	sh -e script
	block 5 'Your own program' | sed "s|^superd|'$SUPERD' -t|" >script.t
	run -0 sh -e script.t
	assert_line --regexp 'only_from *= 10\.0\.0\.0/8 ::1/128'
}

@test "README: the exercise of the course, cmdc prints the reply and the server's screen the text" {
	start_superd -p 0 "$CMD"
	block 1 'cmd and cmdc' >session
	sed -n 's/^\$ //p' session | sed "s|cmdc/cmdc|'$CMDC' -p $PORT|" >client
	run sh client
	assert_output "$(grep -v '^\$' session)"
	grep -x 'hello!!' "$LOG"
}

@test "README: cmd in a pipe, its replies are as shown" {
	block 2 'cmd and cmdc' >session
	sed -n 's/^\$ //p' session | sed "s|cmd/cmd|'$CMD'|" >client
	run sh client
	assert_output "$(grep -v '^\$' session)"
}

@test "README: the commands for the files of xinetd and inetd, superd takes them" {
	print_service a >xinetd.conf
	mkdir xinetd.d
	cp xinetd.conf xinetd.d/a
	echo "7000 stream tcp nowait $ME /bin/cat cat" >inetd.conf
	while read -r line; do
		run -0 sh -c "$(sed "s|^superd|'$SUPERD' -t|; s| -t -t | -t |; s|/etc/|./|" <<<"$line")"
		assert_line --regexp 'server *= /bin/cat'
	done < <(block 1 'Replacing xinetd or inetd')
}

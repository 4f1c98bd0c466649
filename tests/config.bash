# Shared by the tests of configuration files: `load config`, after `load helper`.
#
# shellcheck disable=SC2034,SC2154,SC2119,SC2120 # what bats sets, and what the tests read

CONF=$BATS_TEST_TMPDIR/conf

# service NAME [LINE...]: a service that runs, on a port that the kernel chooses: cat as root. A line of the same
# attribute takes the place of the one here.
service() {
	local name=$1 line attribute defaults
	shift
	declare -A defaults=([type]=UNLISTED [port]=0 [socket_type]=stream [wait]=no [user]=root [server]=/bin/cat)
	echo "service $name"
	echo "{"
	for line; do
		attribute=${line%%[ =]*}
		unset "defaults[$attribute]"
	done
	for attribute in "${!defaults[@]}"; do
		echo "	$attribute = ${defaults[$attribute]}"
	done
	for line; do
		echo "	$line"
	done
	echo "}"
}

# program NAME: a shell script from stdin, to be a server. Prints its path.
program() {
	{
		echo '#!/bin/sh'
		cat
	} >"$BATS_TEST_TMPDIR/$1"
	chmod 755 "$BATS_TEST_TMPDIR/$1"
	echo "$BATS_TEST_TMPDIR/$1"
}

# check [OPTION...]: superd -t on $CONF. Sets status, output and stderr; in stderr the file is called `conf`.
check() {
	run --separate-stderr timeout -k 1 "$WAIT_SECONDS" "$SUPERD" -t -c "$CONF" "$@"
	stderr=${stderr//$CONF/conf}
}

# The check finds errors, and says each of these lines.
assert_errors() {
	check
	[ "$status" -eq 1 ] || fail "status $status: $stderr"
	local line
	for line; do
		grep -qxF -e "$line" <<<"$stderr" || fail "'$line' is not in:
$stderr"
	done
}

# assert_wrong LINE MESSAGE: with that one line more, a service is in error, and the message says why.
assert_wrong() {
	service wrong "$1" >"$CONF"
	assert_errors "conf:$(grep -nF -e "$1" "$CONF" | cut -d : -f 1): $2"
	[ "$(wc -l <<<"$stderr")" -eq 1 ] || fail "more than one line: $stderr"
	[ -z "$output" ]
}

# assert_right LINE [PRINTED]: with that one line more, a service is well, and prints as said, or as it was written.
assert_right() {
	service right "$1" >"$CONF"
	check
	[ "$status" -eq 0 ] || fail "status $status for $1: $stderr"
	grep -qxF -e "${2:-$1}" <<<"$(squeeze "$output")" || fail "'${2:-$1}' is not in:
$output"
}

# The lines of a printed service with single blanks.
squeeze() {
	tr -s ' \t' ' ' <<<"$1" | sed 's/^ //; s/ $//'
}

# port_of ID: the port at which superd said it listens for that service.
port_of() {
	sed -n "s/^superd: listening $1 .*://p" "$LOG" | tail -n 1
}

# serves PORT [ADDRESS]: a client gets back what it sends.
serves() {
	[ "$(ask "$1" "${2:-127.0.0.1}" <<<hello)" = hello ]
}

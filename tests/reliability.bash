# Shared by the tests of what superd does when things go wrong: `load reliability`, after `load helper`.
#
# shellcheck disable=SC2034,SC2154 # the test files read what is set here

LOAD=$ROOT/tests/load

# service NAME [ATTRIBUTE=VALUE...]: print a service for a configuration file: /bin/cat on a port of 127.0.0.1 that the kernel
# chooses, unless the attributes say otherwise.
service() {
	local name=$1 attribute
	shift
	local -A attributes=([type]=UNLISTED [port]=0 [bind]=127.0.0.1 [socket_type]=stream [wait]=no [user]=root
		[server]=/bin/cat [cps]='0 0' [instances]=UNLIMITED [log_on_success]='PID HOST EXIT DURATION' [log_on_failure]=HOST)
	for attribute; do
		attributes[${attribute%%=*}]=${attribute#*=}
	done
	printf 'service %s\n{\n' "$name"
	for attribute in "${!attributes[@]}"; do
		[ -z "${attributes[$attribute]}" ] || printf '\t%s = %s\n' "$attribute" "${attributes[$attribute]}"
	done
	printf '}\n'
}

# The port where the service of that name listens, as the log last said it.
port_of() {
	sed -n "s/^superd: listening $1 .*://p" "$LOG" | tail -n 1
}

log_count() {
	grep -c -e "$1" "$LOG" || true
}

# log_has COUNT PATTERN: so many lines of the log match.
log_has() {
	[ "$(log_count "$2")" -eq "$1" ]
}

log_has_more() {
	[ "$(log_count "$1")" -gt "$2" ]
}

# Send superd a signal, and wait for one more line of the log that matches.
signal_and_wait() {
	local before
	before=$(log_count "$2")
	kill -"$1" "$SUPERD_PID"
	wait_until log_has_more "$2" "$before" || {
		tail -n 20 "$LOG" >&2
		return 1
	}
}

upgrade() {
	signal_and_wait USR2 'upgraded in place'
}

# USR2 is refused, superd goes on and says why: the reason matches the pattern.
upgrade_fails() {
	signal_and_wait USR2 "upgrade cancelled: .*$1"
}

reload() {
	signal_and_wait HUP 'superd: reloaded: '
}

# A superd of our own, whose file may be replaced.
use_private_superd() {
	cp "$SUPERD" "$BATS_TEST_TMPDIR/superd"
	SUPERD=$BATS_TEST_TMPDIR/superd
}

# Put an executable script in place of superd's file.
replace_superd() {
	printf '%s\n' "$@" >"$SUPERD.new"
	chmod 755 "$SUPERD.new"
	mv "$SUPERD.new" "$SUPERD"
}

# occupy NAME PORT [STEP...]: a client that has been answered one line and stays, and does the steps after that.
# CLIENT; its output is $BATS_TEST_TMPDIR/NAME.
occupy() {
	local name=$1 port=$2
	shift 2
	background "$TALK" "$port" 'send:here\n' line "${@:-hold}" >"$BATS_TEST_TMPDIR/$name"
	CLIENT=$BG_PID
	wait_for_line here "$BATS_TEST_TMPDIR/$name"
}

# Hundredths of a second of processor time that superd has used.
cpu_time() {
	awk '{ print $14 + $15 }' "/proc/$SUPERD_PID/stat"
}

# sleeps_for SECONDS: superd uses less than 1% of a processor in that time (and 2 hundredths for the measure's own edges).
sleeps_for() {
	local before after
	before=$(cpu_time)
	sleep "$1"
	after=$(cpu_time)
	echo "processor time: $((after - before)) hundredths in $1 s"
	((after - before <= $1 + 2))
}

# as_user COMMAND...: run it as a user that nobody else is, so that its processes alone are counted.
USER_ID=$((100000 + BASHPID))
as_user() {
	setpriv --reuid="$USER_ID" --regid="$USER_ID" --clear-groups "$@"
}

# What superd holds open, but for 0, 1 and 2.
descriptors() {
	local fd
	for fd in /proc/"$SUPERD_PID"/fd/*; do
		((${fd##*/} <= 2)) || readlink "$fd" || true
	done | sed 's/:\[[0-9]*\]//' | sort
}

sockets_are() {
	[ "$(descriptors | grep -c socket)" -eq "$1" ]
}

# A value of the metrics file: metric FILE NAME [LABELS].
metric() {
	awk -v name="$2${3:+{$3\}}" '$1 == name { print $2 }' "$1"
}

metric_is() {
	[ "$(metric "$1" "$2" "$3")" = "$4" ]
}

is_sanitized() {
	grep -q -e __asan_init -e valgrind "$SUPERD"
}

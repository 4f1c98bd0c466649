# SPDX-License-Identifier: ISC
# superd: configurations, start and stop, and observations from outside.
#
# shellcheck shell=bash disable=SC2034,SC2119,SC2120,SC2154 # variables of bats and of the tests

source "${BASH_SOURCE[0]%/*}/process.bash"

CONF=$BATS_TEST_TMPDIR/conf

# A command that starts superd: SUPERD_PREFIX=(env NAME=VALUE). It must exec superd, not fork.
SUPERD_PREFIX=()

# The signals that a program finds ignored. GNU make leaves 32 and 33 ignored in what it starts, and POSIX has no way to change
# these two.
DEFAULT_IGNORED=0000000000000000
if [ "${FLAVOUR:-}" = posix ]; then
	DEFAULT_IGNORED=$(awk '/^SigIgn/ { print $2 }' /proc/self/status)
	printf -v DEFAULT_IGNORED '%016x' $((0x$DEFAULT_IGNORED & 0x180000000))
fi

# Configurations.

# print_service NAME [LINE...]: print a service for a file: /bin/cat as the user of the tests, on a port that the kernel chooses. A LINE
# replaces the line of the same attribute; `ATTRIBUTE=` removes that line.
print_service() {
	print_block $'\n\ttype = UNLISTED\n\tport = 0\n\tsocket_type = stream\n\twait = no\n\tuser = '"$ME"$'\n\tserver = /bin/cat\n' "$@"
}

# print_open_service NAME [LINE...]: the same on 127.0.0.1, without limits, with all logging enabled.
print_open_service() {
	print_block $'\n\ttype = UNLISTED\n\tport = 0\n\tbind = 127.0.0.1\n\tsocket_type = stream\n\twait = no\n\tuser = '"$ME"$'
	server = /bin/cat\n\tcps = 0 0\n\tinstances = UNLIMITED\n\tlog_on_success = PID HOST EXIT DURATION\n\tlog_on_failure = HOST\n' "$@"
}

# print_block DEFAULTS NAME [LINE...]: print a service with these default lines and LINEs. It uses few commands, because the trace
# of bats makes each one slow.
print_block() {
	local block=$1 name=$2 lines='' line rest
	shift 2
	for line; do
		rest=${block#*$'\n\t'"${line%%[ =]*} = "}
		[ "$rest" = "$block" ] || block=${block%"$rest"} block=${block%$'\n'*}$'\n'${rest#*$'\n'}
		[[ $line =~ ^[a-z_0-9]+=$ ]] || lines+=$'\t'$line$'\n'
	done
	printf 'service %s\n{%s}\n' "$name" "$block$lines"
}

# check_config [OPTION...]: superd -t on $CONF. Sets status, output, stderr, in which the file is called `conf`, and summary, the
# last line of it.
check_config() {
	run --separate-stderr timeout -k 1 "$WAIT_SECONDS" "$SUPERD" -t -c "$CONF" "$@"
	stderr=${stderr//$CONF/conf}
	summary=${stderr##*$'\n'}
	[[ $summary != 'superd: '*' disabled' ]] || stderr=${stderr%"$summary"}
	stderr=${stderr%$'\n'}
}

# assert_config_errors LINE...: the check of $CONF fails, and prints each of these lines.
assert_config_errors() {
	check_config
	[ "$status" -eq 1 ] || fail "status $status: $stderr"
	local line
	for line; do
		grep -qxF -e "$line" <<<"$stderr" || fail "'$line' is not in:
$stderr"
	done
}

# assert_rejected LINE MESSAGE: a service with that line has an error, and MESSAGE is the only message.
assert_rejected() {
	print_service wrong "$1" >"$CONF"
	assert_config_errors "conf:$(grep -nF -e "$1" "$CONF" | cut -d : -f 1): $2"
	[ "$(wc -l <<<"$stderr")" -eq 1 ] || fail "more than one line: $stderr"
	[ -z "$output" ]
}

# assert_accepted LINE [PRINTED]: a service with that line has no errors, and -t prints the line as PRINTED, or as it is.
assert_accepted() {
	print_service right "$1" >"$CONF"
	check_config
	[ "$status" -eq 0 ] || fail "status $status for $1: $stderr"
	grep -qxF -e "${2:-$1}" <<<"$(squeeze_blanks "$output")" || fail "'${2:-$1}' is not in:
$output"
}

# squeeze_blanks TEXT: print the lines of a printed service with single blanks.
squeeze_blanks() {
	tr -s ' \t' ' ' <<<"$1" | sed 's/^ //; s/ $//'
}

# Start and stop.

# launch_superd ARGUMENT...: start superd in the background, its stderr to $LOG. Sets SUPERD_PID and LOG (SUPERD_LOG, if set).
# Clients of it, and what looks at it, need some programs.
launch_superd() {
	needs nc pgrep python3 ss "${SUPERD_PREFIX[@]::1}"
	LOG=${SUPERD_LOG:-$BATS_TEST_TMPDIR/log}
	: >"$LOG"
	"${SUPERD_PREFIX[@]}" "$SUPERD" "$@" </dev/null >"$LOG.stdout" 2>>"$LOG" 3>&- &
	SUPERD_PID=$!
	end_at_teardown "$SUPERD_PID"
}

# start_superd ARGUMENT...: the same, and wait until it listens; if superd exits, prints the log and fails. Sets PORT
# from the first line `listening`.
start_superd() {
	launch_superd "$@"
	wait_until superd_listens_or_is_gone
	if is_gone "$SUPERD_PID"; then
		echo "superd did not start:" >&2
		cat "$LOG" >&2
		return 1
	fi
	PORT=$(sed -n '/^superd: listening/{s/.*://p;q;}' "$LOG")
}

superd_listens_or_is_gone() {
	grep -q '^superd: listening' "$LOG" || is_gone "$SUPERD_PID"
}

# wait_superd: wait until superd ends; returns its exit status.
wait_superd() {
	wait_until is_gone "$SUPERD_PID" || return 99
	wait "$SUPERD_PID"
}

# stop_superd [SIGNAL]: send TERM, or SIGNAL, and wait until superd ends; returns its exit status.
stop_superd() {
	kill -"${1:-TERM}" "$SUPERD_PID"
	wait_superd
}

# port_of ID: print the port of the last line `listening` of that service.
port_of() {
	sed -n "s/^superd: listening $1 .*://p" "$LOG" | tail -n 1
}

# signal_and_wait SIGNAL PATTERN: send superd the signal, and wait for a new line of the log that matches.
signal_and_wait() {
	local size
	size=$(stat -c %s "$LOG")
	kill -"$1" "$SUPERD_PID"
	wait_until log_has_after "$size" "$2" || {
		tail -n 20 "$LOG" >&2
		return 1
	}
}

# log_has_after SIZE PATTERN: a line after the first SIZE bytes of the log matches.
log_has_after() {
	tail -c "+$(($1 + 1))" "$LOG" | grep -q -e "$2"
}

# reload_superd: send HUP, and wait until superd has reloaded.
reload_superd() {
	signal_and_wait HUP 'superd: reloaded: '
}

# upgrade_superd: send USR2, and wait until superd has upgraded.
upgrade_superd() {
	signal_and_wait USR2 'upgraded in place'
}

# assert_upgrade_cancelled PATTERN: send USR2; superd cancels the upgrade, for a reason that matches.
assert_upgrade_cancelled() {
	signal_and_wait USR2 "upgrade cancelled: .*$1"
}

# Observations.

# count_log PATTERN: print how many lines of the log match.
count_log() {
	grep -c -e "$1" "$LOG" || true
}

# log_has COUNT PATTERN: that many lines of the log match.
log_has() {
	[ "$(count_log "$2")" -eq "$1" ]
}

# log_has_more PATTERN COUNT: more than COUNT lines of the log match.
log_has_more() {
	[ "$(count_log "$1")" -gt "$2" ]
}

# count_children: print how many children superd has.
count_children() {
	local children
	if { read -ra children || true; } <"/proc/$SUPERD_PID/task/$SUPERD_PID/children"; then
		echo "${#children[@]}"
	else
		pgrep -c -P "$SUPERD_PID"
	fi 2>/dev/null || true
}

# has_children COUNT: superd has that many children.
has_children() {
	[ "$(count_children)" -eq "$1" ]
}

# superd_descriptors: print the files that superd has open, without the descriptors 0, 1 and 2.
superd_descriptors() {
	find "/proc/$SUPERD_PID/fd" -mindepth 1 -not -name '[012]' -printf '%l\n' 2>/dev/null | sed 's/:\[[0-9]*\]//' | sort
}

# has_descriptors TEXT: superd_descriptors prints that.
has_descriptors() {
	[ "$(superd_descriptors)" = "$1" ]
}

# has_sockets COUNT: superd has that many sockets open.
has_sockets() {
	[ "$(superd_descriptors | grep -c socket)" -eq "$1" ]
}

# superd_cpu_time: print the hundredths of a second of processor time that superd has used.
superd_cpu_time() {
	awk '{ print $14 + $15 }' "/proc/$SUPERD_PID/stat"
}

# assert_sleeps SECONDS: superd uses less than 1% of a processor in that time (plus 2 hundredths of a second, the
# error of the measurement).
assert_sleeps() {
	local before after
	before=$(superd_cpu_time)
	sleep "$1"
	after=$(superd_cpu_time)
	echo "processor time: $((after - before)) hundredths in $1 s"
	((after - before <= $1 + 2))
}

# metric FILE NAME [LABELS]: print that value of the metrics file.
metric() {
	local file=${1##*/}
	awk -v name="$2{file=\"${file%.*}\"${3:+,$3}}" '$1 == name { print $2 }' "$1"
}

# metric_is FILE NAME LABELS VALUE: that value of the metrics file is VALUE.
metric_is() {
	[ "$(metric "$1" "$2" "$3")" = "$4" ]
}

# SPDX-License-Identifier: ISC
# Complete configuration files as they are found: the samples and, if it is there, a corpus of files from public projects beside
# the checkout. Their programs become /bin/true, their users root, and all services are enabled.

load ../lib/xinetd

# files: print the files, one per line.
files() {
	find "$SAMPLES" "$ROOT/../shared/corpus" -type f ! -name '*.*' 2>/dev/null | sort
}

# each_file COMMAND...: arrange each file as $CONF, and run the command, which prints the faults of that file; fails if it prints
# anything.
each_file() {
	local file found=''
	while read -r file; do
		make_public_folder
		SAMPLES=${file%/*} PROGRAM=/bin/true arrange_sample -e -r "${file##*/}" || true
		"$@" >"$BATS_TEST_TMPDIR/wrong" || true
		found+=$(sed "s|^|${file##*/}: |" "$BATS_TEST_TMPDIR/wrong")
		remove_public_folder
	done < <(files)
	[ -z "$found" ] || fail "$found"
}

setup() {
	[ "$(files | wc -l)" -ge 30 ]
}

# superd's messages for services that it leaves out by design, and for values that xinetd ignores with a warning.
ON_PURPOSE='is left out|unknown attribute|needs a value|needs more values|too many values|takes only|not an attribute of defaults|defaults may be in'

listening() {
	local port filter=''
	for port in "${PORTS[@]}"; do
		filter+="${filter:+ or }sport = :$port"
	done
	ss -Hlntu "( $filter )" | awk '{ sub(/.*:/, "", $5); print $1, $5 }' | sort -u
}

compare_sockets() {
	[ -n "${PORTS[*]}" ] || return 0
	start_inetd xinetd
	listening >"$PUBLIC/xinetd.ports"
	compared=$((compared + $(wc -l <"$PUBLIC/xinetd.ports")))
	stop_inetd xinetd
	start_background "$SUPERD" -c "$CONF" 2>"$PUBLIC/superd.log"
	INETD_PID=$BG_PID
	wait_until superd_is_ready
	listening >"$PUBLIC/superd.ports"
	comm -23 "$PUBLIC/xinetd.ports" "$PUBLIC/superd.ports" >"$PUBLIC/missing"
	[ ! -s "$PUBLIC/missing" ] || grep -qE "$ON_PURPOSE" "$PUBLIC/superd.log" ||
		cat "$PUBLIC/missing" "$PUBLIC/superd.log"
	stop_inetd superd
}

# superd_is_ready: superd listens, or has exited.
superd_is_ready() {
	is_gone "$INETD_PID" || grep -q 'listening' "$PUBLIC/superd.log"
}

@test "corpus: every file, superd listens at least where xinetd does" {
	needs root
	compared=0
	each_file compare_sockets
	echo "xinetd had $compared sockets"
	((compared >= 40))
}

print_twice() {
	"$SUPERD" -t -c "$CONF" >"$PUBLIC/once" 2>/dev/null || true
	[ -s "$PUBLIC/once" ] || return 0
	printed=$((printed + 1))
	"$SUPERD" -t -c "$PUBLIC/once" >"$PUBLIC/twice" 2>/dev/null || echo "what -t prints is refused"
	diff "$PUBLIC/once" "$PUBLIC/twice"
}

@test "corpus: every file, the output of superd -t reads back to itself" {
	needs python3
	printed=0
	each_file print_twice
	echo "$printed files were printed"
	((printed >= 25))
}

# check_messages: print what is wrong with the messages of superd -t: each has a file and a line, but for what follows from one,
# and the status fits them.
check_messages() {
	local status=0
	"$SUPERD" -t -c "$CONF" >/dev/null 2>"$PUBLIC/messages" || status=$?
	sed -i '$ { /^superd: [0-9]* services\{0,1\} at /d }' "$PUBLIC/messages"
	grep -vE "^$PUBLIC/conf:[0-9]+: |^(nothing runs, because of the error in defaults|defaults may be in )" "$PUBLIC/messages"
	if grep -qvE '^[^ ]+: warning: ' "$PUBLIC/messages"; then
		[ "$status" -eq 1 ] || echo "status $status with errors"
	else
		[ "$status" -eq 0 ] || echo "status $status without errors"
	fi
}

@test "corpus: every file, the status of superd -t is 1 if there are errors and each has a file and a line" {
	needs python3
	each_file check_messages
}

# Whole configuration files, as they are found: the samples, and where it is at hand beside the checkout, a corpus of files
# from public projects. Their programs are /bin/true, their users root, and nothing in them is switched off.

load ../lib/xinetd

# The files, one a line.
files() {
	find "$SAMPLES" "$ROOT/../shared/corpus" -type f ! -name '*.*' 2>/dev/null | sort
}

# Run a command on each file, arranged; it prints what is wrong with it. Nothing may be.
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

# What superd says where it leaves a service out on purpose, or for a value that xinetd passes over with a warning.
ON_PURPOSE='is left out|unknown attribute|needs a value|needs more values|too many values|takes only|not an attribute of defaults'

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

# It listens, or it has ended.
superd_is_ready() {
	is_gone "$INETD_PID" || grep -q 'listening' "$PUBLIC/superd.log"
}

@test "superd starts at least what xinetd starts" {
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

@test "what -t prints reads back to itself" {
	printed=0
	each_file print_twice
	echo "$printed files were printed"
	((printed >= 25))
}

# Every line on stderr begins with the file and the line.
check_messages() {
	local status=0
	"$SUPERD" -t -c "$CONF" >/dev/null 2>"$PUBLIC/messages" || status=$?
	grep -vE "^$PUBLIC/conf:[0-9]+: " "$PUBLIC/messages"
	if grep -qvE '^[^ ]+: warning: ' "$PUBLIC/messages"; then
		[ "$status" -eq 1 ] || echo "status $status with errors"
	else
		[ "$status" -eq 0 ] || echo "status $status without errors"
	fi
}

@test "-t exits 1 where it finds errors, 0 where not, and each has a file and a line" {
	each_file check_messages
}

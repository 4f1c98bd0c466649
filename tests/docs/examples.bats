# The examples, as `make install` puts them on a machine: each is taken by the program that it is for. What the ones
# for HAProxy and for a container do when they run is in cluster.bats and container.bats.

load ../lib/superd
load ../lib/client

setup() {
	SHARE=$ROOT/examples
	PAGE=$ROOT/man/superd-recipes.7
}

# install_here: the programs and the examples, with their paths.
install_here() {
	make -s -C "$ROOT" install PREFIX="$BATS_TEST_TMPDIR/usr" SYSCONFDIR="$BATS_TEST_TMPDIR/etc"
	SHARE=$BATS_TEST_TMPDIR/usr/share/superd/examples
}

# What stands in the page's displays, a line each, without its indentation; $ begins what is typed.
displayed() {
	awk '/^\.Bd/ { shows = 1; next } /^\.Ed/ { shows = 0 } shows && !/^\$ /' "$PAGE" | sed 's/\\e/\\/g'
}

@test "every example is in the page, and every file that the page names is an example" {
	diff <(sed -n '/^\.Sh FILES/,/^\.Sh /s/^\.It Pa //p' "$PAGE" | sed 's/ , /\n/g' | sort) <(cd "$SHARE" && printf '%s\n' * | sort)
}

@test "what the page displays stands in an example, word for word" {
	[ "$(displayed | wc -l)" -gt 30 ]
	run grep -vxF -f <(cat "$SHARE"/* | sed 's/^[[:blank:]#]*//; s/ \\$//') <(displayed)
	assert_output ''
}

@test "haproxy takes haproxy.cfg without a warning" {
	run haproxy -c -f "$SHARE/haproxy.cfg"
	assert_success
	assert_output 'Configuration file is valid'
}

@test "superd takes every service file" {
	install_here
	mkdir "$BATS_TEST_TMPDIR/root"
	cp "$CMD" "$BATS_TEST_TMPDIR/root/challenge"
	cp "$SHARE/clustercheck" "$BATS_TEST_TMPDIR/usr/bin"
	for file in "$SHARE"/*.conf; do
		# A user that the image has; and where it has its program.
		sed -i "s|/srv/challenge|$BATS_TEST_TMPDIR/root|; s|= challenge$|= nobody|" "$file"
		run "$SUPERD" -t -c "$file"
		assert_success
		assert_output --partial "service "
		refute_output --partial "$file:"
	done
}

@test "systemd takes the units, without a word" {
	install_here
	run systemd-analyze verify --man=no "$SHARE/cmd.service" "$SHARE/cmd.socket" \
		"$BATS_TEST_TMPDIR/usr/lib/systemd/system/superd.service"
	assert_success
	assert_output ''
}

@test "what cmd.service starts serves the sockets that cmd.socket opens" {
	install_here
	local command port
	port=$(free_port)
	read -ra command < <(sed -n 's/^ExecStart=//p' "$SHARE/cmd.service")
	mapfile -t addresses < <(sed -n "s/^ListenStream=\(.*\):10100/--listen=\1:$port/p" "$SHARE/cmd.socket")
	[ "${#addresses[@]}" -eq 2 ]
	start_background systemd-socket-activate "${addresses[@]}" "${command[@]}" 2>"$BATS_TEST_TMPDIR/log"
	wait_for_line 'Listening on' # each address of its own
	for host in 127.0.0.1 ::1; do
		run "$CMDC" -h "$host" -p "$port" peer
		assert_success
		assert_output --partial "$host"
	done
	wait_for_line 'listening cmd'
}

@test "kubernetes.yaml has what Kubernetes needs, and nothing that it does not know" {
	run "$LIB/check_kubernetes" "$SHARE/kubernetes.yaml"
	assert_success
	assert_output ''
}

@test "Kubernetes waits longer than superd drains" {
	run "$LIB/check_kubernetes" "$SHARE/kubernetes.yaml" grace
	[ "$output" -gt $(("$(sed -n 's/.*drain_time *= *//p' "$SHARE/kubernetes.yaml")" + 5)) ]
}

# question NAME: that list of words, with the programs and the ports of this test.
question() {
	"$LIB/check_kubernetes" "$SHARE/kubernetes.yaml" "$1" |
		sed "s|/bin/cmdc|$CMDC|; s|^10100$|${PORT_CMD:-}|; s|^10101$|${PORT_PROBE:-}|"
}

# What the pod of kubernetes.yaml runs, as nobody; room: its instances.
start_pod() {
	local command config
	config=$(mktemp)
	question config | sed "s|/bin/cmd|$CMD|; s|\(port *=\).*|\1 0|; s|instances.*= 200|instances = $1|" >"$config"
	chmod 644 "$config"
	mapfile -t command < <(question args | sed "s|/etc/superd/superd.conf|$config|")
	SUPERD_PREFIX=(setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all)
	start_superd "${command[@]}"
	PORT_CMD=$(port_of cmd) PORT_PROBE=$(port_of probe)
	rm "$config"
}

# probe WHICH: does what Kubernetes does.
probe() {
	local command
	mapfile -t command < <(question "$1")
	"${command[@]}"
}

@test "the pod of kubernetes.yaml runs, and its probes succeed" {
	start_pod 200
	run probe readiness
	assert_success
	run probe liveness
	assert_success
}

@test "a pod that is full is not ready, and alive" {
	start_pod 1
	open_connection client "$PORT_CMD"
	run probe readiness
	assert_failure 3
	run probe liveness
	assert_success
}

@test "a pod whose superd hangs is not alive" {
	start_pod 200
	kill -STOP "$SUPERD_PID"
	run probe liveness
	assert_failure 3
}

@test "the tests that the README's table is proved by are there" {
	names=$(sed -n '/| proved by |/,/^$/s/.*| \(`.*`\) |$/\1/p' "$ROOT/README.md" | tr -d '`,')
	[ "$(wc -w <<<"$names")" -ge 10 ]
	for name in $names; do
		[ -f "$ROOT/tests/$name.bats" ]
	done
}

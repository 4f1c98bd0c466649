# SPDX-License-Identifier: ISC
# The examples, as `make install` installs them: the program that each is for accepts it. cluster.bats, clustercheck.bats and
# packaging/container.bats run those for HAProxy and for a container.

load ../lib/superd
load ../lib/client

setup() {
	SHARE=$ROOT/examples
	PAGE=$ROOT/man/superd-recipes.7
}

# install_here: install the programs and the examples into the test's folder. Sets SHARE, the folder of the examples.
install_here() {
	make -s -C "$ROOT" install PREFIX="$BATS_TEST_TMPDIR/usr" SYSCONFDIR="$BATS_TEST_TMPDIR/etc"
	SHARE=$BATS_TEST_TMPDIR/usr/share/superd/examples
}

# displayed: print the lines of the page's displays without their indentation, but not the commands, which begin with $.
displayed() {
	awk '/^\.Bd/ { shows = 1; next } /^\.Ed/ { shows = 0 } shows && !/^\$ /' "$PAGE" | sed 's/\\e/\\/g'
}

@test "superd-recipes.7: its files, they are all examples and no example is missing" {
	diff <(sed -n '/^\.Sh FILES/,/^\.Sh /s/^\.It Pa //p' "$PAGE" | sed 's/ , /\n/g' | sort) <(cd "$SHARE" && printf '%s\n' * | sort)
}

@test "superd-recipes.7: its displays, each line is in an example" {
	[ "$(displayed | wc -l)" -gt 30 ]
	run grep -vxF -f <(cat "$SHARE"/* | sed 's/^[[:blank:]#]*//; s/ \\$//') <(displayed)
	assert_output ''
}

@test "examples haproxy.cfg: HAProxy reads it, there is no warning" {
	needs haproxy
	run haproxy -c -f "$SHARE/haproxy.cfg"
	assert_success
	[[ -z $output || $output = 'Configuration file is valid' ]] # HAProxy 3 says nothing
}

@test "examples *.conf: superd -t reads each, there is no message" {
	needs stunnel
	install_here
	mkdir "$BATS_TEST_TMPDIR/root"
	cp "$CMD" "$BATS_TEST_TMPDIR/root/challenge"
	cp "$SHARE/clustercheck" "$BATS_TEST_TMPDIR/usr/bin"
	for file in "$SHARE"/*.conf; do
		# The user and the program are in the image only.
		sed -i "s|/srv/challenge|$BATS_TEST_TMPDIR/root|; s|= challenge$|= nobody|" "$file"
		run "$SUPERD" -t -c "$file"
		assert_success
		assert_output --partial "service "
		refute_output --partial "$file:"
	done
}

@test "examples cmd.service and cmd.socket: systemd-analyze verify, it prints nothing" {
	needs systemd-analyze
	install_here
	run systemd-analyze verify --man=no "$SHARE/cmd.service" "$SHARE/cmd.socket" \
		"$BATS_TEST_TMPDIR/usr/lib/systemd/system/superd.service"
	assert_success
	assert_output ''
}

@test "examples cmd.service: systemd-socket-activate opens the sockets of cmd.socket, superd serves them" {
	needs python3 ipv6
	install_here
	local command port
	port=$(free_port)
	read -ra command < <(sed -n 's/^ExecStart=//p' "$SHARE/cmd.service")
	mapfile -t addresses < <(sed -n "s/^ListenStream=\(.*\):10100/--listen=\1:$port/p" "$SHARE/cmd.socket")
	[ "${#addresses[@]}" -eq 2 ]
	start_background systemd-socket-activate "${addresses[@]}" "${command[@]}" 2>"$BATS_TEST_TMPDIR/log"
	wait_for_line 'Listening on' # the first of two lines, one for each address
	for host in 127.0.0.1 ::1; do
		run "$CMDC" -h "$host" -p "$port" peer
		assert_success
		assert_output --partial "$host"
	done
	wait_for_line 'listening cmd'
}

@test "examples kubernetes.yaml: its fields and names, all are known and fit together" {
	needs python3
	run "$LIB/check_kubernetes" "$SHARE/kubernetes.yaml"
	assert_success
	assert_output ''
}

@test "examples kubernetes.yaml: the grace period, it is longer than drain_time" {
	needs python3
	run "$LIB/check_kubernetes" "$SHARE/kubernetes.yaml" grace
	[ "$output" -gt $(("$(sed -n 's/.*drain_time *= *//p' "$SHARE/kubernetes.yaml")" + 5)) ]
}

# question NAME: print what check_kubernetes prints for NAME, with the programs and the ports of this test.
question() {
	"$LIB/check_kubernetes" "$SHARE/kubernetes.yaml" "$1" |
		sed "s|/bin/cmdc|$CMDC|; s|^10100$|${PORT_CMD:-}|; s|^10101$|${PORT_PROBE:-}|"
}

# start_pod INSTANCES: start what the pod of kubernetes.yaml runs, as nobody. Sets PORT_CMD and PORT_PROBE.
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

# probe readiness|liveness: run that probe, as Kubernetes does.
probe() {
	local command
	mapfile -t command < <(question "$1")
	"${command[@]}"
}

@test "examples kubernetes.yaml: the pod runs, both probes succeed" {
	needs root
	start_pod 200
	run probe readiness
	assert_success
	run probe liveness
	assert_success
}

@test "examples kubernetes.yaml: the service is full, the readiness probe fails and the liveness probe succeeds" {
	needs root
	start_pod 1
	open_connection client "$PORT_CMD"
	run probe readiness
	assert_failure 3
	run probe liveness
	assert_success
}

@test "examples kubernetes.yaml: superd hangs, the liveness probe fails" {
	needs root
	start_pod 200
	kill -STOP "$SUPERD_PID"
	run probe liveness
	assert_failure 3
}

@test "README: the tests in the table of features, they exist" {
	names=$(sed -n '/| proved by |/,/^$/s/.*| \(`.*`\) |$/\1/p' "$ROOT/README.md" | tr -d '`,')
	[ "$(wc -w <<<"$names")" -ge 10 ]
	for name in $names; do
		[ -f "$ROOT/tests/$name.bats" ]
	done
}

@test "examples alerts.yaml: promtool accepts it, and superd writes the metrics that it names" {
	needs promtool
	run promtool check rules "$SHARE/alerts.yaml"
	assert_success
	assert_output --partial 'SUCCESS: 3 rules found'
	start_superd -m "$BATS_TEST_TMPDIR/superd.prom" -p 0 cat
	while read -r name; do
		grep -q "^$name{.*file=\"superd\"" "$BATS_TEST_TMPDIR/superd.prom"
	done < <(grep -o 'superd_[a-z_]*' "$SHARE/alerts.yaml" | sort -u)
	for reason in address sensor; do grep -q "^superd_refused_total{.*reason=\"$reason\"" "$BATS_TEST_TMPDIR/superd.prom"; done
}

@test "examples metrics.conf: curl gets the metrics, and its request is not logged" {
	needs promtool curl
	sed "s|/run/superd.prom|$BATS_TEST_TMPDIR/superd.prom|; s|9099|0|; s|nobody|$ME|" "$SHARE/metrics.conf" >"$BATS_TEST_TMPDIR/conf"
	chmod 755 "$BATS_TEST_TMPDIR"
	start_superd -m "$BATS_TEST_TMPDIR/superd.prom" -c "$BATS_TEST_TMPDIR/conf"
	curl -sS "http://localhost:$PORT/metrics" >"$BATS_TEST_TMPDIR/page"
	promtool check metrics <"$BATS_TEST_TMPDIR/page"
	grep 'superd_connections_total{file="superd",service="metrics"} [0-9]' "$BATS_TEST_TMPDIR/page"
	wait_until has_children 0
	! grep -E 'START|EXIT' "$LOG" || false
}

# SPDX-License-Identifier: ISC
# Services that exchange their addresses, at a reload and at an upgrade.

load ../lib/superd
load ../lib/client

SHUFFLE=$LIB/shuffle_addresses

# write_services NAME=ATTRIBUTES...: services that answer with their name; ATTRIBUTES is `bind` alone, or `PORT bind`.
write_services() {
	local service place
	for service; do
		place=${service#*=}
		print_open_service "${service%%=*}" server=/bin/echo "server_args = ${service%%=*}" \
			"port = ${place% *}" "bind = ${place#* }"
	done >"$CONF"
	sed -i '/port = \//d' "$CONF"
}

# assert_answers ADDRESS NAME: a client at that path, or port of 127.0.0.1, gets that name from the program.
assert_answers() {
	assert_equal "$1 $("$CLIENT" "$1" all)" "$1 $2"
}

# assert_shuffled COMMAND SEED...: for each seed, services get other addresses, and superd reloads or upgrades; each address is
# served by the service that has it now.
assert_shuffled() {
	local command=$1 seed
	"$SHUFFLE" write "$BATS_TEST_TMPDIR" 0 >"$BATS_TEST_TMPDIR/expected"
	start_superd -c "$CONF"
	for seed in "${@:2}"; do
		"$SHUFFLE" write "$BATS_TEST_TMPDIR" "$seed" >"$BATS_TEST_TMPDIR/expected"
		"$command"
		"$SHUFFLE" ask "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/answers"
		diff "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/answers" || fail "seed $seed"
	done
	run grep -e 'cannot listen' -e 'in use' -e 'warning' "$LOG"
	assert_failure
}

@test "reload: bind is a host name with another address than before, superd listens there and not at the old one" {
	needs root capabilities
	printf '127.0.0.5 moves.test\n' >"$BATS_TEST_TMPDIR/hosts"
	SUPERD_PREFIX=(unshare -m sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$BATS_TEST_TMPDIR/hosts")
	print_open_service a bind=moves.test >"$CONF"
	start_superd -c "$CONF"
	printf '127.0.0.6 moves.test\n' >"$BATS_TEST_TMPDIR/hosts"
	reload_superd
	wait_for_line 'listening a 127.0.0.6:'
	grep -q 'reloaded: 0 new, 1 changed, 0 removed, 0 unchanged, 0 with errors' "$LOG"
	run "$CLIENT" -h 127.0.0.5 "$PORT" all
	assert_failure 1
}

@test "reload: services exchange addresses at random, each address is served by its new service" {
	needs python3 ipv6
	assert_shuffled reload_superd {1..25}
}

@test "upgrade: services exchange addresses at random, each address is served by its new service" {
	needs python3 ipv6
	assert_shuffled upgrade_superd {101..115}
}

# reload_or_upgrade: now the one, now the other.
reload_or_upgrade() {
	if ((COUNT++ % 2)); then
		reload_superd
	else
		upgrade_superd
	fi
}

@test "reload and upgrade: services exchange addresses at random, each address is served by its new service" {
	needs python3 ipv6
	COUNT=0
	assert_shuffled reload_or_upgrade {201..215}
}

@test "reload: services move on in a chain of paths, each path is served by its new service" {
	one=$BATS_TEST_TMPDIR/one two=$BATS_TEST_TMPDIR/two three=$BATS_TEST_TMPDIR/three
	write_services "a=$one" "b=$two"
	start_superd -c "$CONF"
	write_services "a=$two" "b=$three"
	reload_superd
	assert_answers "$two" a
	assert_answers "$three" b
	[ ! -e "$one" ]
	has_sockets 2
}

@test "reload: services move on in a chain of ports, each port is served by its new service" {
	needs python3
	one=$(free_port) two=$(free_port) three=$(free_port)
	write_services "a=$one 127.0.0.1" "b=$two 127.0.0.1"
	start_superd -c "$CONF"
	write_services "a=$two *" "b=$three 127.0.0.1"
	reload_superd
	assert_answers "$two" a
	assert_answers "$three" b
	has_sockets 2
}

@test "reload: a service is changed from stream to dgram, it listens at the same path" {
	print_service a "bind = $BATS_TEST_TMPDIR/socket" >"$CONF"
	start_superd -c "$CONF"
	print_service a "bind = $BATS_TEST_TMPDIR/socket" 'socket_type = dgram' 'protocol = udp' 'wait = yes' \
		'server = /bin/dd' "server_args = of=$BATS_TEST_TMPDIR/received count=1" >"$CONF"
	reload_superd
	python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"hello\n", sys.argv[1])' "$BATS_TEST_TMPDIR/socket"
	wait_for_line hello "$BATS_TEST_TMPDIR/received"
}

@test "reload: one of the services that exchange ports cannot be opened, both keep their ports and programs" {
	needs python3
	one=$(free_port) two=$(free_port)
	write_services "a=$one 127.0.0.1" "b=$two 127.0.0.1"
	start_superd -c "$CONF"
	start_server -h 127.0.0.2 - hold
	sed -i "s/port = $one/port = 0/; s/port = $two/port = $one/; s/port = 0/port = $PORT/; s/= 127.0.0.1/= 127.0.0.1 127.0.0.2/" "$CONF"
	sed -i 's/server_args = /&new /' "$CONF"
	reload_superd
	wait_for_line 'a: cannot listen on 127.0.0.2'
	wait_for_line 'b: cannot listen on 127.0.0.1'
	assert_answers "$one" a
	assert_answers "$two" b
	has_sockets 2
	grep -q 'reloaded: 0 new, 0 changed, 0 removed, 0 unchanged, 2 with errors' "$LOG"
}

@test "reload: a service with a wider address cannot be opened, another service is, and the first keeps its port" {
	needs python3
	one=$(free_port) two=$(free_port)
	write_services "a=$one 127.0.0.1" "b=$two 127.0.0.1"
	start_superd -c "$CONF"
	start_server -h 127.0.0.2 -p "$one" - hold
	write_services "a=$one 0.0.0.0" "b=$two 0.0.0.0"
	reload_superd
	wait_for_line 'a: cannot listen on 0.0.0.0'
	assert_answers "$one" a
	run "$CLIENT" -h 127.0.0.2 "$two" all
	assert_output b
}

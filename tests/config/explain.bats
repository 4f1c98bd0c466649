# SPDX-License-Identifier: ISC
# superd -C ADDRESS: which services would admit a client, and by which rule.

load ../lib/superd
load ../lib/client

# explain ADDRESS [ARGUMENT...]: run superd -C on the configuration, with its path as `conf`. Sets status and output.
explain() {
	cd "$BATS_TEST_TMPDIR" || return
	run --separate-stderr "$SUPERD" -C "$1" "${@:2}" -c conf
}

# line_of TEXT: the place in the configuration of the line that has TEXT, as FILE:LINE.
line_of() {
	echo "conf:$(grep -nF -e "$1" "$CONF" | cut -d : -f 1)"
}

@test "superd -C: address lists with += in several lines, it names the word and the line where that is" {
	{
		printf 'defaults\n{\n\tonly_from = 10.0.0.0/8\n\tonly_from += 192.168.1.0\n}\n'
		print_service a 'only_from += 172.16.{1,2} ::1' 'no_access = 10.1.0.0/16' 'no_access += 10.2.0.0/16 10.3.0.0/16'
		print_service b 'only_from = 10.3.0.1'
		print_service c 'only_from ='
	} >"$CONF"
	explain 10.3.0.1
	assert_failure 1
	assert_output "a refused no_access 10.3.0.0/16 $(line_of 'no_access +=')
b allowed only_from 10.3.0.1 $(line_of 'only_from = 10.3.0.1')
c refused only_from conf:$(grep -nx $'\tonly_from =' "$CONF" | cut -d : -f 1)"
	explain 172.16.2.9
	assert_line --index 0 "a allowed only_from 172.16.{1,2} $(line_of 172.16)"
	assert_line --index 1 "b refused only_from $(line_of 'only_from = 10.3.0.1')"
	explain 192.168.1.255
	assert_line --index 0 "a allowed only_from 192.168.1.0 $(line_of 192.168)"
	explain ::ffff:10.9.9.9
	assert_line --index 0 "a allowed only_from 10.0.0.0/8 $(line_of 'only_from = 10.0.0.0/8')"
	explain 8.8.8.8
	assert_line --index 0 "a refused only_from $(line_of 172.16)"
}

@test "superd -C: access_times, a sensor, a .domain and no rule, each has its line" {
	local past
	past=$(date -d '2 hours' +%H):00-$(date -d '2 hours' +%H):01
	{
		print_service a "access_times = $past" 'only_from = 127.0.0.1'
		print_service b 'flags = SENSOR' 'only_from = 127.0.0.1'
		print_service c 'only_from = 10.0.0.0/8 .example.org'
		print_service d
	} >"$CONF"
	explain 127.0.0.1
	assert_failure 1
	assert_output "a refused access_times $past $(line_of access_times)
b refused flags $(line_of SENSOR)
c asks only_from .example.org $(line_of example)
d allowed"
	[ "$stderr" = 'superd: 4 services at 4 addresses; 0 with errors, 0 left out, 0 disabled' ] || [ -z "$stderr" ]
}

@test "superd -C: every service admits the client, the status is 0" {
	{
		print_service a 'only_from = 127.0.0.0/8'
		print_service b 'no_access = 10.0.0.1'
	} >"$CONF"
	explain 127.0.0.1
	assert_success
	echo nonsense >>"$CONF"
	explain 127.0.0.1
	assert_failure 1
}

@test "superd -C: 400 random prefixes, many within others, what it prints is what a client meets" {
	needs python3
	local address addresses allowed=0
	# Few different bytes, so that most addresses are near the edge of a prefix.
	python3 -c '
import random
random.seed(7)
def address(): return "127.%d.%d.%d" % tuple(random.choice((0, 1, 2, 127, 128, 254, 255)) for _ in range(3))
for name, least in ("only_from", 15), ("no_access", 22):
    print(name, "=", *("%s/%d" % (address(), random.choice((least, 23, 24, 25, 30, 31, 32))) for _ in range(200)))
print(*(address() for _ in range(60)))' >"$BATS_TEST_TMPDIR/random"
	print_open_service a 'bind = 127.0.0.1' "$(sed -n 1p "$BATS_TEST_TMPDIR/random")" \
		"$(sed -n 2p "$BATS_TEST_TMPDIR/random")" >"$CONF"
	start_superd -c "$CONF"
	read -ra addresses < <(sed -n 3p "$BATS_TEST_TMPDIR/random")
	for address in "${addresses[@]}"; do
		explain "$address"
		verdict=$output
		run "$CLIENT" -s "$address" "$PORT" 'send:hello\n' shut all
		case $output in
		hello)
			[[ $verdict == 'a allowed '* ]]
			((++allowed))
			;;
		*) [[ $verdict == 'a refused '* ]] ;;
		esac
	done
	((allowed > 5 && allowed < 55))
}

@test "superd -C: a command line, -o's rule has no line; what is no address is wrong usage" {
	run --separate-stderr "$SUPERD" -C 127.0.0.1 -p 0 -o no_access=127.0.0.0/8 cat
	assert_failure 1
	assert_output 'cat refused no_access 127.0.0.0/8 the command line'
	run "$SUPERD" -C localhost -p 0 cat
	assert_failure 2
	assert_output 'superd: -C localhost: not an address; superd -h shows the usage'
}

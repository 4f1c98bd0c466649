# SPDX-License-Identifier: ISC
# superd beside xinetd with files of odd forms (samples/odd): odd layout, each form of an address list, errors in one of two
# services. For each file of a kind, what the programs get, or which clients are served, is the same.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/xinetd

SAMPLES=$ROOT/tests/samples/odd

setup_file() {
	((EUID != 0)) || build_report_process
}

setup() {
	needs root
	make_public_folder
}

teardown() {
	remove_public_folder
}

# report_all: what the program of each port reports to a client of 127.0.0.1.
report_all() {
	local port
	for port in "${PORTS[@]}"; do
		"$CLIENT" "$port" 'send:exit 0\n' all
	done
}

# list_served: for each port, which of some clients are served.
list_served() {
	local port host
	for port in "${PORTS[@]}"; do
		for host in 127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4 127.1.2.3 127.1.0.0; do
			is_served "$port" -s "$host"
		done
		is_served "$port" -h ::1
	done
}

# is_served PORT -s|-h HOST: print whether that client gets a report.
is_served() {
	local word=refused
	! "$CLIENT" "${@:2}" "$1" 'send:exit 0\n' all 2>/dev/null | grep -q '^argv' || word=served
	echo "PORT ${*:2} $word"
}

# compare_servers CONVERSATION FILE...: run both servers on each file.
compare_servers() {
	local file
	for file in "${@:2}"; do
		echo "# $file"
		arrange_sample "$file"
		side_by_side "$1"
	done
}

@test "odd files: layout, names and long lines, the programs get the same from xinetd and superd" {
	compare_servers report_all loose comments long named
}

@test "odd files: numbers, variables, groups and limits, the programs get the same from xinetd and superd (Linux)" {
	compare_servers report_all numbers variables supplementary caps inherited
}

@test "odd files: prefixes, braces and names in only_from, the same clients are served by xinetd and superd" {
	compare_servers list_served zeros zeros_deep braces masks named_host added removed nobody_at_all
}

@test "odd files: no_access and lists in defaults, the same clients are served by xinetd and superd" {
	compare_servers list_served denied both_lists access_heirs
}

@test "odd files: times and addresses of the service, the same clients are served by xinetd and superd" {
	compare_servers list_served daytime closed_hours two_spans bound bound_to_name six_and_four everyone
}

@test "odd files: an error in one of two services, xinetd and superd run the other" {
	compare_servers list_served without_server unknown_user unknown_socket without_wait unknown_protocol unknown_group \
		bad_rate bad_hours bad_umask bad_redirect bad_address
}

@test "odd files: no blanks around the operator, superd runs the service, which xinetd does not" {
	arrange_sample tight
	start_inetd xinetd
	run report_all
	assert_failure
	end_processes
	start_inetd superd
	run report_all
	assert_line 'argument -b=c'
}

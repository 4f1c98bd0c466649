# SPDX-License-Identifier: ISC
# The manual pages of superd agree with superd: options, attributes, signals, log lines.

load ../lib/superd
load ../lib/client

# The options of the interface; neither the page nor the help may have others.
OPTIONS='A b C c h l m n o P p q r t u V v'

# section PAGE TITLE: print the source lines of one section.
section() {
	sed -n "/^\.Sh $2\$/,/^\.Sh /p" "$ROOT/man/$1"
}

# plain PAGE: print the page as it is read, in one line.
plain() {
	mandoc -Tascii -O width=200 "$ROOT/man/$1" | sed 's/.\x08//g' | tr -s ' \n' ' '
}

# page_options, help_options: print the options with their arguments, one per line, from the page and from the help.
page_options() {
	section superd.8 DESCRIPTION | sed -n 's/^\.It Fl \([A-Za-z]\)\( Ar \(.*\)\)\{0,1\}$/-\1 \3/p' | sed 's/ *$//' | sort
}

help_options() {
	"$SUPERD" -h | sed 's/^  \(-.\), \(-.\), \(-.\) /  \1 .\n  \2 .\n  \3 /' |
		sed -n 's/^  \(-[A-Za-z]\( [^ .]*\)\{0,1\}\)  *[^ ].*/\1/p' | sed 's/ *$//' | sort
}

# page_attributes: print the attributes of superd.conf.5: name, values, operators, default, scope. .br ends that line.
page_attributes() {
	section superd.conf.5 ATTRIBUTES | awk '
		/^\.It Cm [a-z]/ { name = $3; line = ""; next }
		/^\.br$/ && name != "" { print name " " line; name = ""; next }
		name != "" { line = line (line == "" ? "" : " ") $0 }'
}

# table_attributes: print the same from superd -A.
table_attributes() {
	"$SUPERD" -A | awk -F '\t' '
		BEGIN { scope["both"] = "services and defaults"; scope["service"] = "services"; scope["defaults"] = "defaults" }
		{ print $1 " Values: " $3 "; operators: " $2 "; default: " $5 "; in: " scope[$4] "." }'
}

# table_overview: print the rows of the overview from superd -A. Values that are too long for it end with `...`.
table_overview() {
	"$SUPERD" -A | awk -F '\t' '
		{
			values = $3
			if (length(values) > 20) {
				values = substr(values, 1, 17)
				sub(/[ |]+[^ ]*$/, " ...", values)
			}
			print ".It Cm " $1 " Ta " values " Ta " $5 " Ta " $4
		}'
}

# The signals that superd.8 has, and those that main.c takes; SIGCHLD is superd's own business.
page_signals() {
	section superd.8 SIGNALS | sed -n 's/^\.It Dv //p' | tr -d ' ' | tr ',' '\n' | sort
}

code_signals() {
	grep -o 'loop_signal_taken(SIG[A-Z0-9]*' "$ROOT/superd/main.c" | sed 's/.*SIG//' | grep -vx CHLD | sort -u
}

@test "superd.8: the options, they are those of superd -h with the same arguments" {
	diff <(page_options) <(help_options)
}

@test "superd.8: the options, they are those of the interface" {
	# shellcheck disable=SC2086 # one word a letter
	diff <(page_options | cut -c2) <(printf '%s\n' $OPTIONS | sort)
}

@test "superd.8: the options, superd takes these and no others" {
	local letter
	for letter in {a..z} {A..Z}; do
		run timeout "$WAIT_SECONDS" "$SUPERD" "-$letter"
		if page_options | grep -q "^-$letter\b"; then
			refute_output --partial "unknown option -$letter"
		else
			assert_output --partial "unknown option -$letter"
		fi
	done
}

@test "superd.8: the synopsis, it is the usage of superd -h" {
	needs mandoc
	diff <(plain superd.8 | sed 's/.*SYNOPSIS \(.*\) DESCRIPTION.*/\1/') \
		<("$SUPERD" -h | sed -n '/^$/q; s/^usage://; p' | tr -s ' \n' ' ' | sed 's/^ //; s/ $//')
}

@test "superd.8: the signals, they are those that superd handles" {
	[ "$(code_signals | wc -l)" -ge 6 ]
	diff <(page_signals) <(code_signals)
}

@test "superd.8: the words of FAIL, they are the reasons in the metrics" {
	start_superd -p 0 -m "$BATS_TEST_TMPDIR/metrics" cat
	wait_until grep -q upgrades "$BATS_TEST_TMPDIR/metrics"
	diff <(section superd.8 LOG | sed -n 's/^\.It Sy //p' | sort) \
		<(sed -n 's/.*reason="\([a-z_]*\)".*/\1/p' "$BATS_TEST_TMPDIR/metrics" | sort)
}

@test "superd.8: the metrics, they are those that superd writes" {
	start_superd -p 0 -m "$BATS_TEST_TMPDIR/metrics" cat
	wait_until grep -q upgrades "$BATS_TEST_TMPDIR/metrics"
	diff <(section superd.8 METRICS | sed -n 's/^\.It Sy //p' | sort) \
		<(sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' "$BATS_TEST_TMPDIR/metrics" | sort)
}

@test "superd.8: the variables of a program, they are those that a program gets (Linux)" {
	start_superd -p 0 -b 127.0.0.1 -b "$BATS_TEST_TMPDIR/s" -o passenv= env
	{
		ask "$PORT" </dev/null
		ask "$BATS_TEST_TMPDIR/s" </dev/null
	} | sed 's/=.*//' | sort -u >"$BATS_TEST_TMPDIR/names"
	diff <(section superd.8 'WHAT THE PROGRAM GETS' | sed -n 's/^\.It Ev \([A-Z_]*\) .*/\1/p' | sort) "$BATS_TEST_TMPDIR/names"
}

@test "superd.8: the defaults of a service from the command line, they are those of superd -t" {
	needs mandoc
	run "$SUPERD" -t -p 0 cat
	local attribute
	for attribute in 'instances 256' 'on_limit wait' 'cps 0' 'stderr log' 'log_on_success PID HOST EXIT DURATION' 'log_on_failure HOST'; do
		assert_line --regexp "^	${attribute%% *} *= ${attribute#* }\$"
		plain superd.8 | grep -qF " $attribute,"
	done
}

@test "superd.conf.5: the attributes, they are those of superd -A with values, operators, default and scope" {
	[ "$(page_attributes | wc -l)" -ge 60 ]
	diff <(page_attributes | sort) <(table_attributes | sort)
}

@test "superd.conf.5: the overview, its rows are those of superd -A" {
	diff <(section superd.conf.5 OVERVIEW | grep '^\.It Cm') <(table_overview)
}

@test "superd.conf.5: the attributes, each has a text and none is there twice" {
	[ -z "$(section superd.conf.5 ATTRIBUTES | sed -n 's/^\.It Cm \([a-z_0-9]*\)$/\1/p' | sort | uniq -d)" ]
	# After .br there is text, not the next attribute.
	run awk '/^\.br$/ { getline; if (/^\.(It|El|Ss|Sh)/) print FILENAME ":" NR ": " $0 }' "$ROOT/man/superd.conf.5"
	assert_output ''
}

# internal_services: which of the words in builtin.c superd takes for an internal service.
internal_services() {
	local name
	grep -o '"[a-z]*"' "$ROOT/superd/config/service.c" | tr -d '"' | sort -u | while read -r name; do
		printf 'service %s\n{\ntype = INTERNAL\nsocket_type = stream\nwait = no\nport = 0\n}\n' "$name" |
			"$SUPERD" -t -c /dev/stdin 2>/dev/null | sed -n 's/^service //p'
	done
}

@test "superd.conf.5: the internal services, they are those that superd has" {
	diff <(section superd.conf.5 'INTERNAL SERVICES' | sed -n 's/^\.It Ic //p' | sort) <(internal_services)
}

@test "superd.conf.5: the examples, superd -t reads them without an error" {
	needs /etc/services
	sed -n '/^\.Sh A COMMENTED/,/^\.Sh SYNTAX/p; /^\.Sh EXAMPLES/,/^\.Sh SEE/p' "$ROOT/man/superd.conf.5" |
		awk '/^\.Ed/ { inside = 0 } inside { print } /^\.Bd/ { inside = 1 }' |
		sed 's,/usr/[^ ]*/\(cmd\|health\|in\.tftpd\)$,/bin/true,' >"$BATS_TEST_TMPDIR/examples"
	run --separate-stderr "$SUPERD" -t -c "$BATS_TEST_TMPDIR/examples"
	assert_success
	# shellcheck disable=SC2154 # run sets it
	[[ $stderr = 'superd: 5 services at '*'; 0 with errors, 0 left out, '*' disabled' ]]
	[ "$(grep -c '^service' <<<"$output")" -eq 5 ]
}

@test "xinetd2superd.7: the features of xinetd that superd leaves out, the page names each" {
	needs mandoc
	local word
	for word in RPC TCPMUX TCPMUXPLUS IDONLY INTERCEPT LABELED servers services xadmin; do
		plain xinetd2superd.7 | grep -qw "$word"
	done
}

@test "manual pages: mandoc -Tlint, it finds no fault" {
	needs mandoc
	run mandoc -Tlint "$ROOT"/man/*.[0-9]
	output=$(grep -vE 'referenced manual not found|outdated mandoc\.db' <<<"$output") || true
	assert_output ''
}

@test "manual pages: references to pages of this project, the pages exist" {
	local name number
	while read -r name number; do
		case $name in
		cmd | cmdc | superd* | xinetd2superd) [ -f "$ROOT/man/$name.$number" ] ;;
		esac
	done < <(sed -n 's/^\.Xr \([^ ]*\) \([0-9]\).*/\1 \2/p' "$ROOT"/man/superd.8 "$ROOT"/man/superd.conf.5 "$ROOT"/man/xinetd2superd.7)
}

@test "SECURITY.md: the source files and tests that it names, they exist" {
	local file name names
	names=$(grep -oE '`[a-z_]+\.c`' "$ROOT/SECURITY.md" | tr -d '`')
	[ "$(wc -w <<<"$names")" -ge 15 ]
	for file in $names; do
		find "$ROOT/superd" -name "$file" | grep .
	done
	names=$(sed -n 's/^| the tests .*the files \(.*\) under tests.superd.*/\1/p' "$ROOT/SECURITY.md" | grep -o '`[a-z_]*`' | tr -d '`')
	[ "$(wc -w <<<"$names")" -ge 5 ]
	for name in $names; do
		[ -f "$ROOT/tests/superd/$name.bats" ]
	done
}

@test "systemd units: the commands, they start what the Makefile installs with options that superd has" {
	run sed -n 's/^ExecStart=//p' "$ROOT/systemd/superd.service" "$ROOT/systemd/superd-xinetd.service"
	assert_line --index 0 '/usr/local/sbin/superd -P /run/superd.pid -c /etc/superd.d'
	assert_line --index 1 --partial 'exec /usr/local/sbin/superd -P /run/superd-xinetd.pid -c /etc/xinetd.conf "$$@"'
	grep -qx 'Type=notify' "$ROOT/systemd/superd.service"
	# systemd waits longer than superd: longer than the default of drain_time and the 5 s until KILL.
	grep -qx 'KillMode=mixed' "$ROOT/systemd/superd.service"
	[ "$(sed -n 's/^TimeoutStopSec=//p' "$ROOT/systemd/superd.service")" -gt \
		$(($("$SUPERD" -A | awk -F '\t' '$1 == "drain_time" { print $5 }') + 5)) ]
}

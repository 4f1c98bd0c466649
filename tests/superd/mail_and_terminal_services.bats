# SPDX-License-Identifier: ISC
# More real services and their real clients: mail, a terminal, monitoring, keys, and a finger that needs IPv4 clients to arrive
# as such.
#
# shellcheck disable=SC2016,SC2034,SC2154 # variables of inner shells, of the library, and those that run sets

load ../lib/superd
load ../lib/client

setup() {
	needs root
	make_public_folder
}

teardown() {
	remove_public_folder
}

# serve LINE...: start superd with a service that has these lines. The program gets PATH.
serve() {
	print_service real 'passenv = PATH' 'log_on_success = PID HOST EXIT' "$@" >"$CONF"
	start_superd -c "$CONF"
}

# serve_mail: exim takes mails from everybody for everybody, and keeps them. It wants to know the user of its package.
serve_mail() {
	needs exim4
	mkdir -m 777 "$PUBLIC/spool"
	cat >"$PUBLIC/exim.conf" <<-END
		primary_hostname = mail.example
		spool_directory = $PUBLIC/spool
		log_file_path = $PUBLIC/spool/%slog
		keep_environment =
		acl_smtp_rcpt = accept
		acl_smtp_data = accept
		queue_only
	END
	{ grep -v '^Debian-exim:' /etc/passwd && echo 'Debian-exim:x:4321:4321::/:/bin/false'; } >"$PUBLIC/passwd"
	{ grep -v '^Debian-exim:' /etc/group && echo 'Debian-exim:x:4321:'; } >"$PUBLIC/group"
	SUPERD_PREFIX=(unshare --mount sh -c 'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group &&
		exec "$@"' "$PUBLIC")
	serve 'user = root' "server = $(type -P exim4)" "server_args = -C $PUBLIC/exim.conf -bs"
	seq -f 'line %.0f' 100000 >"$BATS_TEST_TMPDIR/body"
}

# assert_mail: exim has taken the mail. The first line of its file is not the mail's.
assert_mail() {
	tail -n +2 "$PUBLIC"/spool/input/*-D | tr -d '\r' | cmp - "$BATS_TEST_TMPDIR/body"
}

# send_mail [OPTION...]: send the mail with curl.
send_mail() {
	{ echo 'Subject: numbers' && echo && cat "$BATS_TEST_TMPDIR/body"; } | sed 's/$/\r/' >"$BATS_TEST_TMPDIR/mail"
	curl -sS --mail-from a@mail.example --mail-rcpt b@mail.example -T "$BATS_TEST_TMPDIR/mail" "$@" "smtp://127.0.0.1:$PORT"
}

@test "exim -bs: curl sends a mail, it is in the spool as it was sent" {
	needs curl capabilities
	serve_mail
	send_mail -m "$WAIT_SECONDS"
	wait_for_line 'EXIT: real status=0'
	assert_mail
}

# has_part_of_mail: some of it is there.
has_part_of_mail() {
	grep -qs 'line 1$' "$PUBLIC"/spool/input/*-D
}

@test "exim -bs: HUP, USR2 and TERM in the middle of a mail, it is complete" {
	needs curl capabilities
	serve_mail
	start_background send_mail --limit-rate 400k
	wait_until has_part_of_mail
	reload_superd
	upgrade_superd
	kill -TERM "$SUPERD_PID"
	wait_for_line 'stopping: 1 programs running'
	wait "$BG_PID"
	wait_superd
	assert_mail
}

# serve_terminal: telnetd with a shell in place of login(1).
serve_terminal() {
	needs telnetd telnet expect
	serve 'user = root' "server = $(type -P telnetd)" 'server_args = -E /bin/sh'
}

@test "telnetd: HUP, USR2 and TERM in a session with a terminal, it goes on to its end" {
	serve_terminal
	mkfifo "$BATS_TEST_TMPDIR/go"
	start_background expect -c '
		set timeout '"$WAIT_SECONDS"'
		proc see {text} {
			expect {
				-ex $text {}
				default { exit 99 }
			}
		}
		spawn telnet 127.0.0.1 '"$PORT"'
		see "# "
		send "tty; stty size; expr 6 + 36\r"
		see "/dev/pts/"
		see "\n42\r"
		puts "(begun)"
		flush stdout
		exec cat '"$BATS_TEST_TMPDIR"'/go
		see "# "
		send "seq 100000 | cksum\r"
		see "'"$(seq 100000 | cksum)"'"
		send "exit 3\r"
		expect eof' &>"$BATS_TEST_TMPDIR/session"
	session=$BG_PID
	wait_for_line '(begun)' "$BATS_TEST_TMPDIR/session"
	reload_superd
	upgrade_superd
	kill -TERM "$SUPERD_PID"
	wait_for_line 'stopping: 1 programs running'
	: >"$BATS_TEST_TMPDIR/go"
	wait "$session" || fail "$(cat "$BATS_TEST_TMPDIR/session")"
	wait_superd
}

@test "nrpe: check_nrpe asks over TLS, it gets the command's output and status" {
	needs nrpe check_nrpe
	printf '%s\n' 'allowed_hosts=127.0.0.1' 'command[disk]=/bin/sh -c "echo DISK WARNING; exit 1"' >"$PUBLIC/nrpe.cfg"
	serve 'user = nobody' "server = $(type -P nrpe)" "server_args = -c $PUBLIC/nrpe.cfg -i"
	run check_nrpe -H 127.0.0.1 -p "$PORT" -c disk
	assert_failure 1
	assert_output 'DISK WARNING'
}

@test "tangd: curl asks for its keys, a second time they are the same" {
	needs tangd curl
	mkdir -m 777 "$PUBLIC/keys"
	serve 'user = nobody' "server = $(type -P tangd)" "server_args = $PUBLIC/keys" 'stderr = log'
	run curl -sS -m "$WAIT_SECONDS" "http://127.0.0.1:$PORT/adv"
	assert_output --partial '"payload"'
	keys=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["payload"])' "$output")
	run curl -sS -m "$WAIT_SECONDS" "http://127.0.0.1:$PORT/adv"
	assert_output --partial "$keys"
}

@test "cfingerd: an IPv4 client of a service on every interface, it is told of the user (Linux)" {
	needs cfingerd capabilities
	cat >"$PUBLIC/cfingerd.conf" <<-'END'
		FILES display_files = {
			LOGFILE = "/dev/null"
		}
		CONFIG finger_display = {
			+LOGIN_ID = [TRUE, TRUE],
			+DIRECTORY = [TRUE, TRUE]
		}
		CONFIG internal_config = {
			+ALLOW_NO_IP_MATCH_FINGER,
			+ALLOW_NONIDENT_ACCESS,
			+ALLOW_LINE_PARSING
		}
		CONFIG finger_strings = {
			USER_NAME = "Username: ",
			DIRECTORY = "Home directory: "
		}
	END
	# Its configuration has one place, in a folder of its own.
	SUPERD_PREFIX=(unshare --mount sh -c 'mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work &&
		mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc && mkdir -p /etc/cfingerd &&
		cp "$0" /etc/cfingerd/cfingerd.conf && exec "$@"' "$PUBLIC/cfingerd.conf")
	serve 'user = root' "server = $(type -P cfingerd)"
	run ask "$PORT" <<<root
	assert_output --regexp 'Username: root +Home directory: /root'
}

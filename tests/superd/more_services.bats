# SPDX-License-Identifier: ISC
# More real services and their real clients: version control, a compiler, file transfer, and another sshd. They listen on every
# interface, so that an IPv4 client comes to an IPv6 socket, which some of them would not understand.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/superd
load ../lib/client

setup() {
	needs root
	make_public_folder
	head -c 5000000 /dev/urandom >"$PUBLIC/data"
	chmod 644 "$PUBLIC/data"
}

teardown() {
	remove_public_folder
}

# serve LINE...: start superd with a service that has these lines. The program gets PATH.
serve() {
	print_service real 'passenv = PATH' 'log_on_success = PID HOST EXIT' "$@" >"$CONF"
	start_superd -c "$CONF"
}

# run_client COMMAND...: run it, at most WAIT_SECONDS.
run_client() {
	timeout -k 1 "$WAIT_SECONDS" "$@"
}

# serve_subversion: a repository with the data.
serve_subversion() {
	svnadmin create "$PUBLIC/svn"
	mkdir "$PUBLIC/project"
	cp "$PUBLIC/data" "$PUBLIC/project"
	svn import -q -m first "$PUBLIC/project" "file://$PUBLIC/svn/project"
	chown -R nobody "$PUBLIC/svn"
	serve 'user = nobody' 'server = /usr/bin/svnserve' "server_args = -i -r $PUBLIC/svn"
}

@test "svnserve: svn checks out, the files are there" {
	needs svnserve svn
	serve_subversion
	run_client svn checkout -q --config-dir "$BATS_TEST_TMPDIR/svn" "svn://127.0.0.1:$PORT/project" "$BATS_TEST_TMPDIR/copy"
	cmp "$PUBLIC/data" "$BATS_TEST_TMPDIR/copy/data"
}

@test "cvs pserver: cvs checks out, the files are there" {
	needs cvs
	export CVS_PASSFILE=$BATS_TEST_TMPDIR/pass
	cvs -d "$PUBLIC/cvs" init
	echo 'anonymous::nobody' >"$PUBLIC/cvs/CVSROOT/passwd"
	mkdir "$PUBLIC/project"
	seq 200000 >"$PUBLIC/project/numbers"
	(cd "$PUBLIC/project" && cvs -Q -d "$PUBLIC/cvs" import -m first project vendor start)
	chown -R nobody "$PUBLIC/cvs"
	serve 'user = root' 'server = /usr/bin/cvs' "server_args = -f --allow-root=$PUBLIC/cvs pserver"
	echo "/1 :pserver:anonymous@127.0.0.1:$PORT$PUBLIC/cvs A" >"$CVS_PASSFILE"
	cd "$BATS_TEST_TMPDIR"
	run_client cvs -Q -d ":pserver:anonymous@127.0.0.1:$PORT$PUBLIC/cvs" checkout project
	cmp "$PUBLIC/project/numbers" project/numbers
}

@test "distccd: distcc compiles there, the program runs" {
	needs distcc distccd gcc
	mkdir "$PUBLIC/tmp"
	chown nobody "$PUBLIC/tmp"
	serve 'user = nobody' 'server = /usr/bin/distccd' 'server_args = --inetd --enable-tcp-insecure --log-stderr' \
		'stderr = log' "env = TMPDIR=$PUBLIC/tmp"
	printf 'int main(void) { return 42; }\n' >"$BATS_TEST_TMPDIR/answer.c"
	cd "$BATS_TEST_TMPDIR"
	mkdir distcc
	DISTCC_DIR=$BATS_TEST_TMPDIR/distcc DISTCC_HOSTS="127.0.0.1:$PORT" DISTCC_FALLBACK=0 run_client distcc gcc -c answer.c
	gcc -o answer answer.o
	run ./answer
	assert_failure 42
	wait_for_line 'EXIT: real status=0'
}

@test "dropbear: ssh with a key, a command and its data arrive (Linux)" {
	needs dropbear dropbearkey ssh ssh-keygen capabilities
	ssh-keygen -q -t ed25519 -N '' -f "$BATS_TEST_TMPDIR/key"
	dropbearkey -t ed25519 -f "$PUBLIC/host" >/dev/null
	# dropbear reads the keys in root's home: superd and its programs have another one.
	SUPERD_PREFIX=(unshare --mount sh -c 'mount -t tmpfs -o mode=700 none /root && mkdir -m 700 /root/.ssh &&
		cp "$0" /root/.ssh/authorized_keys && exec "$@"' "$BATS_TEST_TMPDIR/key.pub")
	serve 'user = root' 'server = /usr/sbin/dropbear' "server_args = -i -r $PUBLIC/host" 'stderr = log' 'env = HOME=/root'
	ssh_there() {
		run_client ssh -F none -i "$BATS_TEST_TMPDIR/key" -o BatchMode=yes -o StrictHostKeyChecking=no -o LogLevel=ERROR \
			-o UserKnownHostsFile="$BATS_TEST_TMPDIR/known" -p "$PORT" root@127.0.0.1 "$@"
	}
	run ssh_there 'echo "$SSH_CONNECTION"; cat' </dev/null
	assert_output --regexp '^127\.0\.0\.1 [0-9]+ 127\.0\.0\.1 [0-9]+$'
	ssh_there cat <"$PUBLIC/data" >"$BATS_TEST_TMPDIR/got"
	cmp "$BATS_TEST_TMPDIR/got" "$PUBLIC/data"
}

# serve_ftp: vsftpd for anonymous clients.
serve_ftp() {
	mkdir "$PUBLIC/ftp" "$PUBLIC/empty"
	cp "$PUBLIC/data" "$PUBLIC/ftp"
	cat >"$PUBLIC/vsftpd.conf" <<-END
		listen=NO
		anonymous_enable=YES
		anon_root=$PUBLIC/ftp
		secure_chroot_dir=$PUBLIC/empty
		ftp_username=daemon
		nopriv_user=nobody
		seccomp_sandbox=NO
		anon_max_rate=${1:-0}
	END
	serve 'user = root' 'server = /usr/sbin/vsftpd' "server_args = $PUBLIC/vsftpd.conf"
}

@test "vsftpd: curl gets a file in passive mode, it is complete" {
	needs vsftpd curl
	serve_ftp
	run_client curl -sS --disable-epsv "ftp://127.0.0.1:$PORT/data" | cmp - "$PUBLIC/data"
	run_client curl -sS "ftp://127.0.0.1:$PORT/data" | cmp - "$PUBLIC/data"
}

# has_part FILE: some of it is there.
has_part() {
	[ -s "$1" ]
}

@test "vsftpd: HUP, USR2 and TERM in the middle of a transfer, the file is complete" {
	needs vsftpd curl
	serve_ftp 700000
	start_background curl -sS -o "$BATS_TEST_TMPDIR/got" "ftp://127.0.0.1:$PORT/data"
	wait_until has_part "$BATS_TEST_TMPDIR/got"
	reload_superd
	upgrade_superd
	kill -TERM "$SUPERD_PID"
	wait_for_line 'stopping: 1 programs running'
	! cmp -s "$BATS_TEST_TMPDIR/got" "$PUBLIC/data" || false # it is not over
	wait "$BG_PID"
	cmp "$BATS_TEST_TMPDIR/got" "$PUBLIC/data"
	wait_superd
}

@test "svnserve: HUP, USR2 and TERM while svn checks out, the files are complete" {
	needs svnserve svn
	serve_subversion
	# The server is stopped in the middle, so that there is one.
	start_background svn checkout -q --config-dir "$BATS_TEST_TMPDIR/svn" "svn://127.0.0.1:$PORT/project" "$BATS_TEST_TMPDIR/copy"
	wait_for_line 'START: real'
	pid=$(sed -n 's/.*START: real pid=\([0-9]*\).*/\1/p' "$LOG")
	kill -STOP "$pid"
	reload_superd
	upgrade_superd
	kill -TERM "$SUPERD_PID"
	wait_for_line 'stopping: '
	kill -CONT "$pid"
	wait "$BG_PID"
	cmp "$PUBLIC/data" "$BATS_TEST_TMPDIR/copy/data"
	wait_superd
}

@test "tcpd in front of a program, as in xinetd2superd(7): hosts.deny refuses a client and admits another" {
	needs tcpd capabilities
	: >"$PUBLIC/allow"
	echo 'echoing: 127.0.0.2' >"$PUBLIC/deny"
	ln -s /bin/cat "$PUBLIC/echoing"
	SUPERD_PREFIX=(unshare --mount sh -c 'touch /etc/hosts.allow /etc/hosts.deny && mount --bind "$0/allow" /etc/hosts.allow &&
		mount --bind "$0/deny" /etc/hosts.deny && exec "$@"' "$PUBLIC")
	serve 'user = nobody' 'server = /usr/sbin/tcpd' "server_args = $PUBLIC/echoing" 'flags = NAMEINARGS'
	echoes "$PORT"
	run "$CLIENT" -s 127.0.0.2 "$PORT" 'send:hello\n' all
	refute_output --partial hello
	run "$CLIENT" -s 127.0.0.3 "$PORT" 'send:hello\n' shut all
	assert_output --partial hello
}

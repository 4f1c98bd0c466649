# SPDX-License-Identifier: ISC
# Real services and their real clients: one superd serves all of them from a directory of service files.

# shellcheck disable=SC2154 # run sets them

load ../lib/superd
load ../lib/client

NEEDED=(root git rsync sshd in.tftpd busybox in.fingerd stunnel openssl)

setup_file() {
	local what
	for what in "${NEEDED[@]}"; do
		has "$what" || return 0
	done
	make_public_folder
	mkdir "$PUBLIC/superd.d"
	head -c 1000000 /dev/urandom >"$PUBLIC/data"
	# git's clients, independent of the user that runs the tests.
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
	export GIT_AUTHOR_NAME=tester GIT_AUTHOR_EMAIL=tester@example.org
	export GIT_COMMITTER_NAME=tester GIT_COMMITTER_EMAIL=tester@example.org
	local name
	for name in git rsync ssh tftp http finger tls; do
		"serve_$name" || return
	done
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR start_superd -c "$PUBLIC/superd.d"
	export PUBLIC LOG
}

setup() {
	needs "${NEEDED[@]}"
}

teardown_file() {
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR remove_public_folder
}

# write_entry NAME LINE...: write the service file of that name. The programs get only PATH from the environment.
write_entry() {
	print_service "$@" 'passenv = PATH' 'log_on_success = PID HOST EXIT' >"$PUBLIC/superd.d/$1"
}

# make_folder NAME: make a folder that belongs to nobody, with a file in it.
make_folder() {
	mkdir "$PUBLIC/$1"
	cp "$PUBLIC/data" "$PUBLIC/$1"
	chown -R nobody "$PUBLIC/$1"
}

# run_client COMMAND...: run it, at most WAIT_SECONDS.
run_client() {
	timeout -k 1 "$WAIT_SECONDS" "$@"
}

serve_git() {
	mkdir "$PUBLIC/git"
	git init -q -b main "$PUBLIC/work"
	cp "$PUBLIC/data" "$PUBLIC/work"
	git -C "$PUBLIC/work" add data
	git -C "$PUBLIC/work" commit -q -m first
	git clone -q --bare "$PUBLIC/work" "$PUBLIC/git/project"
	chown -R nobody "$PUBLIC/git"
	write_entry git 'user = nobody' 'server = /usr/bin/git' \
		"server_args = daemon --inetd --export-all --enable=receive-pack --base-path=$PUBLIC/git $PUBLIC/git"
}

@test "git daemon: git clones, the files are there" {
	needs root
	run_client git clone -q "git://127.0.0.1:$(port_of git)/project" "$BATS_TEST_TMPDIR/clone"
	cmp "$PUBLIC/data" "$BATS_TEST_TMPDIR/clone/data"
}

@test "git daemon: git pushes, the next clone has the commit" {
	needs root
	url=git://127.0.0.1:$(port_of git)/project
	run_client git clone -q "$url" "$BATS_TEST_TMPDIR/clone"
	cd "$BATS_TEST_TMPDIR/clone"
	head -c 1000000 /dev/urandom >another
	git add another
	git commit -q -m second
	run_client git push -q origin HEAD:pushed
	run_client git clone -q -b pushed "$url" "$BATS_TEST_TMPDIR/next"
	cmp another "$BATS_TEST_TMPDIR/next/another"
}

serve_rsync() {
	make_folder fetch
	make_folder store
	cat >"$PUBLIC/rsyncd.conf" <<-END
		log file = /dev/null
		use chroot = no
		uid = nobody
		gid = nogroup
		[fetch]
		path = $PUBLIC/fetch
		[store]
		path = $PUBLIC/store
		read only = no
	END
	write_entry rsync 'server = /usr/bin/rsync' "server_args = --daemon --config=$PUBLIC/rsyncd.conf"
}

@test "rsync: it fetches a module, the files are there" {
	needs root
	run_client rsync -a "rsync://127.0.0.1:$(port_of rsync)/fetch/" "$BATS_TEST_TMPDIR/here"
	cmp "$PUBLIC/data" "$BATS_TEST_TMPDIR/here/data"
}

@test "rsync: it sends a file twice, the server has the changed one" {
	needs root
	url=rsync://127.0.0.1:$(port_of rsync)/store/
	mkdir "$BATS_TEST_TMPDIR/here"
	cp "$PUBLIC/data" "$BATS_TEST_TMPDIR/here"
	run_client rsync -r "$BATS_TEST_TMPDIR/here/" "$url"
	echo more >>"$BATS_TEST_TMPDIR/here/data"
	run_client rsync -r "$BATS_TEST_TMPDIR/here/" "$url"
	cmp "$BATS_TEST_TMPDIR/here/data" "$PUBLIC/store/data"
}

serve_ssh() {
	mkdir "$PUBLIC/ssh"
	# Without this folder sshd does not start. A machine where sshd runs has it.
	mkdir -p /run/sshd
	local key
	for key in host user stranger; do
		ssh-keygen -q -t ed25519 -N '' -C '' -f "$PUBLIC/ssh/$key"
	done
	cp "$PUBLIC/ssh/user.pub" "$PUBLIC/ssh/authorized_keys"
	echo "superd $(cat "$PUBLIC/ssh/host.pub")" >"$PUBLIC/ssh/known_hosts"
	cat >"$PUBLIC/ssh/sshd_config" <<-END
		HostKey $PUBLIC/ssh/host
		AuthorizedKeysFile $PUBLIC/ssh/authorized_keys
		PermitRootLogin prohibit-password
		StrictModes no
		UsePAM no
	END
	write_entry ssh 'server = /usr/sbin/sshd' "server_args = -i -f $PUBLIC/ssh/sshd_config"
}

# ssh_as KEY COMMAND: run the command through ssh with that key.
ssh_as() {
	run_client ssh -F none -p "$(port_of ssh)" -i "$PUBLIC/ssh/$1" -o IdentitiesOnly=yes -o BatchMode=yes \
		-o UserKnownHostsFile="$PUBLIC/ssh/known_hosts" -o HostKeyAlias=superd root@127.0.0.1 "$2"
}

@test "sshd: the right key, ssh runs a command and gets its status" {
	needs root
	run --separate-stderr ssh_as user 'cat; echo "${SSH_CLIENT%% *}"; echo wrong >&2; exit 7' <<<hello
	[ "$status" -eq 7 ]
	assert_output $'hello\n127.0.0.1'
	assert_equal "$stderr" wrong
}

@test "sshd: a wrong key, ssh is refused" {
	run ssh_as stranger 'echo in'
	[ "$status" -eq 255 ]
	assert_output --partial 'Permission denied (publickey'
}

serve_tftp() {
	make_folder tftp
	write_entry tftp 'socket_type = dgram' 'wait = yes' 'server = /usr/sbin/in.tftpd' \
		"server_args = --secure --create --user nobody $PUBLIC/tftp"
}

@test "tftpd: curl gets a file, it is complete" {
	needs root
	run_client curl -s "tftp://127.0.0.1:$(port_of tftp)/data" -o "$BATS_TEST_TMPDIR/got"
	cmp "$PUBLIC/data" "$BATS_TEST_TMPDIR/got"
}

@test "tftpd: curl puts a file, it is complete" {
	needs root
	run_client curl -s -T "$PUBLIC/data" "tftp://127.0.0.1:$(port_of tftp)/put"
	wait_until cmp "$PUBLIC/data" "$PUBLIC/tftp/put"
}

serve_http() {
	make_folder www
	write_entry http 'user = nobody' 'server = /bin/busybox' "server_args = httpd -i -h $PUBLIC/www"
}

@test "busybox httpd: curl gets a page, it is complete" {
	needs root
	run run_client curl -s -w '%{http_code}' "http://127.0.0.1:$(port_of http)/data" -o "$BATS_TEST_TMPDIR/got"
	assert_output 200
	cmp "$PUBLIC/data" "$BATS_TEST_TMPDIR/got"
}

serve_finger() {
	write_entry finger 'user = nobody' 'server = /usr/sbin/in.fingerd'
}

@test "fingerd: a request for root, the reply names root" {
	needs root
	# finger(1) sends this, but only to port 79.
	run ask "$(port_of finger)" <<<$'root\r'
	assert_line --regexp '^Login: root[[:space:]]'
}

# cmd behind stunnel, which admits clients that have the right certificate.
serve_tls() {
	mkdir "$PUBLIC/tls"
	local name
	for name in server client stranger; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
			-keyout "$PUBLIC/tls/$name.key" -out "$PUBLIC/tls/$name.pem" 2>"$PUBLIC/tls/log"
	done
	cp "$CMD" "$PUBLIC/cmd"
	cat >"$PUBLIC/tls/stunnel.conf" <<-END
		syslog = no
		cert = $PUBLIC/tls/server.pem
		key = $PUBLIC/tls/server.key
		CAfile = $PUBLIC/tls/client.pem
		verifyPeer = yes
		exec = $PUBLIC/cmd
		execArgs = cmd
	END
	# stunnel does not read what a refused client has sent. With linger, the client gets stunnel's alert.
	write_entry tls 'server = /usr/bin/stunnel' "server_args = $PUBLIC/tls/stunnel.conf" 'stderr = log' 'linger = 5'
}

# tls_with OPTION...: send three requests with openssl s_client and these options, and print the replies.
tls_with() {
	printf 'peer\necho<>secret\nexit\n' | run_client openssl s_client -quiet -connect "127.0.0.1:$(port_of tls)" \
		-CAfile "$PUBLIC/tls/server.pem" -verify_return_error "$@"
}

@test "stunnel with cmd: the right certificate, cmd knows the client's address" {
	run --separate-stderr tls_with -cert "$PUBLIC/tls/client.pem" -key "$PUBLIC/tls/client.key"
	assert_line --index 0 --regexp '^ok<>127\.0\.0\.1<>[0-9]+$'
	assert_line --index 1 'ok<>secret'
	assert_line --index 2 'ok<>bye'
}

@test "stunnel with cmd: no certificate, the client gets nothing from cmd" {
	run --separate-stderr tls_with
	assert_failure
	assert_output ''
	[[ $stderr == *'alert certificate required'* ]]
}

@test "stunnel with cmd: a wrong certificate, the client gets nothing from cmd" {
	run --separate-stderr tls_with -cert "$PUBLIC/tls/stranger.pem" -key "$PUBLIC/tls/stranger.key"
	assert_failure
	assert_output ''
	[[ $stderr == *alert* ]]
}

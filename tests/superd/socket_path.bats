# SPDX-License-Identifier: ISC
# The path of a UNIX-domain socket: who else uses it, or puts something else there.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/superd
load ../lib/client

setup() {
	SOCKET=$BATS_TEST_TMPDIR/socket
}

teardown() {
	remove_public_folder
}

# write_config [LINE...]: a service at the path, for everyone.
write_config() {
	print_service a "bind = $SOCKET" 'socket_mode = 0666' "$@" >"$CONF"
}

# replace_with_link: a folder of nobody's has the socket, and there nobody puts a link to a file of root's, $PRECIOUS.
replace_with_link() {
	make_public_folder
	mkdir "$PUBLIC/folder"
	chown nobody "$PUBLIC/folder"
	SOCKET=$PUBLIC/folder/socket
	PRECIOUS=$PUBLIC/precious
	install -m 600 /dev/null "$PRECIOUS"
	write_config 'socket_user = nobody'
	start_superd -c "$CONF"
	[ "$(stat -c '%a %U' "$SOCKET")" = '666 nobody' ]
	setpriv --reuid nobody --clear-groups rm "$SOCKET"
	setpriv --reuid nobody --clear-groups ln -s "$PRECIOUS" "$SOCKET"
	write_config 'socket_user = nobody' 'nice = 1'
}

# start_second_superd: the path of superd's socket is removed, and a second superd listens there. Sets FIRST, SECOND.
start_second_superd() {
	FIRST=$SUPERD_PID
	rm "$SOCKET"
	start_superd -b "$SOCKET" echo second
	SECOND=$SUPERD_PID
	SUPERD_PID=$FIRST
}

assert_second_answers() {
	run "$CLIENT" "$SOCKET" all
	assert_output second
}

@test "socket_mode: another user puts a link at the path, a reload changes neither mode nor owner of its target" {
	needs root
	replace_with_link
	reload_superd
	[ "$(stat -c '%a %U' "$PRECIOUS")" = '600 root' ]
	grep -q "^superd: a: $SOCKET: File exists; retrying every 5 s$" "$LOG"
}

@test "socket_mode: another user puts a link at the path, an upgrade changes neither mode nor owner of its target" {
	needs root capabilities
	replace_with_link
	upgrade_superd
	[ "$(stat -c '%a %U' "$PRECIOUS")" = '600 root' ]
}

@test "socket_user: a reload leaves it out, the socket is superd's own again" {
	needs root
	write_config 'socket_user = nobody:daemon'
	start_superd -c "$CONF"
	[ "$(stat -c '%U %G' "$SOCKET")" = 'nobody daemon' ]
	write_config
	reload_superd
	[ "$(stat -c '%U %G' "$SOCKET")" = 'root root' ]
}

@test "UNIX-domain socket: superd stops, it does not remove the socket of another superd at its path" {
	start_superd -b "$SOCKET" cat
	start_second_superd
	stop_superd
	assert_second_answers
}

@test "UNIX-domain socket: superd stops after an upgrade, it does not remove the socket of another superd at its path" {
	SUPERD_LOG=$BATS_TEST_TMPDIR/first.log
	write_config
	start_superd -c "$CONF"
	SUPERD_LOG=$BATS_TEST_TMPDIR/second.log
	start_second_superd
	LOG=$BATS_TEST_TMPDIR/first.log
	upgrade_superd
	stop_superd
	assert_second_answers
}

@test "UNIX-domain socket: a reload removes its service, it does not remove the socket of another superd at its path" {
	SUPERD_LOG=$BATS_TEST_TMPDIR/first.log
	write_config
	start_superd -c "$CONF"
	SUPERD_LOG=$BATS_TEST_TMPDIR/second.log
	start_second_superd
	LOG=$BATS_TEST_TMPDIR/first.log
	print_service b >"$CONF"
	reload_superd
	assert_second_answers
}

@test "UNIX-domain socket: the server there has a full backlog, superd reports that the address is in use and exits" {
	start_server -b 0 "$SOCKET" fill hold
	wait_for_server_line '(full)'
	run --separate-stderr timeout -k 1 "$WAIT_SECONDS" "$SUPERD" -b "$SOCKET" cat
	assert_equal "$status" 1
	[[ $stderr == *"$SOCKET: Address already in use"* || $stderr == *"$SOCKET: Address in use"* ]]
}

@test "UNIX-domain socket: the server at a new service's path has a full backlog, a reload serves the others" {
	print_service a >"$CONF"
	start_superd -c "$CONF"
	start_server -b 0 "$SOCKET" fill hold
	wait_for_server_line '(full)'
	print_service b "bind = $SOCKET" >>"$CONF"
	reload_superd
	grep -q "b: .*$SOCKET: Address .*in use" "$LOG"
	echoes "$(port_of a)"
}

@test "socket_mode: the folder's default access list admits another user, the socket does not" {
	needs root setfacl
	make_public_folder
	setfacl -d -m u:nobody:rwx "$PUBLIC" || skip "no access lists here"
	SOCKET=$PUBLIC/socket
	print_service a "bind = $SOCKET" 'socket_mode = 0660' 'socket_user = root:adm' >"$CONF"
	start_superd -c "$CONF"
	[ "$(stat -c %a "$SOCKET")" = 660 ]
	run setpriv --reuid nobody --clear-groups nc -NU "$SOCKET" </dev/null
	assert_failure
}

@test "socket_mode: an access list gives more and there is no /proc to remove it, superd does not listen (Linux)" {
	needs root capabilities setfacl
	make_public_folder
	setfacl -d -m u:nobody:rwx "$PUBLIC" || skip "no access lists here"
	print_service a "bind = $PUBLIC/socket" 'socket_mode = 0660' >"$CONF"
	run unshare --mount sh -c 'mount -t tmpfs none /proc && exec timeout 20 "$@"' sh "$SUPERD" -c "$CONF"
	assert_failure 1
	assert_line --partial "cannot listen on $PUBLIC/socket"
}

@test "socket_mode: datagrams, until the socket has its owner nobody may connect (Linux)" {
	needs root strace
	make_public_folder
	SOCKET=$PUBLIC/socket
	print_service a "bind = $SOCKET" 'socket_type = dgram' 'wait = yes' 'socket_mode = 0666' >"$CONF"
	disable_leak_check
	SUPERD_PREFIX=(strace -D -q -o /dev/null -e 'trace=?chmod,?fchmodat' -e 'inject=?chmod,?fchmodat:delay_enter=1500000')
	launch_superd -c "$CONF"
	wait_until [ -S "$SOCKET" ]
	[ "$(stat -c %a "$SOCKET")" = 0 ]
	wait_for_line listening
	[ "$(stat -c %a "$SOCKET")" = 666 ]
}

@test "socket_mode: another user keeps the socket at another path, a reload with a narrower mode does not serve there" {
	needs root
	make_public_folder
	mkdir "$PUBLIC/folder"
	chown nobody "$PUBLIC/folder"
	SOCKET=$PUBLIC/folder/socket
	write_config
	start_superd -c "$CONF"
	setpriv --reuid nobody --clear-groups mv "$SOCKET" "$SOCKET.kept"
	setpriv --reuid nobody --clear-groups touch "$SOCKET"
	write_config 'socket_mode = 0600' 'server = /bin/echo' 'server_args = private'
	sed -i '/socket_mode = 0666/d' "$CONF"
	reload_superd
	setpriv --reuid nobody --clear-groups mv "$SOCKET.kept" "$SOCKET"
	run setpriv --reuid nobody --clear-groups "$CLIENT" "$SOCKET" 'send:hello\n' shut all
	refute_output --partial private
}

@test "socket_mode: another user exchanges two sockets while superd starts, each keeps its own mode (Linux)" {
	needs root strace capabilities
	make_public_folder
	mkdir "$PUBLIC/folder"
	chown nobody "$PUBLIC/folder"
	{
		print_service narrow "bind = $PUBLIC/folder/narrow" 'socket_mode = 0600'
		print_service wide "bind = $PUBLIC/folder/wide" 'socket_mode = 0666'
	} >"$CONF"
	disable_leak_check
	SUPERD_PREFIX=(strace -qq -o /dev/null -e trace=getsockname -e inject=getsockname:delay_enter=500000)
	launch_superd -c "$CONF"
	wait_until test -S "$PUBLIC/folder/wide"
	(cd "$PUBLIC/folder" && mv narrow x && mv wide narrow && mv x wide)
	wait_for_line 'cannot listen on .*wide: File exists'
	[ "$(stat -c %a "$PUBLIC/folder/wide")" = 600 ]
}

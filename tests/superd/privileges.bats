# As whom a program runs, and that it cannot be anybody else.

load ../lib/superd
load ../lib/client
load ../lib/fault

# A folder that every user may enter, which bats's own are not.
setup() {
	make_public_folder
}

teardown() {
	remove_public_folder
}

# The ids of a program: real, effective, saved, for files; users, groups; and the supplementary groups, sorted.
IDS='sed -n "s/^[UG]id:[[:space:]]*//p" /proc/self/status | tr "\t" " "
	sed -n "s/^Groups:[[:space:]]*//p" /proc/self/status | tr " " "\n" | sort -n | xargs'

# ids ARGUMENT...: what the program says of itself, with superd started by the arguments.
ids() {
	start_superd -p 0 "$@" sh -c "$IDS" || return
	ask "$PORT" </dev/null
}

# The same for a service from a file.
file_ids() {
	printf '#!/bin/sh\n%s\n' "$IDS" >"$PUBLIC/ids"
	chmod 755 "$PUBLIC/ids"
	print_open_service a server="$PUBLIC/ids" "$@" >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf" || return
	ask "$PORT" </dev/null
}

@test "-u USER: all four user ids, all four group ids, and no group of root's (Linux)" {
	SUPERD_PREFIX=(setpriv '--groups=0,4,24')
	run ids -u nobody
	assert_output $'65534 65534 65534 65534\n65534 65534 65534 65534'
}

@test "-u USER:GROUP" {
	run ids -u nobody:daemon
	assert_line --index 0 '65534 65534 65534 65534'
	assert_line --index 1 '1 1 1 1'
	refute_line --regexp '\<0\>'
}

@test "-u changes the program's user, not superd's" {
	start_superd -p 0 -u nobody cat
	[ "$(awk '/^Uid/ { print $2 $3 $4 $5 }' "/proc/$SUPERD_PID/status")" = 0000 ]
}

@test "user and group of a service from a file, without the user's other groups" {
	run file_ids user=nobody group=daemon
	assert_line --index 0 '65534 65534 65534 65534'
	assert_line --index 1 '1 1 1 1'
	refute_output --regexp '(^| )0( |$)'
}

@test "groups = yes: the user's supplementary groups, and only those (Linux)" {
	SUPERD_PREFIX=(setpriv '--groups=0,4,24')
	expected=$(id -G www-data | tr ' ' '\n' | sort -n | xargs)
	run file_ids user=www-data groups=yes
	assert_line --index 2 "$expected"
}

@test "a program cannot get root back" {
	start_superd -p 0 -u nobody /usr/bin/python3 -c '
import os
for call in (lambda: os.setuid(0), lambda: os.seteuid(0), lambda: os.setreuid(0, 0), lambda: os.setresuid(0, 0, 0),
             lambda: os.setgid(0), lambda: os.setegid(0), lambda: os.setgroups([0])):
    try:
        call()
        print("done")
    except PermissionError:
        print("refused")'
	run ask "$PORT" </dev/null
	[ "$(grep -c '^refused$' <<<"$output")" -eq 7 ]
	refute_line 'done'
}

@test "a program has none of root's capabilities" {
	start_superd -p 0 -u nobody grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status
	run ask "$PORT" </dev/null
	assert_output $'CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000'
}

@test "internal services and redirections run as their user, too" {
	print_open_service a type='INTERNAL UNLISTED' id=a server= user=nobody | sed 's/^service a/service echo/' >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	open_connection first "$PORT"
	[ "$(awk '/^Uid/ { print $2, $3, $4, $5 }' "/proc/$(pgrep -P "$SUPERD_PID")/status")" = '65534 65534 65534 65534' ]
}

@test "no_new_privs is on with -u, and a setuid program gains nothing (Linux)" {
	cp /usr/bin/id "$PUBLIC/id"
	chmod 4755 "$PUBLIC/id"
	start_superd -p 0 -u nobody sh -c "grep NoNewPrivs /proc/self/status; exec '$PUBLIC/id' -u"
	run ask "$PORT" </dev/null
	assert_output $'NoNewPrivs:\t1\n65534'
}

@test "no_new_privs is off for a service from a file, unless it says yes (Linux)" {
	print_open_service a user=nobody server=/bin/grep server_args='NoNewPrivs /proc/self/status' >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	run ask "$PORT" </dev/null
	assert_output $'NoNewPrivs:\t0'
	print_open_service a user=nobody no_new_privs=yes server=/bin/grep server_args='NoNewPrivs /proc/self/status' \
		>"$BATS_TEST_TMPDIR/conf"
	reload_superd
	run ask "$PORT" </dev/null
	assert_output $'NoNewPrivs:\t1'
}

# A root of its own with one static program in it, which shows what it can see.
make_root() {
	mkdir -p "$PUBLIC/root/bin" "$PUBLIC/root/inside"
	cat >"$PUBLIC/see.c" <<-END
		#include <dirent.h>
		#include <stdio.h>
		#include <unistd.h>
		int main(void) {
			char directory[4096];
			printf("in %s as %d\n", getcwd(directory, sizeof directory), (int)getuid());
			DIR *root = opendir("/");
			for (struct dirent *entry; root != NULL && (entry = readdir(root)) != NULL;)
				if (entry->d_name[0] != '.') printf("%s\n", entry->d_name);
			printf("%d\n", access("/../../../../etc/passwd", F_OK));
			return 0;
		}
	END
	gcc -static -o "$PUBLIC/root/bin/see" "$PUBLIC/see.c"
}

@test "chroot: server and directory are inside it (Linux)" {
	make_root
	print_open_service a chroot="$PUBLIC/root" server=/bin/see directory=/inside user=nobody >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	run ask "$PORT" </dev/null
	assert_line --index 0 'in /inside as 65534'
	assert_line bin
	assert_line inside
	assert_line --index 3 -- -1
}

@test "chroot without directory: the program starts at its root, not outside (Linux)" {
	make_root
	print_open_service a chroot="$PUBLIC/root" server=/bin/see user=nobody >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	run ask "$PORT" </dev/null
	assert_line --index 0 'in / as 65534'
}

@test "rlimits are set before the user is changed, and cannot be raised" {
	start_superd -p 0 -u nobody -o rlimit_files=33 sh -c 'ulimit -n; ulimit -n 34 2>/dev/null || echo refused'
	run ask "$PORT" </dev/null
	assert_output $'33\nrefused'
}

@test "another user where superd is not root is an error at load, which names the user" {
	SUPERD_PREFIX=(setpriv "--reuid=$USER_ID" "--regid=$USER_ID" --clear-groups)
	run start_superd -p 0 -u daemon cat
	assert_failure
	assert_output --regexp 'superd: .*user: .*daemon'
	print_open_service a user=daemon >"$PUBLIC/conf"
	chmod 644 "$PUBLIC/conf"
	run start_superd -c "$PUBLIC/conf"
	assert_failure
	assert_output --regexp "superd: $PUBLIC/conf:[0-9]+: .*user: .*daemon"
}

@test "root as the user where superd is not root is an error at load, too" {
	SUPERD_PREFIX=(setpriv "--reuid=$USER_ID" "--regid=$USER_ID" --clear-groups)
	print_open_service a user=root >"$PUBLIC/conf"
	chmod 644 "$PUBLIC/conf"
	run start_superd -c "$PUBLIC/conf"
	assert_failure
	assert_output --partial root
}

@test "another group where superd is not root is an error at load" {
	SUPERD_PREFIX=(setpriv "--reuid=$USER_ID" "--regid=$USER_ID" --clear-groups)
	print_open_service a user= group=daemon >"$PUBLIC/conf"
	chmod 644 "$PUBLIC/conf"
	run start_superd -c "$PUBLIC/conf"
	assert_failure
	assert_output --regexp "superd: $PUBLIC/conf:[0-9]+: .*group"
}

@test "its own user where superd is not root is none" {
	SUPERD_PREFIX=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
	run ids -u nobody
	assert_line --index 0 '65534 65534 65534 65534'
}

@test "with -u superd reloads and upgrades all the same" {
	start_superd -p 0 -u nobody sh -c "$IDS"
	upgrade_superd
	signal_and_wait HUP 'configuration'
	run ask "$PORT" </dev/null
	assert_output $'65534 65534 65534 65534\n65534 65534 65534 65534'
}

@test "a user that is there no more is said at reload, and the service goes on as it was" {
	print_open_service a user=nobody >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	print_open_service a user=no-such-user >"$BATS_TEST_TMPDIR/conf"
	signal_and_wait HUP "conf:[0-9]*: .*no-such-user"
	run ask "$PORT" <<<hello
	assert_output hello
}

# See SECURITY.md: a program's own user can signal it, and must not hold up superd by that.
@test "programs that are stopped hold nobody up" {
	start_superd -p 0 -u nobody -o instances=UNLIMITED cat
	start_background setpriv --reuid=nobody --regid=nogroup --clear-groups /usr/bin/python3 -c '
import os, signal, sys, time
end = time.monotonic() + 3
while time.monotonic() < end:
    for name in os.listdir("/proc"):
        try:
            with open("/proc/%s/stat" % name) as file:
                if file.read().rsplit(")", 1)[1].split()[1] == sys.argv[1]:
                    os.kill(int(name), signal.SIGSTOP)
        except (OSError, ValueError):
            pass' "$SUPERD_PID"
	stopper=$BG_PID
	start_background "$CLIENT" -c 100 "$PORT" hold
	for _ in 1 2 3 4 5; do
		signal_and_wait USR1 'STATE: '
	done
	wait_until is_gone "$stopper"
	pgrep -P "$SUPERD_PID" -r T >/dev/null
	signal_and_wait USR1 'STATE: '
	run ask "$PORT" <<<hello
	assert_output hello
}

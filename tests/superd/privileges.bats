# SPDX-License-Identifier: ISC
# The user, the groups and the capabilities of a program, and that it cannot get others.

load ../lib/superd
load ../lib/client
load ../lib/fault

setup() {
	needs root
	make_public_folder
}

teardown() {
	remove_public_folder
}

# The ids of a program: real, effective, saved, file system; for users, for groups; and the supplementary groups, sorted.
IDS='sed -n "s/^[UG]id:[[:space:]]*//p" /proc/self/status | tr "\t" " "
	sed -n "s/^Groups:[[:space:]]*//p" /proc/self/status | tr " " "\n" | sort -n | xargs'

# print_ids ARGUMENT...: start superd with the arguments, and print the ids of its program.
print_ids() {
	start_superd -p 0 "$@" sh -c "$IDS" || return
	ask "$PORT" </dev/null
}

# print_ids_from_file LINE...: the same for a service from a file that has these lines.
print_ids_from_file() {
	printf '#!/bin/sh\n%s\n' "$IDS" >"$PUBLIC/ids"
	chmod 755 "$PUBLIC/ids"
	print_open_service a server="$PUBLIC/ids" "$@" >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf" || return
	ask "$PORT" </dev/null
}

@test "superd -u: a user, all four user ids and group ids are its own and no group of root's is left (Linux)" {
	SUPERD_PREFIX=(setpriv '--groups=0,4,24')
	run print_ids -u nobody
	assert_output $'65534 65534 65534 65534\n65534 65534 65534 65534'
}

@test "superd -u: a user and a group, the ids are theirs" {
	run print_ids -u nobody:daemon
	assert_line --index 0 '65534 65534 65534 65534'
	assert_line --index 1 '1 1 1 1'
	refute_line --regexp '\<0\>'
}

@test "superd -u: a user, superd itself keeps all its user ids" {
	start_superd -p 0 -u nobody cat
	[ "$(awk '/^Uid/ { print $2 $3 $4 $5 }' "/proc/$SUPERD_PID/status")" = 0000 ]
}

@test "user and group: a service from a file, the program has both and none of the user's other groups" {
	run print_ids_from_file user=nobody group=daemon
	assert_line --index 0 '65534 65534 65534 65534'
	assert_line --index 1 '1 1 1 1'
	refute_output --regexp '(^| )0( |$)'
}

@test "groups: yes, the program has the user's supplementary groups only (Linux)" {
	SUPERD_PREFIX=(setpriv '--groups=0,4,24')
	expected=$(id -G www-data | tr ' ' '\n' | sort -n | xargs)
	run print_ids_from_file user=www-data groups=yes
	assert_line --index 2 "$expected"
}

@test "privileges: the program tries to become root, every call fails" {
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

@test "privileges: the program runs as nobody, it has no capabilities" {
	start_superd -p 0 -u nobody grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status
	run ask "$PORT" </dev/null
	assert_output $'CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000'
}

@test "privileges: an internal service with user, it runs as that user" {
	print_open_service a type='INTERNAL UNLISTED' id=a server= user=nobody | sed 's/^service a/service echo/' >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	open_connection first "$PORT"
	[ "$(awk '/^Uid/ { print $2, $3, $4, $5 }' "/proc/$(pgrep -P "$SUPERD_PID")/status")" = '65534 65534 65534 65534' ]
}

@test "no_new_privs: superd -u, it is on and a setuid program gains nothing (Linux)" {
	cp /usr/bin/id "$PUBLIC/id"
	chmod 4755 "$PUBLIC/id"
	start_superd -p 0 -u nobody sh -c "grep NoNewPrivs /proc/self/status; exec '$PUBLIC/id' -u"
	run ask "$PORT" </dev/null
	assert_output $'NoNewPrivs:\t1\n65534'
}

@test "no_new_privs: a service from a file, it is off unless set (Linux)" {
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

# make_root: make $PUBLIC/root, with one static program, bin/see, that prints what it sees.
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

@test "chroot: server and directory, they are inside it (Linux)" {
	make_root
	print_open_service a chroot="$PUBLIC/root" server=/bin/see directory=/inside user=nobody >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	run ask "$PORT" </dev/null
	assert_line --index 0 'in /inside as 65534'
	assert_line bin
	assert_line inside
	assert_line --index 3 -- -1
}

@test "chroot: directory is not set, the program starts at the new root (Linux)" {
	make_root
	print_open_service a chroot="$PUBLIC/root" server=/bin/see user=nobody >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	run ask "$PORT" </dev/null
	assert_line --index 0 'in / as 65534'
}

@test "rlimits: the program runs as nobody, it cannot raise the limit" {
	start_superd -p 0 -u nobody -o rlimit_files=33 sh -c 'ulimit -n; ulimit -n 34 2>/dev/null || echo refused'
	run ask "$PORT" </dev/null
	assert_output $'33\nrefused'
}

@test "privileges: superd is not root and -u names another user, it is an error that names the user" {
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

@test "privileges: superd is not root and user = root, it is an error" {
	SUPERD_PREFIX=(setpriv "--reuid=$USER_ID" "--regid=$USER_ID" --clear-groups)
	print_open_service a user=root >"$PUBLIC/conf"
	chmod 644 "$PUBLIC/conf"
	run start_superd -c "$PUBLIC/conf"
	assert_failure
	assert_output --partial root
}

@test "privileges: superd is not root and group names another group, it is an error" {
	SUPERD_PREFIX=(setpriv "--reuid=$USER_ID" "--regid=$USER_ID" --clear-groups)
	print_open_service a "user=$USER_ID" group=daemon >"$PUBLIC/conf"
	chmod 644 "$PUBLIC/conf"
	run start_superd -c "$PUBLIC/conf"
	assert_failure
	assert_output --regexp "superd: $PUBLIC/conf:[0-9]+: .*group"
}

@test "privileges: superd is not root and -u names its own user, the program runs" {
	SUPERD_PREFIX=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
	run print_ids -u nobody
	assert_line --index 0 '65534 65534 65534 65534'
}

@test "superd -u: upgrade, the next program has the same ids" {
	start_superd -p 0 -u nobody sh -c "$IDS"
	upgrade_superd
	run ask "$PORT" </dev/null
	assert_output $'65534 65534 65534 65534\n65534 65534 65534 65534'
}

@test "user: the account is removed before a reload, superd reports it and keeps the service" {
	print_open_service a user=nobody >"$BATS_TEST_TMPDIR/conf"
	start_superd -c "$BATS_TEST_TMPDIR/conf"
	print_open_service a user=no-such-user >"$BATS_TEST_TMPDIR/conf"
	signal_and_wait HUP "conf:[0-9]*: .*no-such-user"
	run ask "$PORT" <<<hello
	assert_output hello
}

# See SECURITY.md: the user of a program can signal it, and must not block superd.
@test "privileges: a user stops its programs with SIGSTOP, superd serves and answers signals" {
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

@test "privileges: superd has inheritable capabilities, a program of another user has none in any set (Linux)" {
	SUPERD_PREFIX=(setpriv '--inh-caps=+chown,+net_raw')
	start_superd -p 0 -u nobody grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status
	run ask "$PORT" </dev/null
	assert_output $'CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000'
}

@test "privileges: superd's session keyring holds a secret, a program of another user does not see it (Linux)" {
	SUPERD_PREFIX=(keyctl session - sh -c 'keyctl add user superd-secret x @s >&2 && exec "$@"' -)
	start_superd -p 0 -u nobody sh -c 'keyctl list @s; keyctl request user superd-secret'
	run ask "$PORT" </dev/null
	refute_output --partial superd-secret
	stop_superd
	start_superd -p 0 keyctl list @s
	run ask "$PORT" </dev/null
	assert_output --partial superd-secret
}

@test "privileges: superd's stderr is a terminal, a program of another user can write to it and not read (Linux)" {
	printf '#!/bin/sh\necho written >&2\nhead -n 1 <&2 2>/dev/null || echo cannot read\n' >"$PUBLIC/read"
	chmod 755 "$PUBLIC/read"
	start_background script -qefc "$SUPERD -p 0 -b 127.0.0.1 -u nobody $PUBLIC/read" "$BATS_TEST_TMPDIR/typescript" </dev/null
	wait_for_line listening "$BATS_TEST_TMPDIR/typescript"
	run ask "$(sed -n 's/.*listening.*:\([0-9]*\).*/\1/p' "$BATS_TEST_TMPDIR/typescript")" </dev/null
	assert_output 'cannot read'
	wait_for_line written "$BATS_TEST_TMPDIR/typescript"
}

@test "privileges: a sandbox forbids keyctl(2), programs start (Linux)" {
	SUPERD_PREFIX=(strace -f -qq -o /dev/null -e trace=keyctl -e inject=keyctl:error=EPERM)
	launch_superd -p 0 -b 127.0.0.1 -u nobody id -u
	wait_for_line listening
	run ask "$(sed -n 's/.*listening.*://p' "$LOG")" </dev/null
	assert_output 65534
}

@test "privileges: superd's session keyring is revoked, a program of another user has another one (Linux)" {
	SUPERD_PREFIX=(keyctl session - sh -c 'keyctl add user superd-secret x @s >&2 && keyctl revoke @s && exec "$@"' -)
	start_superd -p 0 -u nobody keyctl show @s
	run ask "$PORT" </dev/null
	assert_output --partial '_ses'
	refute_output --partial superd-secret
}

@test "privileges: superd has two user ids, it does not start" {
	run python3 -c 'import os, sys
os.setresuid(0, 65534, 0)
os.execv(sys.argv[1], sys.argv[1:])' "$SUPERD" -p 0 cat
	assert_failure 1
	assert_output --partial 'superd runs as two users or groups'
}

# SPDX-License-Identifier: ISC
# make install and make uninstall, with DESTDIR in the test's folder.

load ../lib/process

setup() {
	DEST=$BATS_TEST_TMPDIR/dest
}

# make_in_tree TARGET [VARIABLE=VALUE...]: run make in the tree, whose programs are built.
make_in_tree() {
	make -s -C "$ROOT" DESTDIR="$DEST" "$@"
}

# files: print every installed file with its mode.
files() {
	(cd "$DEST" && find . -type f -printf '%m %P\n' | sort -k 2)
}

@test "make install: PREFIX=/usr, every program, page and service file is in its place" {
	make_in_tree install PREFIX=/usr SYSCONFDIR=/etc
	run files
	for program in bin/cmd bin/cmdc sbin/superd share/superd/health; do
		assert_line "755 usr/$program"
	done
	for page in "$ROOT"/man/*.[1-8]; do
		assert_line "644 usr/share/man/man${page##*.}/${page##*/}"
	done
	for entry in cmd git health rsync; do
		assert_line "644 etc/xinetd.d/$entry"
	done
	for example in "$ROOT"/examples/*; do
		assert_line "$(stat -c %a "$example") usr/share/superd/examples/${example##*/}"
	done
	for unit in superd superd-xinetd; do
		assert_line "644 usr/lib/systemd/system/$unit.service"
	done
}

@test "make install: no variables, programs go to /usr/local and service files to /etc" {
	make_in_tree install
	[ -x "$DEST/usr/local/bin/cmd" ]
	[ -x "$DEST/usr/local/sbin/superd" ]
	[ -f "$DEST/etc/xinetd.d/cmd" ]
	run grep -h '^[[:space:]]*server[[:space:]]*=' "$DEST/etc/xinetd.d/cmd"
	assert_output --regexp '= /usr/local/bin/cmd$'
}

@test "make install: PREFIX, BINDIR, SBINDIR, MANDIR and SYSCONFDIR, each is used" {
	make_in_tree install PREFIX=/opt/s BINDIR=/opt/s/programs SBINDIR=/opt/s/daemons MANDIR=/opt/pages \
		SYSCONFDIR=/opt/settings
	[ -x "$DEST/opt/s/programs/cmd" ]
	[ -x "$DEST/opt/s/daemons/superd" ]
	[ -f "$DEST/opt/pages/man8/superd.8" ]
	[ -f "$DEST/opt/settings/xinetd.d/cmd" ]
	[ ! -e "$DEST/usr" ]
}

@test "make install: ENTRYDIR, service files go there and the units follow SBINDIR and SYSCONFDIR" {
	make_in_tree install PREFIX=/opt/s SYSCONFDIR=/opt/settings ENTRYDIR=/opt/settings/superd.d
	[ -f "$DEST/opt/settings/superd.d/cmd" ]
	[ ! -e "$DEST/opt/settings/xinetd.d" ]
	run grep -h '^Exec.*superd ' "$DEST"/opt/s/lib/systemd/system/*
	assert_output --partial 'ExecStart=/opt/s/sbin/superd -P /run/superd.pid -c /opt/settings/superd.d'
	refute_output --partial /usr/local
	refute_output --partial /etc/
}

@test "make install: service files, every service is disabled" {
	make_in_tree install PREFIX=/usr SYSCONFDIR=/etc
	for entry in "$DEST"/etc/xinetd.d/*; do
		run grep -E '^[[:space:]]*disable[[:space:]]*=' "$entry"
		assert_output --regexp '= yes$'
	done
}

@test "make install: service files, they name the installed programs" {
	make_in_tree install PREFIX=/opt/s SYSCONFDIR=/etc
	run sed -n 's/^[[:space:]]*server[[:space:]]*= *//p' "$DEST/etc/xinetd.d/cmd" "$DEST/etc/xinetd.d/health"
	assert_output $'/opt/s/bin/cmd\n/opt/s/share/superd/health'
	while read -r server; do
		[ -x "$DEST$server" ]
	done <<<"$output"
}

@test "make install: examples, they name the installed programs" {
	make_in_tree install PREFIX=/opt/s
	run grep -rh '^ExecStart=' "$DEST/opt/s/share/superd/examples"
	assert_output --regexp '^ExecStart=/opt/s/sbin/superd .* /opt/s/bin/cmd '
	run grep -r /usr/local "$DEST/opt/s/share/superd/examples"
	assert_output ''
}

@test "make install: the programs, they run" {
	make_in_tree install PREFIX=/usr SYSCONFDIR=/etc
	run "$DEST/usr/sbin/superd" -V
	assert_success
	run "$DEST/usr/bin/cmd" <<<'echo<>hello'
	assert_output 'ok<>hello'
}

@test "make install: umask 077, every file is readable" {
	(umask 077 && make_in_tree install PREFIX=/usr SYSCONFDIR=/etc)
	run find "$DEST/usr" "$DEST/etc" -not -perm -o+r -print
	assert_output ''
}

@test "make uninstall: after make install, no file is left" {
	make_in_tree install PREFIX=/usr SYSCONFDIR=/etc
	make_in_tree uninstall PREFIX=/usr SYSCONFDIR=/etc
	run files
	assert_output ''
	[ ! -e "$DEST/usr/share/superd" ]
}

@test "make uninstall: other files in the same folders, they stay" {
	make_in_tree install PREFIX=/usr SYSCONFDIR=/etc
	touch "$DEST/usr/bin/other" "$DEST/etc/xinetd.d/other"
	make_in_tree uninstall PREFIX=/usr SYSCONFDIR=/etc
	run files
	assert_line --partial usr/bin/other
	assert_line --partial etc/xinetd.d/other
	[ "${#lines[@]}" -eq 2 ]
}

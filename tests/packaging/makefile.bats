# SPDX-License-Identifier: ISC
# The Makefile works without GNU make: bmake, the BSDs' make, does the same as make.

load ../lib/process

setup() {
	needs bmake
	TREE=$BATS_TEST_TMPDIR/tree
	mkdir "$TREE"
	tar -C "$ROOT" -cf - --exclude=./.git --exclude=./build --exclude=./tests . | tar -C "$TREE" -xf -
	bmake -s -C "$TREE" clean
}

# build TARGET...: run bmake. Without optimisation, which takes most of the time of a build.
build() {
	bmake -s -C "$TREE" CFLAGS=-O0 WARN= "$@" 2>&1
}

say_their_versions() {
	"$TREE/cmd/cmd" <<<version
	"$TREE/superd/superd" -V
	"$TREE/cmdc/cmdc" -V
}

@test "Makefile: bmake, it builds, installs and uninstalls the same files as make" {
	build install DESTDIR="$BATS_TEST_TMPDIR/by-bmake" PREFIX=/usr ENTRYDIR=/etc/superd.d
	run say_their_versions
	assert_line --index 0 --partial 'ok<>cmd '
	assert_line --index 1 --partial 'superd '
	assert_line --index 2 --partial 'cmdc '
	make -s -C "$TREE" install DESTDIR="$BATS_TEST_TMPDIR/by-make" PREFIX=/usr ENTRYDIR=/etc/superd.d
	run diff -r "$BATS_TEST_TMPDIR/by-make" "$BATS_TEST_TMPDIR/by-bmake"
	assert_success
	assert_output ''
	build uninstall DESTDIR="$BATS_TEST_TMPDIR/by-bmake" PREFIX=/usr ENTRYDIR=/etc/superd.d
	run find "$BATS_TEST_TMPDIR/by-bmake" -type f
	assert_output ''
}

@test "Makefile: bmake posix, superd uses fork and not clone" {
	: >"$TREE/superd/superd"
	build -j 2 posix
	run nm -u "$TREE/superd/superd"
	assert_line --regexp ' fork(@|$)'
	refute_line --regexp ' clone(@|$)'
	run say_their_versions
	assert_line --index 1 --partial 'superd '
}

@test "Makefile: bmake static, the programs need no shared library" {
	: >"$TREE/superd/superd"
	build static CC=musl-gcc
	for program in cmd/cmd superd/superd cmdc/cmdc; do
		run readelf -lW "$TREE/$program"
		assert_success
		refute_output --partial INTERP
	done
	run say_their_versions
	assert_line --index 1 --partial 'superd '
}

@test "Makefile: static with a compiler that can, the programs are position-independent" {
	build static CC=gcc
	for program in cmd/cmd superd/superd cmdc/cmdc; do
		run readelf -hlW "$TREE/$program"
		assert_line --regexp 'Type: *DYN'
		refute_output --partial INTERP
	done
}

@test "make install: a folder with a blank, an installed page and a unit, they have the paths of the installation" {
	local root="$BATS_TEST_TMPDIR/with a blank"
	build install DESTDIR="$root" PREFIX=/opt/superd SYSCONFDIR=/opt/etc
	run grep -rhoE '/usr/local/(s?bin|share)|/etc/(superd|xinetd)\.d' "$root/opt" --include='*.[0-9]' --include='*.service'
	refute_line --regexp '^/usr/local'
	grep -q '^ExecStart=/opt/superd/sbin/superd .* -c /opt/etc/superd.d$' "$root/opt/superd/lib/systemd/system/superd.service"
	grep -q 'server *= /opt/superd/bin/cmd' "$root/opt/superd/share/man/man5/superd.conf.5"
	build uninstall DESTDIR="$root" PREFIX=/opt/superd SYSCONFDIR=/opt/etc
	run find "$root" -type f
	assert_output ''
}

@test "make install: the administrator has service files of these names, they are kept, and make uninstall keeps them" {
	local root=$BATS_TEST_TMPDIR/root
	mkdir -p "$root/etc/xinetd.d"
	echo 'service rsync { }' >"$root/etc/xinetd.d/rsync"
	run build install DESTDIR="$root"
	assert_line "kept: $root/etc/xinetd.d/rsync"
	echo '# a change' >>"$root/etc/xinetd.d/cmd"
	run build install DESTDIR="$root"
	assert_line "kept: $root/etc/xinetd.d/cmd"
	run build uninstall DESTDIR="$root"
	assert_line "kept: $root/etc/xinetd.d/rsync"
	run find "$root" -type f
	assert_equal "$(sort <<<"$output")" "$root/etc/xinetd.d/cmd"$'\n'"$root/etc/xinetd.d/rsync"
	[ "$(cat "$root/etc/xinetd.d/rsync")" = 'service rsync { }' ]
}

@test "make html: the manuals, the index links to each and superd(8) to superd.conf(5)" {
	needs mandoc bmake
	build html
	cd "$TREE/build/html"
	for page in "$TREE"/man/*.[0-9]; do
		grep -q "href=\"${page##*/}.html\"" index.html
	done
	run grep -hoE 'href="[a-z0-9_.-]*\.html' superd.8.html
	assert_line 'href="superd.conf.5.html'
}

@test "Makefile: targets that are not files, all are in .PHONY" {
	run comm -23 <(sed -n 's/^\([a-z]*\):.*/\1/p' "$ROOT/Makefile" | sort) \
		<(sed -n 's/^\.PHONY: //p' "$ROOT/Makefile" | tr ' ' '\n' | sort)
	assert_output ''
}

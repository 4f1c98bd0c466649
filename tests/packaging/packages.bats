# SPDX-License-Identifier: ISC
# make dist and make deb, and what a package does on a machine: it is installed, started, upgraded and removed in an overlay of
# this machine, which stays unchanged.

load ../lib/process

setup_file() {
	has git && has dh && has dpkg-buildpackage || return 0
	export TREE=$BATS_FILE_TMPDIR/tree
	VERSION=$(sed -n 's/^VERSION = //p' "$ROOT/Makefile")
	export VERSION
	checkout "$TREE"
	# Without its tests: tests/machines/systemd builds with them.
	DEB_BUILD_OPTIONS=nocheck DEB_BUILD_PROFILES=nocheck make -s -C "$TREE" deb >"$BATS_FILE_TMPDIR/log" 2>&1 3>&- || {
		cat "$BATS_FILE_TMPDIR/log" >&2
		return 1
	}
	export DEBS=$TREE/build/deb
}

setup() {
	needs git dh dpkg-buildpackage
	LEFT=$BATS_TEST_TMPDIR/left
}

# checkout FOLDER: make a git checkout of the tree in FOLDER. The tree itself need not be one.
checkout() {
	mkdir "$1"
	tar -C "$ROOT" -cf - --exclude=./.git --exclude=./build --exclude='*.gc??' . | tar -C "$1" --no-same-owner -xf -
	git -C "$1" init -q
	git -C "$1" add .
	git -C "$1" -c user.name=test -c user.email=test@superd.example commit -q -m test
}

# machine <SCRIPT: run the script as root in an overlay of this machine, which is removed afterwards with all its processes. The
# packages are in /mnt. The file $LEFT lists the files that the script has left.
machine() {
	local room=$BATS_TEST_TMPDIR/machine
	mkdir "$room"
	{
		declare -f within machine_dpkg machine_unit machine_start
		cat
	} >"$BATS_TEST_TMPDIR/script"
	timeout 120 unshare --mount --pid --fork --kill-child bash -eu -c '
		room=$1 debs=$2 script=$3 left=$4
		mount -t tmpfs none "$room"
		mkdir "$room/upper" "$room/work" "$room/root"
		mount -t overlay -o "lowerdir=/,upperdir=$room/upper,workdir=$room/work" overlay "$room/root"
		mount --rbind /dev "$room/root/dev"
		mount -t proc none "$room/root/proc"
		mount --bind "$debs" "$room/root/mnt"
		# The index of manual pages takes seconds, and is not part of the test.
		rm -f "$room/root/var/lib/man-db/auto-update"
		status=0
		chroot "$room/root" bash -eu -o pipefail -c "$(cat "$script")" 2>&1 || status=$?
		cd "$room/upper"
		find . -mindepth 1 | while read -r path; do
			[ -e "/$path" ] || [ -L "/$path" ] || echo "$path"
		done >"$left"
		exit "$status"
	' machine "$room" "$DEBS" "$BATS_TEST_TMPDIR/script" "$LEFT" 3>&-
}

# The next functions are for the scripts of `machine`.

# within COMMAND...: run it until it succeeds.
within() {
	local end=$((SECONDS + 20))
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

# machine_dpkg ARGUMENT...: run dpkg, which prints nothing unless it fails.
machine_dpkg() {
	dpkg --force-unsafe-io "$@" >/root/dpkg.log 2>&1 || {
		cat /root/dpkg.log
		return 1
	}
	rm /root/dpkg.log
}

# machine_unit UNIT SETTING: print the command of that line of the unit, as systemd reads it.
machine_unit() {
	sed -n "s/^$2=//p" "/lib/systemd/system/$1.service" | sed 's/\$\$/$/g'
}

# machine_start: enable cmd, on a port that the kernel chooses, and start superd. Sets PORT.
machine_start() {
	sed -i 's/\(disable.*= \)yes/\1no/; s/\(port.*= \).*/\10/' /etc/superd.d/cmd
	: >/root/superd.log
	eval "$(machine_unit superd ExecStart)" 2>>/root/superd.log &
	within grep -q '^superd: listening cmd' /root/superd.log
	PORT=$(sed -n '/^superd: listening cmd/{s/.*://p;q;}' /root/superd.log)
}

@test "packages: the version, it is the same in the tarball, the Debian changelog and the RPM spec" {
	[ -f "$TREE/build/superd-$VERSION.tar.gz" ]
	[ "$(dpkg-parsechangelog -l "$ROOT/debian/changelog" -S Version)" = "$VERSION" ]
	grep -qx "Version: *$VERSION" "$ROOT/packaging/superd.spec"
}

@test "make dist: another user and other settings, the tarball has the same bytes" {
	needs root
	local other=$BATS_TEST_TMPDIR/other
	cp -R "$TREE" "$other"
	rm -rf "$other/build"
	chown -R nobody "$other"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR"
	printf '[tar]\n\tumask = user\n[core]\n\tautocrlf = true\n' >"$BATS_TEST_TMPDIR/gitconfig"
	setpriv --reuid nobody --clear-groups env HOME="$BATS_TEST_TMPDIR" GIT_CONFIG_GLOBAL="$BATS_TEST_TMPDIR/gitconfig" \
		TZ=Asia/Tokyo LC_ALL=C sh -c 'umask 077 && make -s -C "$1" dist' sh "$other"
	cmp "$TREE/build/superd-$VERSION.tar.gz" "$other/build/superd-$VERSION.tar.gz"
}

@test "make dist: times in the tarball, they are the time of the commit" {
	[ "$(od -An -tu4 -j4 -N4 "$TREE/build/superd-$VERSION.tar.gz" | tr -d ' ')" = 0 ]
	commit=$(git -C "$TREE" log -1 --format=%ct)
	run python3 -c '
import sys, tarfile
print({member.mtime for member in tarfile.open(sys.argv[1])})' "$TREE/build/superd-$VERSION.tar.gz"
	assert_output "{$commit}"
}

@test "make dist: its content, it builds and has that version" {
	cd "$DEBS/superd-$VERSION" # as `make deb` unpacked and built it
	run cmd/cmd <<<version
	assert_output "ok<>cmd $VERSION"
	run superd/superd -V
	assert_output "superd $VERSION"
	run cmdc/cmdc -V
	assert_output "cmdc $VERSION"
}

@test "RPM package: rpmbuild of the tarball, it has the programs, the pages and the units" {
	needs rpmbuild
	rpmbuild -tb --nodeps -D "_topdir $BATS_TEST_TMPDIR/rpm" -D '_unitdir /usr/lib/systemd/system' \
		"$TREE/build/superd-$VERSION.tar.gz" >"$BATS_TEST_TMPDIR/log" 2>&1
	run rpm -qpl "$BATS_TEST_TMPDIR"/rpm/RPMS/*/superd-"$VERSION"-1.*.rpm
	for file in /usr/bin/cmd /usr/bin/cmdc /usr/sbin/superd /usr/share/superd/health /etc/superd.d/cmd \
		/usr/lib/systemd/system/superd-xinetd.service; do
		assert_line "$file"
	done
	assert_line --regexp '^/usr/share/man/man8/superd\.8'
}

@test "make dist: outside a git checkout, it prints an error" {
	run make -s -C "$DEBS/superd-$VERSION" dist
	assert_failure
	assert_line 'make dist: needs a git checkout, because it packs the last commit'
	[ ! -e "$DEBS/superd-$VERSION/build" ]
}

@test "Debian package: lintian, it finds no error and no warning" {
	run lintian --allow-root --fail-on error,warning "$DEBS"/*.changes
	assert_success
	assert_output ''
}

@test "RPM spec: rpmlint, it finds no error and no warning" {
	run rpmlint "$ROOT/packaging/superd.spec"
	assert_success
	assert_output --partial '0 errors, 0 warnings'
}

@test "Debian package: it is installed, no service is enabled and the unit does not start" {
	needs root
	run machine <<-'END'
		machine_dpkg --install /mnt/superd_*.deb
		superd -t -c /etc/superd.d 2>/dev/null
		eval "$(machine_unit superd ExecCondition)" || echo "condition: $?"
	END
	assert_success
	assert_output 'condition: 1'
}

@test "Debian package: a service file has an error, the unit starts and can report it" {
	needs root
	run machine <<-'END'
		machine_dpkg --install /mnt/superd_*.deb
		echo 'service broken { nonsense = 1 }' >/etc/superd.d/broken
		eval "$(machine_unit superd ExecCondition)" && echo start
	END
	assert_output start
}

@test "Debian package: a service is enabled, the unit's command serves it" {
	needs root
	run machine <<-'END'
		machine_dpkg --install /mnt/superd_*.deb
		machine_start
		eval "$(machine_unit superd ExecCondition)"
		cmdc -p "$PORT" echo hello
		cmdc -h 127.0.0.1 -p "$PORT" peer
	END
	assert_success
	assert_line --index 0 hello
	assert_line --index 1 --partial '127.0.0.1'
}

@test "Debian package: an upgrade, superd keeps its process id and an open session continues" {
	needs root
	run machine <<-'END'
		machine_dpkg --install /mnt/superd_*.deb
		machine_start
		before=$(cat /run/superd.pid)
		exec {session}<>"/dev/tcp/127.0.0.1/$PORT"
		echo 'echo<>before' >&"$session"
		head -n 1 <&"$session"
		machine_dpkg --install /mnt/superd_*.deb
		within grep -q 'superd: upgraded' /root/superd.log
		[ "$(cat /run/superd.pid)" = "$before" ]
		echo 'echo<>after' >&"$session"
		head -n 1 <&"$session"
		cmdc -p "$PORT" echo new
	END
	assert_success
	assert_output $'ok<>before\nok<>after\nnew'
}

@test "Debian package: a changed service file, it survives an upgrade and a removal" {
	needs root
	run machine <<-'END'
		machine_dpkg --install /mnt/superd_*.deb
		echo '# changed' >>/etc/superd.d/git
		machine_dpkg --install /mnt/superd_*.deb
		tail -n 1 /etc/superd.d/git
		machine_dpkg --remove superd
		tail -n 1 /etc/superd.d/git
	END
	assert_success
	assert_output $'# changed\n# changed'
}

@test "Debian package: xinetd is installed, superd is installed beside it and superd-xinetd replaces it" {
	needs root
	run machine <<-'END'
		machine_dpkg --install /mnt/superd_*.deb
		dpkg-query -W -f '${Package} ${db:Status-Status}\n' xinetd superd
		apt-get -y -o DPkg::Options::=--force-unsafe-io install /mnt/superd-xinetd_*.deb >/root/log 2>&1 </dev/null || cat /root/log
		dpkg-query -W -f '${Package} ${db:Status-Status}\n' xinetd superd superd-xinetd
		eval "$(machine_unit superd-xinetd ExecCondition)" || echo "condition: $?"
		sed -i 's/\(disable.*= \)yes/\1no/' /etc/xinetd.d/daytime
		eval "$(machine_unit superd-xinetd ExecCondition)" && echo start
	END
	assert_success
	assert_output 'superd installed
xinetd installed
superd installed
superd-xinetd installed
xinetd config-files
condition: 1
start'
}

@test "Debian package: purge, no file is left" {
	needs root
	run machine <<-'END'
		machine_dpkg --install /mnt/superd_*.deb
		machine_start
		kill "$(cat /run/superd.pid)"
		within [ ! -e /run/superd.pid ]
		rm /root/superd.log
		machine_dpkg --purge superd
		command -v superd cmd cmdc || :
	END
	assert_success
	assert_output ''
	run cat "$LEFT"
	assert_output ''
}

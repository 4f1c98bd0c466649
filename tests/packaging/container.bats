# SPDX-License-Identifier: ISC
# The container of examples/Containerfile, without an engine: the image is built by the steps of that file, with static programs,
# and runs in namespaces, with the capabilities that the file asks for. An engine would set no-new-privileges; here only the
# service's attribute does. The last tests build the file itself, with buildah.

load ../lib/superd
load ../lib/client

FILE=$ROOT/examples/Containerfile

setup_file() {
	has root && has musl-gcc && has bash-static || return 0
	local tree=$BATS_FILE_TMPDIR/tree
	mkdir "$tree"
	tar -C "$ROOT" -cf - Makefile cmd superd cmdc examples packaging | tar -C "$tree" -xf -
	# The two steps of the build, with this machine's compiler and static shell.
	make -s -C "$tree" clean static CC=musl-gcc
	(cd "$tree" && examples/image "$BATS_FILE_TMPDIR/image" /bin/bash-static)
}

setup() {
	needs root musl-gcc bash-static
	IMAGE=$BATS_TEST_TMPDIR/image
	cp -a "$BATS_FILE_TMPDIR/image" "$IMAGE"
	# An engine adds these.
	mkdir "$IMAGE/proc" "$IMAGE/dev"
}

# instruction NAME: print the words of that instruction of the Containerfile, one per line.
instruction() {
	sed -n "s/^$1 //p" "$FILE" | python3 -c 'import json, sys; print("\n".join(json.load(sys.stdin)))'
}

# start_container [ATTRIBUTE=VALUE...]: start the container, with these values instead of the image's. Sets SUPERD_PID,
# UNSHARE_PID and LOG.
start_container() {
	local attribute command
	for attribute; do
		sed -i "s|^\(\t${attribute%%=*}\t.*=\).*|\1 ${attribute#*=}|" "$IMAGE/etc/superd.conf"
	done
	mapfile -t command < <(instruction ENTRYPOINT && instruction CMD)
	local capabilities
	capabilities=+$(sed -n 's/.*--cap-add \([a-z_,]*\).*/\1/p' "$FILE" | sed 's/,/,+/g')
	LOG=$BATS_TEST_TMPDIR/log
	INVOCATION_ID=of-superd start_background unshare --pid --mount --net --ipc --uts --fork --kill-child sh -c '
		ip link set lo up && mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" &&
		mount -t proc proc "$0/proc" && mount -t tmpfs tmpfs "$0/tmp" && mount -t tmpfs tmpfs "$0/dev" &&
		: >"$0/dev/null" && mount --bind /dev/null "$0/dev/null" && capabilities=$1 && shift &&
		exec setpriv --bounding-set="-all,$capabilities" chroot "$0" "$@"' \
		"$IMAGE" "$capabilities" "${command[@]}" </dev/null >"$LOG" 2>&1
	UNSHARE_PID=$BG_PID
	wait_for_line '^superd: listening challenge .*:1337$'
	SUPERD_PID=$(pgrep -P "$UNSHARE_PID")
}

# inside COMMAND...: run it in the container's network.
inside() {
	nsenter --target "$SUPERD_PID" --net "$@"
}

# play LINE...: send these lines to the shell in the container, and print its output.
play() {
	printf '%s\n' "$@" | inside timeout "$WAIT_SECONDS" nc -N 127.0.0.1 1337
}

# stay NAME LINE [SOURCE]: a client that sends a line, gets one back, and stays. Sets PLAYER, its process id; the output is
# $BATS_TEST_TMPDIR/NAME.
stay() {
	start_background nsenter --target "$SUPERD_PID" --net "$CLIENT" -s "${3:-127.0.0.1}" 1337 "send:$2\n" line hold >"$BATS_TEST_TMPDIR/$1"
	PLAYER=$BG_PID
	wait_for_line holding "$BATS_TEST_TMPDIR/$1"
}

# build_base: create the folder base, with the files of an image that the build can start from: the tools are those of this
# machine's /usr, which is mounted at the build. As on Alpine, cc is musl's, and there is a static shell.
build_base() {
	mkdir -p base/bin base/sbin base/usr
	mkdir -m 1777 base/tmp
	find / -maxdepth 1 -type l -name 'lib*' -exec cp -P {} base \;
	ln -s /usr/bin/sh base/bin/sh
	cp /bin/bash-static base/bin/busybox.static
	write_program apk "$PWD/base/sbin" </dev/null >/dev/null
	write_program cc "$PWD/base/sbin" <<<'exec musl-gcc "$@"' >/dev/null
	printf '%s\n' 'FROM scratch' 'COPY . /' 'ENV PATH=/sbin:/usr/bin' >base.containerfile
}

# build_image: build the Containerfile with buildah in namespaces without a network, where only the current folder and an empty
# /run are writable. The result is the folder oci, an image in OCI's format.
build_image() {
	mkdir home tmp helpers
	# Newer versions ask for netavark, even without a network, and raise limits that root may be unable to raise.
	write_program netavark "$PWD/helpers" <<<'exit 1' >/dev/null
	cat >containers.conf <<-END
		[containers]
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		[engine]
		helper_binaries_dir = ["$PWD/helpers"]
		[network]
		network_backend = "netavark"
		network_config_dir = "$PWD/networks"
	END
	cat >storage.conf <<-END
		[storage]
		driver = "vfs"
		graphroot = "$PWD/storage"
		runroot = "$PWD/run"
	END
	unshare --pid --mount --net --fork --kill-child --mount-proc env -i PATH="$PATH" HOME="$PWD/home" TMPDIR="$PWD/tmp" \
		CONTAINERS_CONF="$PWD/containers.conf" CONTAINERS_STORAGE_CONF="$PWD/storage.conf" sh -euc '
		mount --bind "$PWD" "$PWD" && cd "$PWD" && mount -t tmpfs tmpfs /run && mount -o remount,bind,ro /
		buildah build --isolation chroot --tag localhost/base --file base.containerfile base
		buildah build --isolation chroot --pull-never --from localhost/base --volume /usr:/usr:ro --tag localhost/superd \
			--file "$1/examples/Containerfile" "$1"
		buildah push localhost/superd "oci:$PWD/oci"
	' sh "$BATS_FILE_TMPDIR/tree" 3>&-
}

# unpack_image FOLDER: create the folder with the files of the image in oci, and print the settings of that image, as they stand in
# a Containerfile.
unpack_image() {
	mkdir "$1"
	python3 - "$1" <<-'END'
		import json, subprocess, sys

		def blob(descriptor):
		    return "oci/blobs/" + descriptor["digest"].replace(":", "/")

		[image] = json.load(open("oci/index.json"))["manifests"]
		manifest = json.load(open(blob(image)))
		for layer in manifest["layers"]:
		    subprocess.run(["tar", "-C", sys.argv[1], "-xpf", blob(layer)], check=True)
		config = json.load(open(blob(manifest["config"])))["config"]
		print("EXPOSE", *(port.removesuffix("/tcp") for port in config["ExposedPorts"]))
		print("STOPSIGNAL", config["StopSignal"])
		print("ENTRYPOINT", json.dumps(config["Entrypoint"]))
		print("CMD", json.dumps(config["Cmd"]))
		if config.get("User"):
		    print("USER", config["User"])
	END
}

# files FOLDER: print its files, with their type, mode and owner.
files() {
	(cd "$1" && find . -mindepth 1 -printf '%P %M %U %G\n' | sort)
}

# Starts a process that ends with the connection: it reads the next line.
LINGERER='(read -r line <&3) 3<&0 &'

@test "container: it starts, superd is process 1 with the capabilities it needs and every program is static" {
	start_container
	run awk '/^NSpid/ { print $3 }' "/proc/$SUPERD_PID/status"
	assert_output 1
	[ "/proc/$SUPERD_PID/exe" -ef "$IMAGE/sbin/superd" ]
	run awk '/^CapBnd/ { print $2 }' "/proc/$SUPERD_PID/status"
	assert_output 00000000000400e0
	run readelf -lW "$IMAGE/sbin/superd" "$IMAGE/bin/cmd" "$IMAGE/bin/cmdc" "$IMAGE/srv/challenge/challenge"
	assert_output --partial LOAD
	refute_output --partial INTERP
}

@test "container: a program, it is the player without other groups or capabilities" {
	start_container
	stay player 'echo $UID'
	run awk '/^(Uid|Gid|Groups|Cap(Inh|Prm|Eff|Amb)|NoNewPrivs)/ { $1 = $1; print }' \
		"/proc/$(pgrep -P "$SUPERD_PID")/status"
	assert_output 'Uid: 1337 1337 1337 1337
Gid: 1337 1337 1337 1337
Groups:
CapInh: 0000000000000000
CapPrm: 0000000000000000
CapEff: 0000000000000000
CapAmb: 0000000000000000
NoNewPrivs: 1'
}

@test "container: a program, it sees its own root, cannot change it, and has no variable of superd's" {
	start_container
	run play 'cd ../../..' 'echo /*' 'read -r flag </flag; echo "$flag"' 'echo >/new' 'echo >>/flag' 'echo "${INVOCATION_ID-none}"'
	assert_line --index 0 '/challenge /flag'
	assert_line --index 1 'flag{put your own here}'
	assert_line --index 2 --regexp '/new: Read-only file system$'
	assert_line --index 3 --regexp '/flag: Permission denied$'
	assert_line --index 4 none
	# The same if the root is writable.
	run find "$IMAGE/srv/challenge" '(' -not -user root -o -perm /022 ')'
	assert_output ''
}

@test "container: limits, the program cannot raise them" {
	start_container
	run play 'ulimit -v; ulimit -n; ulimit -t; ulimit -Ht' 'ulimit -n 33' 'printf -v much %080000000d 0; echo ${#much}'
	assert_line --index 0 65536
	assert_line --index 1 32
	assert_line --index 2 10
	assert_line --index 3 10
	assert_line --index 4 --partial 'Operation not permitted'
	refute_line 80000000
}

@test "container: rlimit_cpu is used up, the program is killed" {
	start_container rlimit_cpu=1
	stay player 'echo here; while :; do :; done'
	wait_for_line 'EXIT: challenge signal=\(9\|24\) '
}

@test "container: time_limit expires, the program and its children are killed" {
	start_container time_limit=1
	stay player "$LINGERER echo here; read -r line"
	wait_for_line 'EXIT: challenge signal=15 .*duration=[1-9]'
	wait_until has_children 0
}

@test "container: an orphan, superd reaps it" {
	start_container
	stay player "$LINGERER echo here; exit"
	wait_for_line 'EXIT: challenge status=0'
	has_children 1
	kill "$PLAYER"
	wait_until has_children 0
}

@test "container: a fourth client from one address, superd refuses it and serves another address" {
	start_container per_source_cps=50
	for name in first second third; do
		stay "$name" 'echo welcome'
	done
	run play 'echo welcome'
	assert_output ''
	wait_for_line 'FAIL: challenge per_source_limit from=127.0.0.1'
	stay fourth 'echo welcome' 127.0.0.2
	wait_for_line welcome "$BATS_TEST_TMPDIR/fourth"
}

@test "container: a client connects too often, superd refuses it" {
	start_container
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
		inside nc -z 127.0.0.1 1337
	done
	wait_for_line 'FAIL: challenge per_source_cps from=127.0.0.1'
}

@test "container: TERM without clients, the container ends with status 0" {
	start_container
	kill -TERM "$SUPERD_PID"
	wait_until is_gone "$UNSHARE_PID"
	wait "$UNSHARE_PID"
}

@test "container: TERM with a client, the program gets drain_time and then the container ends" {
	start_container drain_time=1
	stay player 'echo here; read -r line'
	kill -TERM "$SUPERD_PID"
	wait_for_line 'EXIT: challenge signal=15 '
	wait_until is_gone "$UNSHARE_PID"
	wait "$UNSHARE_PID"
}

@test "container: USR2 with a read-only root, superd upgrades" {
	start_container
	upgrade_superd
	run play 'echo $UID'
	assert_output 1337
	run awk '/^NSpid/ { print $3 }' "/proc/$SUPERD_PID/status"
	assert_output 1
}

@test "container: the image is built with a dynamically linked program, it is refused by name" {
	run "$BATS_FILE_TMPDIR/tree/examples/image" "$BATS_TEST_TMPDIR/new" /bin/ls
	assert_failure 1
	assert_output 'image: /bin/ls is dynamically linked, and would not start in the image (make static)'
	[ ! -e "$BATS_TEST_TMPDIR/new" ]
}

@test "container: buildah builds the Containerfile, the image has its files and settings, and serves" {
	needs buildah
	cd "$BATS_TEST_TMPDIR"
	build_base
	build_image
	run unpack_image built
	assert_output "$(grep -E '^(EXPOSE|STOPSIGNAL|ENTRYPOINT|CMD) ' "$FILE")"
	run files built
	assert_output "$(files "$BATS_FILE_TMPDIR/image")"
	run find built -type f -perm /111 -exec readelf -lW {} +
	assert_output --partial LOAD
	refute_output --partial INTERP
	IMAGE=$PWD/built
	mkdir "$IMAGE/proc" "$IMAGE/dev"
	start_container
	[ "/proc/$SUPERD_PID/exe" -ef "$IMAGE/sbin/superd" ]
	run play 'echo $UID /*'
	assert_output '1337 /challenge /flag'
}

@test "container: buildah builds the Containerfile with a dynamically linked program, the build fails and names it" {
	needs buildah
	cd "$BATS_TEST_TMPDIR"
	build_base
	cp /bin/true base/bin/busybox.static
	run build_image
	assert_failure
	assert_line 'image: /bin/busybox.static is dynamically linked, and would not start in the image (make static)'
	[ ! -e oci ]
}

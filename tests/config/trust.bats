# SPDX-License-Identifier: ISC
# Warnings of a superd that runs as root, about configuration files, programs and directories that other users could change.

load ../lib/superd

setup() {
	needs root
	PLACE=$BATS_TEST_TMPDIR/place
	mkdir "$PLACE"
	cp /bin/cat "$PLACE/program"
	CONF=$PLACE/conf
	print_service a "server = $PLACE/program" 'user = 4000123' >"$CONF"
}

# assert_warnings PATH...: the check warns of exactly these, each once.
assert_warnings() {
	check_config
	assert_success
	run sed 's/^\(.*: \)*warning: \(.*\): users other than root can change it .*/\2/' <<<"$stderr"
	assert_output "$(printf '%s\n' "$@")"
}

@test "trust: files and directories of root, superd does not warn" {
	assert_warnings
	chmod g+w "$CONF"
	chmod 1777 "$PLACE"
	assert_warnings
}

@test "trust: a file that others may write to or own, superd warns of it" {
	chmod o+w "$CONF"
	assert_warnings conf
	chmod o-w "$CONF"
	chown 4000124 "$PLACE/program"
	assert_warnings "$PLACE/program"
	[[ $stderr == "conf:7: warning: $PLACE/program: users other than root can change it (owner 4000124, group 0, mode 0755)" ]]
	chown 4000123 "$PLACE/program"
	assert_warnings
	chown 0:4000123 "$PLACE/program"
	chmod g+w "$PLACE/program"
	assert_warnings "$PLACE/program"
}

@test "trust: a directory that others may write to, superd warns once for many services and files" {
	chmod 777 "$PLACE"
	cp /bin/cat "$PLACE/other"
	{
		print_service b "server = $PLACE/program"
		print_service c "server = $PLACE/other"
		echo "include $PLACE/more"
	} >>"$CONF"
	print_service d >"$PLACE/more"
	assert_warnings "$PLACE"
}

@test "trust: links, superd looks at where each is and at where it leads" {
	mkdir -m 777 "$PLACE/links" "$PLACE/programs"
	mv "$PLACE/program" "$PLACE/programs/"
	ln -s ../programs/program "$PLACE/links/program"
	ln -s links/program "$PLACE/program"
	assert_warnings "$PLACE/links" "$PLACE/links/../programs"
}

@test "trust: -c names a link to itself or a relative path, superd finds the file or an end" {
	chmod 777 "$PLACE"
	cd "$PLACE"
	CONF=conf
	assert_warnings "$PLACE"
	ln -s loop loop
	run "$SUPERD" -t -c loop
	assert_failure 1
}

@test "trust: superd does not run as root, it does not warn" {
	chmod 777 "$PLACE/program"
	run --separate-stderr setpriv --reuid=4000123 --regid=4000123 --clear-groups "$SUPERD" -t -p 0 cat
	assert_success
	[ -z "$stderr" ]
}

@test "trust: at start and at HUP, superd warns and serves" {
	chmod 777 "$PLACE/program"
	start_superd -c "$CONF"
	log_has 1 "superd: warning: $CONF:7: $PLACE/program: users other than root can change it"
	reload_superd
	log_has 2 "superd: warning: $CONF:7: $PLACE/program: users other than root can change it"
}

@test "trust: two services run a program in another user's directory, superd warns of the one that is not that user's" {
	mkdir "$PLACE/theirs"
	cp /bin/cat "$PLACE/theirs/program"
	chown 4000123 "$PLACE/theirs"
	{
		print_service a "server = $PLACE/theirs/program" 'user = 4000123'
		print_service b "server = $PLACE/theirs/program" 'user = 4000124'
	} >"$CONF"
	assert_warnings "$PLACE/theirs"
}

@test "trust: an access list lets another user write to a program of root's, superd warns of it" {
	needs setfacl
	setfacl -m u:nobody:rwx "$PLACE/program" || skip "no access lists here"
	assert_warnings "$PLACE/program"
}

@test "trust: an interpreter, a banner and an empty directory of another user, superd warns of each" {
	mkdir "$PLACE/theirs"
	cp /bin/sh "$PLACE/interpreter"
	printf '#!%s\n' "$PLACE/interpreter" >"$PLACE/program"
	echo hello >"$PLACE/banner"
	chown 4000124 "$PLACE/theirs" "$PLACE/interpreter" "$PLACE/banner"
	{
		echo "includedir $PLACE/theirs"
		print_service a "server = $PLACE/program" "banner = $PLACE/banner"
	} >"$CONF"
	assert_warnings "$PLACE/theirs" "$PLACE/banner" "$PLACE/interpreter"
}

@test "trust: an interpreter is a link to itself, superd checks the rest" {
	ln -s ./loop "$PLACE/loop"
	printf '#!%s\n' "$PLACE/loop" >"$PLACE/program"
	assert_warnings
}

@test "trust: a directory of files in which others may add one, superd warns of it although it is sticky" {
	mkdir -m 1777 "$PLACE/files"
	echo "includedir $PLACE/files" >>"$CONF"
	assert_warnings "$PLACE/files"
}

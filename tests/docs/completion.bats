# Bash completion for cmdc and superd: what is offered for the beginning of a line.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/client

# offers LINE: what bash offers at the end of it, sorted, as bash itself would call for it.
offers() {
	PATH=$(dirname "$CMDC"):$(dirname "$SUPERD"):$PATH timeout "$WAIT_SECONDS" bash --norc -c '
		compopt() { :; } # it works only while bash completes
		source "$1/${2%% *}"
		read -ra COMP_WORDS <<<"$2"
		[[ $2 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$2 COMP_POINT=${#2}
		"_${2%% *}"
		((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}"' - "$ROOT/completions" "$1" | sort
}

# serve_help: a server that answers help as cmd does.
serve_help() {
	start_server - accept line 'send:out<>echo<>TEXT  answer TEXT\nout<>exit  end\nout<>help[<>NAME]  list\nok\n' hold
}

@test "the server that the line names is asked for its commands" {
	serve_help
	run offers "cmdc -h 127.0.0.1 -p $PORT "
	assert_output "$(printf 'echo\nexit\nhelp')"
	wait_for_server_line help
}

@test "commands are offered by their beginning" {
	serve_help
	run offers "cmdc -t 9 -p$PORT -h127.0.0.1 e"
	assert_output "$(printf 'echo\nexit')"
}

@test "an IPv6 address on the line is taken whole" {
	start_server -h ::1 - accept line 'send:out<>echo<>TEXT  answer\nok\n' hold
	run offers "cmdc -h ::1 -p $PORT e"
	assert_output echo
}

@test "what a server calls its commands is not expanded by the shell" {
	local touched=$BATS_TEST_TMPDIR/touched
	start_server - accept line "send:out<>a\$(touch $touched)b\nout<>\`touch $touched\`\nout<>\$HOME\nout<>*\nok\n" hold
	run offers "cmdc -h 127.0.0.1 -p $PORT "
	assert_output a
	assert [ ! -e "$touched" ]
}

@test "a server that is not there offers nothing, and says nothing" {
	run offers 'cmdc -h 127.0.0.1 -p 1 '
	assert_output ''
}

@test "behind NAME nothing is offered" {
	serve_help
	run offers "cmdc -h 127.0.0.1 -p $PORT echo e"
	assert_output ''
}

@test "the options of cmdc are offered" {
	run offers 'cmdc -'
	assert_output "$(printf -- '-V\n-h\n-p\n-t')"
}

@test "cmdc -p offers the names of services, and -h files" {
	run offers 'cmdc -p domai'
	assert_line domain
	run offers 'cmdc -h /et'
	assert_line /etc
}

@test "bash completes cmdc with this function" {
	run bash --norc -c 'source "$1/completions/cmdc"; complete -p cmdc' - "$ROOT"
	assert_output 'complete -F _cmdc cmdc'
}

@test "the options of superd are offered, all that its help has" {
	run offers 'superd -'
	assert_output "$("$SUPERD" -h | grep -o '^  -[A-Za-z].\{12\}' | grep -o -- '-[A-Za-z]\b' | sort -u)"
	assert_line -- -p
}

@test "superd -o offers attributes" {
	run offers 'superd -o per_source'
	assert_line per_source=
	assert_line per_source_cps=
}

@test "superd -o offers the words of a value" {
	run offers 'superd -p 0 -o on_limit='
	assert_output "$(printf 'refuse\nwait')"
	run offers 'superd -p 0 -o log_on_success+=PI'
	assert_output PID
	run offers 'superd -p 0 -o per_source='
	assert_output UNLIMITED
	run offers 'superd -p 0 -o directory=/et'
	assert_line /etc
}

@test "superd -o enabled= and disabled= offer the ids of the services in the files of the line" {
	local file=$BATS_TEST_TMPDIR/file touched=$BATS_TEST_TMPDIR/touched
	for id in one two "\$(touch\${IFS}$touched)"; do
		printf '%s\n' 'service a' '{' "id = $id" 'type = UNLISTED' 'protocol = tcp' 'wait = no' 'port = 0' \
			'user = nobody' 'server = /bin/cat' '}'
	done >"$file"
	run offers "superd -q -c $file -o enabled="
	assert_output "$(printf 'one\ntwo')"
	run offers "superd -qc $file -o disabled=t"
	assert_output two
	run offers 'superd -o enabled='
	assert_output ''
	assert [ ! -e "$touched" ]
}

@test "superd -u offers users, and groups behind a colon" {
	run offers 'superd -p 0 -u nobod'
	assert_output nobody
	run offers 'superd -p 0 -u nobody:nogrou'
	assert_output nogroup
}

@test "superd -l offers every facility, and no other word" {
	local facility offered
	offered=$(offers 'superd -l ')
	for facility in $offered; do
		run timeout "$WAIT_SECONDS" "$SUPERD" -l "$facility" -V
		assert_success
	done
	assert_equal "$(sort -u <<<"$offered" | xargs)" \
		"$(sed -n '/facilities\[\] = /,/;$/p' "$ROOT/superd/base/syslog.c" | grep -o '{"[a-z0-9]*"' | tr -d '{"' | sort -u | xargs)"
}

@test "the value of an option that is glued to others is no PROGRAM" {
	run offers 'superd -nqp 10100 -'
	assert_line -- -u
}

@test "bash completes superd with this function" {
	run bash --norc -c 'source "$1/completions/superd"; complete -p superd' - "$ROOT"
	assert_output 'complete -o filenames -F _superd superd'
}

@test "the first word without a dash is superd's program, and files follow it" {
	run offers 'superd -p 10100 xarg'
	assert_line xargs
	run offers 'superd -p 10100 cat /et'
	assert_line /etc
}

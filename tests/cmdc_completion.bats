# Bash completion for cmdc and superd: what is offered for the beginning of a line.
#
# shellcheck disable=SC2016,SC2154 # what expands in no shell of ours; what helper.bash sets

load helper
load cmdc

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
	serve - accept line 'send:out<>echo<>TEXT  answer TEXT\nout<>exit  end\nout<>help[<>NAME]  list\nok\n' hold
}

@test "the server that the line names is asked for its commands" {
	serve_help
	run offers "cmdc -h 127.0.0.1 -p $PORT "
	assert_output "$(printf 'echo\nexit\nhelp')"
	served_line help
}

@test "commands are offered by their beginning" {
	serve_help
	run offers "cmdc -t 9 -p$PORT -h127.0.0.1 e"
	assert_output "$(printf 'echo\nexit')"
}

@test "an IPv6 address on the line is taken whole" {
	serve -h ::1 - accept line 'send:out<>echo<>TEXT  answer\nok\n' hold
	run offers "cmdc -h ::1 -p $PORT e"
	assert_output echo
}

@test "what a server calls its commands is not expanded by the shell" {
	local touched=$BATS_TEST_TMPDIR/touched
	serve - accept line "send:out<>a\$(touch $touched)b\nout<>\`touch $touched\`\nout<>\$HOME\nout<>*\nok\n" hold
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
	assert_output "$("$SUPERD" -h | grep -o '^  *-[A-Za-z]' | tr -d ' ' | sort -u)"
	assert_line -- -p
}

@test "superd -o offers attributes" {
	run offers 'superd -o per_source'
	assert_line per_source=
	assert_line per_source_cps=
}

@test "the first word without a dash is superd's program, and files follow it" {
	run offers 'superd -p 10100 xarg'
	assert_line xargs
	run offers 'superd -p 10100 cat /et'
	assert_line /etc
}

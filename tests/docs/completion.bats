# SPDX-License-Identifier: ISC
# Completion in bash, zsh and fish.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/client

# offers LINE: print, sorted, what bash offers at the end of the line.
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

# serve_help: start a server that answers help as cmd does.
serve_help() {
	start_server - accept line 'send:out<>echo<>TEXT  answer TEXT\nout<>exit  end\nout<>help[<>NAME]  list\nok\n' hold
}

@test "completion cmdc: a host and a port on the line, it offers the commands of that server" {
	serve_help
	run offers "cmdc -h 127.0.0.1 -p $PORT "
	assert_output "$(printf 'echo\nexit\nhelp')"
	wait_for_server_line help
}

@test "completion cmdc: the beginning of a command, it offers the commands that begin so" {
	serve_help
	run offers "cmdc -t 9 -p$PORT -h127.0.0.1 e"
	assert_output "$(printf 'echo\nexit')"
}

@test "completion cmdc: an IPv6 address on the line, it asks that server" {
	needs ipv6
	start_server -h ::1 - accept line 'send:out<>echo<>TEXT  answer\nok\n' hold
	run offers "cmdc -h ::1 -p $PORT e"
	assert_output echo
}

@test "completion cmdc: hostile names of commands, the shell expands nothing" {
	local touched=$BATS_TEST_TMPDIR/touched
	start_server - accept line "send:out<>a\$(touch $touched)b\nout<>\`touch $touched\`\nout<>\$HOME\nout<>*\nok\n" hold
	run offers "cmdc -h 127.0.0.1 -p $PORT "
	assert_output a
	assert [ ! -e "$touched" ]
}

@test "completion cmdc: the server does not answer, it offers nothing and prints no error" {
	run offers 'cmdc -h 127.0.0.1 -p 1 '
	assert_output ''
}

@test "completion cmdc: a word after NAME, it offers nothing" {
	serve_help
	run offers "cmdc -h 127.0.0.1 -p $PORT echo e"
	assert_output ''
}

@test "completion cmdc: a dash, it offers the options" {
	run offers 'cmdc -'
	assert_output "$(printf -- '-V\n-h\n-p\n-t')"
}

@test "completion cmdc: -p and -h, it offers names of services and files" {
	needs /etc/services
	run offers 'cmdc -p domai'
	assert_line domain
	run offers 'cmdc -h /et'
	assert_line /etc
}

@test "completion cmdc: the file is read, bash uses its function" {
	run bash --norc -c 'source "$1/completions/cmdc"; complete -p cmdc' - "$ROOT"
	assert_output 'complete -F _cmdc cmdc'
}

@test "completion superd: a dash, it offers every option of superd -h" {
	run offers 'superd -'
	assert_output "$(options "$SUPERD")"
	assert_line -- -p
}

@test "completion superd: -o, it offers attributes" {
	run offers 'superd -o per_source'
	assert_line per_source=
	assert_line per_source_cps=
}

@test "completion superd: -o with an attribute, it offers the words of its value" {
	run offers 'superd -p 0 -o on_limit='
	assert_output "$(printf 'refuse\nwait')"
	run offers 'superd -p 0 -o log_on_success+=PI'
	assert_output PID
	run offers 'superd -p 0 -o per_source='
	assert_output UNLIMITED
	run offers 'superd -p 0 -o directory=/et'
	assert_line /etc
}

@test "completion superd: -o enabled= and disabled=, it offers the ids in the files on the line" {
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

@test "completion superd: -u, it offers users and groups after a colon" {
	run offers 'superd -p 0 -u nobod'
	assert_output nobody
	run offers 'superd -p 0 -u nobody:nogrou'
	assert_output nogroup
}

@test "completion superd: -l, it offers every facility and no other word" {
	local facility offered
	offered=$(offers 'superd -l ')
	for facility in $offered; do
		run timeout "$WAIT_SECONDS" "$SUPERD" -l "$facility" -V
		assert_success
	done
	assert_equal "$(sort -u <<<"$offered" | xargs)" \
		"$(sed -n '/facilities\[\] = /,/;$/p' "$ROOT/superd/base/log.c" | grep -o '{"[a-z0-9]*"' | tr -d '{"' | sort -u | xargs)"
}

@test "completion superd: the value of an option in a group of letters, it is not PROGRAM" {
	run offers 'superd -nqp 10100 -'
	assert_line -- -u
}

@test "completion superd: the file is read, bash uses its function" {
	run bash --norc -c 'source "$1/completions/superd"; complete -p superd' - "$ROOT"
	assert_output 'complete -o filenames -F _superd superd'
}

@test "completion superd: a word without a dash, it offers programs and then files" {
	run offers 'superd -p 10100 xarg'
	assert_line xargs
	run offers 'superd -p 10100 cat /et'
	assert_line /etc
}

# options PROGRAM: print the options that the help of the program describes.
options() {
	"$1" -h 2>&1 | grep -o '^  -[A-Za-z].\{12\}' | grep -o -- '-[A-Za-z]\b' | sort -u
}

# zsh_offers LINE TEXT: print what zsh shows at the end of the line, TEXT among it. Where more has been typed, it shows nothing.
zsh_offers() {
	PATH=$(dirname "$CMDC"):$(dirname "$SUPERD"):$(dirname "$CMD"):$PATH timeout "$WAIT_SECONDS" zsh -f -c '
		zmodload zsh/zpty
		zpty shell "stty -echo rows 100 cols 200; exec zsh -f -i"
		zpty -w shell "PS1= PROMPT_EOL_MARK= LISTMAX=1000; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; zstyle \"*\" insert-tab false; echo rea\"\"dy"
		zpty -r shell output "*ready*"
		zpty -w -n shell "$2$(printf "\t")"
		zpty -r shell output "*$3*"
		zpty -w -n shell "@@"
		zpty -r shell rest "*@@*"
		print -r -- "$output$rest"' - "$ROOT/completions" "$@"
}

# fish_offers LINE
fish_offers() {
	HOME=$BATS_TEST_TMPDIR PATH=$(dirname "$CMDC"):$(dirname "$SUPERD"):$(dirname "$CMD"):$PATH timeout "$WAIT_SECONDS" \
		fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$ROOT/completions/${1%% *}.fish" "$1"
}

@test "completion cmd: bash and a dash, it offers every option of cmd -h" {
	run offers 'cmd -'
	assert_output "$(options "$CMD")"
	assert_line -- -d
}

@test "completion zsh: a dash, it offers every option in the help of each program" {
	needs zsh
	for program in "$SUPERD" "$CMD" "$CMDC"; do
		run bash -c 'grep -o -- "-[A-Za-z]  -- " <<<"$1" | cut -c 1-2 | sort -u' - "$(zsh_offers "${program##*/} -" '-V  -- ')"
		assert_output "$(options "$program")"
		assert_line -- -V
	done
}

@test "completion zsh: superd -o and the beginning of an attribute, it completes the name" {
	needs zsh
	run zsh_offers 'superd -o inst' 'instances='
	assert_output --partial 'superd -o instances='
}

@test "completion zsh: cmdc and a server, it completes the server's commands" {
	needs zsh
	serve_help
	run zsh_offers "cmdc -h 127.0.0.1 -p $PORT ec" echo
	assert_output --partial "-p $PORT echo"
}

@test "completion fish: a dash, it offers every option in the help of each program" {
	needs fish
	for program in "$SUPERD" "$CMD" "$CMDC"; do
		run bash -c 'cut -f 1 <<<"$1" | sort' - "$(fish_offers "${program##*/} -")"
		assert_output "$(options "$program")"
		assert_line -- -V
	done
}

@test "completion fish: attributes and the server's commands, it offers them" {
	needs fish
	run fish_offers 'superd -o inst'
	assert_output --partial 'instances='
	serve_help
	run fish_offers "cmdc -h 127.0.0.1 -p $PORT e"
	assert_output "$(printf 'echo\nexit')"
}

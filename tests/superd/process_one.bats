# SPDX-License-Identifier: ISC
# superd as process 1, as in a container.
#
# shellcheck disable=SC2154 # run sets them

load ../lib/superd
load ../lib/client

@test "process 1: orphans exit, superd reaps them and logs only its own programs" {
	needs root capabilities
	SUPERD_PREFIX=(unshare --pid --fork --mount-proc --kill-child)
	start_superd -p 0 -b 127.0.0.1 sh -c 'sh -c "sleep 0.5; exit 3" & sh -c "exit 4" & echo here'
	init=$(pgrep -P "$SUPERD_PID")
	[ "$(awk '/^NSpid/ { print $3 }' "/proc/$init/status")" = 1 ]
	for _ in 1 2 3 4 5; do
		run "$CLIENT" "$PORT" all
		assert_output here
	done
	wait_for_line EXIT
	init_has_no_child() { ! pgrep -P "$init"; }
	wait_until init_has_no_child
	# Only its own programs are logged.
	[ "$(count_log EXIT)" -eq 5 ]
	kill -TERM "$init"
	wait_until is_gone "$init"
}

@test "process 1: USR2, superd upgrades" {
	needs root capabilities
	SUPERD_PREFIX=(unshare --pid --fork --mount-proc --kill-child)
	start_superd -p 0 -b 127.0.0.1 cat
	init=$(pgrep -P "$SUPERD_PID")
	kill -USR2 "$init"
	wait_for_line 'upgraded in place'
	run ask "$PORT" <<<hello
	assert_output hello
}

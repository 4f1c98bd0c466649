# SPDX-License-Identifier: ISC
# cmdc.1 agrees with cmdc.

load ../lib/process

PAGE=$ROOT/man/cmdc.1

usage() {
	"$CMDC" -x 2>&1 | tail -n +2
}

# page: print the page as it is read, without overstriking.
page() {
	mandoc -Tascii -O width=200 "$PAGE" | sed 's/.\x08//g'
}

# page_options: print the options of the page, one per line with its value.
page_options() {
	sed -n 's/^\.It Fl \([A-Za-z]\)\( Ar \(.*\)\)\{0,1\}$/-\1 \3/p' "$PAGE" | sed 's/ *$//'
}

@test "cmdc.1: the options, they are those of the usage with the same values and order" {
	run page_options
	assert_output "$(usage | sed -n 's/^  \(-[A-Za-z]\( [A-Z]*\)\{0,1\}\) .*/\1/p' | sed 's/ *$//')"
	assert_line -- '-t SECONDS'
}

@test "cmdc.1: the synopsis, it is the usage" {
	needs mandoc
	local line
	usage | sed -n 's/^\(usage:\|      \) \(cmdc .*\)$/\2/p' >"$BATS_TEST_TMPDIR/synopsis"
	run wc -l <"$BATS_TEST_TMPDIR/synopsis"
	assert_output 2
	while read -r line; do
		page | grep -qxF "     $line"
	done <"$BATS_TEST_TMPDIR/synopsis"
}

@test "cmdc.1: the options, cmdc takes these and no others" {
	local letter
	for letter in {a..z} {A..Z}; do
		run "$CMDC" "-$letter" </dev/null
		if page_options | grep -q "^-$letter\b"; then
			refute_output --partial 'no such option'
		else
			assert_output --partial "no such option: -$letter"
		fi
	done
}

@test "cmdc.1: the defaults, they are those of the usage" {
	needs mandoc
	usage | grep -q '(localhost)'
	usage | grep -q '(10100)'
	usage | grep -q '(60)'
	page | tr -s ' \n' ' ' >"$BATS_TEST_TMPDIR/page"
	grep -qF 'The default is localhost.' "$BATS_TEST_TMPDIR/page"
	grep -qF 'The default is 10100.' "$BATS_TEST_TMPDIR/page"
	grep -qF 'The default is 60, which' "$BATS_TEST_TMPDIR/page"
}

@test "cmdc.1: the exit statuses, they are those of the usage" {
	run sed -n '/^\.Sh EXIT STATUS/,/^\.El/s/^\.It //p' "$PAGE"
	assert_output "$(printf '0\n1\n2\n3')"
	usage | grep -q '0 ok, 1 error, 2 wrong usage, 3 no connection'
}

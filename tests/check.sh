#!/bin/sh
# Runs the tests of one build: check.sh [unit|stress|system|conformance|oracle|fuzz|docs|bounds|storm|memcheck]...; all of them but memcheck
# without a word.  The last line is `N passed, N failed`.
set -u
BUILD=${BUILD:-build}
passed=0
failed=0
PAGES=$BUILD/docs
export BUILD

# A sanitizer's finding ends the process it was made in; the leak check must not be stopped by setuid.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
# Check gives a test 4 seconds, which says nothing on a machine that has much else to do.
export CK_TIMEOUT_MULTIPLIER="${CK_TIMEOUT_MULTIPLIER:-10}"

count() {
	passed=$((passed + $1))
	failed=$((failed + $2))
}

# Check's closing line of one program, or all it said when something failed.
unit_result() {
	name=$1
	log=$BUILD/unit/$name.log
	line=$(grep -E '^[0-9]+%: Checks: ' "$log" | tail -n 1)
	numbers=$(echo "$line" | sed -n 's/.*Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/p')
	# shellcheck disable=SC2086 # three words
	set -- ${numbers:-0 0 0}
	bad=$(($2 + $3))
	if [ "$(cat "$BUILD/unit/$name.rc")" != 0 ] && [ "$bad" -eq 0 ]; then
		bad=1
		set -- "$(($1 + 1))" 0 1
	fi
	[ "$bad" -eq 0 ] || cat "$log"
	printf '%-28s %s\n' "$name" "${line:-no result}"
	count $(($1 - bad)) "$bad"
}

unit() {
	names=$(for source in tests/unit/test_*.c; do basename "$source" .c; done | grep -vx "${UNIT_SKIPPED:--}")
	# shellcheck disable=SC2016 # for the inner shell
	echo "$names" | xargs -P 2 -I{} sh -c \
		'timeout "${UNIT_SECONDS:-300}" ${UNIT_WRAPPER:-} "$BUILD/unit/{}" >"$BUILD/unit/{}.log" 2>&1 </dev/null; echo $? >"$BUILD/unit/{}.rc"'
	for name in $names; do
		unit_result "$name"
	done
}

# A suite that ends with its own count; one that does not get that far has failed.
counted() {
	name=$1
	shift
	"$@" 2>&1 </dev/null | tee "$BUILD/$name.log"
	numbers=$(tail -n 1 "$BUILD/$name.log" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
	# shellcheck disable=SC2086 # two words
	count ${numbers:-0 1}
}

# Shared memory, while workers are stopped and killed anywhere.
stress() {
	counted stress "$BUILD/processes"
}

system() {
	counted system python3 tests/system/run.py
}

conformance() {
	counted conformance sh tests/conformance/run.sh
}

oracle() {
	counted oracle python3 tests/oracle/oracle.py "$BUILD/verdicts"
}

bounds() {
	counted bounds python3 tests/bounds/run.py
}

# Each target over the files that were found for it; one that has none has failed.
replay() {
	for replay in "$BUILD"/fuzz/replay-*; do
		case $replay in *.d | *.log) continue ;; esac
		name=${replay##*/replay-}
		"$replay" "tests/fuzz/corpus/$name" 2>&1 | sed "s/^/$name: /"
	done | awk '
		{ print }
		/: [0-9]+ passed, [0-9]+ failed$/ { passed += $2; failed += $4; targets++ }
		END { print passed + 0 " passed, " failed + (targets == 0) " failed" }'
}

fuzz() {
	counted fuzz replay
}

# A whole ballast between hostile clients and origins.
storm() {
	counted storm python3 tests/fuzz/storm.py
}

# Unit tests in one process and in forks, system tests and a storm, every process of them under valgrind's memcheck.
# What a unit test leaves open is nobody's business; in the program it counts.  valgrind knows no seccomp filters
# and is not stepped through.
memcheck() {
	rm -rf "$BUILD/valgrind"
	export UNIT_SKIPPED='test_sandbox\|test_steps' UNIT_WRAPPER="sh tests/system/valgrind.sh" UNIT_SECONDS=1800 CK_TIMEOUT_MULTIPLIER=100
	for forks in no yes; do
		export CK_FORK="$forks" VALGRIND_OPTIONS="--track-fds=no"
		unit
	done
	unset VALGRIND_OPTIONS
	export VALGRIND=1 STORM_S="${STORM_S:-60}"
	system
	storm
	counted valgrind python3 tests/system/memcheck.py "$BUILD/valgrind"
}

page() {
	if cmp -s "$1" "$2"; then
		count 1 0
	else
		count 0 1
		echo "$2 differs from the tables; make docs prints it anew"
		diff "$2" "$1" | head -n 10
	fi
}

docs() {
	mkdir -p "$PAGES"
	sh tests/docs/print.sh "$BUILD/print-docs" "$PAGES" || count 0 1
	for name in config.md metrics.md ballast.yaml.5; do
		page "$PAGES/$name" "docs/$name"
	done
	echo "printed docs compared"
}

[ $# -gt 0 ] || set -- docs unit stress oracle fuzz system conformance bounds storm
for part in "$@"; do
	"$part"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

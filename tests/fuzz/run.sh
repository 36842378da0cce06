#!/bin/sh
# run.sh TARGET...: runs each libFuzzer target for FUZZ_S seconds, two at a time.  What it finds stays under
# $BUILD/fuzz: found/<target>/ inputs that reach new code, crash/<target>-* inputs that fail.  The tree is only
# read.  The last line is `N passed, N failed`.
set -u
BUILD=${BUILD:-build/fuzzing}
FUZZ_S=${FUZZ_S:-60}
OUT=$BUILD/fuzz
export BUILD FUZZ_S OUT
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1:allocator_may_return_null=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
mkdir -p "$OUT/crash" "$OUT/found"

# One target; its log, and its exit status beside it.
if [ "${1:-}" = -one ]; then
	name=$2
	mkdir -p "$OUT/found/$name"
	set -- "$OUT/found/$name" "tests/fuzz/corpus/$name"
	[ ! -f "tests/fuzz/$name.dict" ] || set -- "-dict=tests/fuzz/$name.dict" "$@"
	"$OUT/run-$name" -max_total_time="$FUZZ_S" -max_len=2048 -timeout=120 -report_slow_units=60 \
		-rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$OUT/crash/$name-" "$@" \
		>"$OUT/$name.log" 2>&1 </dev/null
	echo $? >"$OUT/$name.status"
	exit 0
fi

passed=0
failed=0
printf '%s\n' "$@" | xargs -P 2 -n 1 sh "$0" -one
for name in "$@"; do
	runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$OUT/$name.log")
	new=$(sed -n 's/^stat::new_units_added: //p' "$OUT/$name.log")
	if [ "$(cat "$OUT/$name.status")" = 0 ]; then
		passed=$((passed + 1))
		printf 'ok      %-18s %9d runs, %d of them new code\n' "$name" "${runs:-0}" "${new:-0}"
	else
		failed=$((failed + 1))
		printf 'FAILED  %s\n' "$name"
		grep -E '^(==|SUMMARY|tests/|src/|ERROR| *#[0-9] |artifact_prefix)|does not hold|runtime error' \
			"$OUT/$name.log" | head -n 40
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

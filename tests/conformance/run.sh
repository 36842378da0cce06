#!/bin/sh
# The conformance suite, public and own cases, against one build, once under each engine.  Prints the cases that did not
# pass, the suite's own closing line, and last `N passed, N failed`: a skipped case, one that did not
# run, and what a sanitizer found have failed.
set -u
# In a network of its own, where that is allowed, nobody else's connections reach the origins.
if [ -z "${CONFORMANCE_ALONE:-}" ] && unshare -n ip link set lo up 2>/dev/null; then
	export CONFORMANCE_ALONE=1
	# shellcheck disable=SC2016 # for the inner shell
	exec unshare -n sh -c 'ip link set lo up && exec sh "$0" "$@"' "$0" "$@"
fi
HERE=$(cd "$(dirname "$0")" && pwd)
BUILD=$(cd "${BUILD:-build}" && pwd) || exit 1
ENGINES=${BALLAST_ENGINES:-poll epoll}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
passed=0
failed=0

# LSan cannot look into a process that has left root behind; AddressSanitizer's own memory is not the program's.
settings=""
limits=""
if grep -q __asan_init "$BUILD/ballast"; then
	[ "$(id -u)" -ne 0 ] || settings='user = "root";'
	limits="--param rss_limit_mib=512"
fi
ASAN_OPTIONS="${ASAN_OPTIONS:-}:log_path=$scratch/sanitizer"
UBSAN_OPTIONS="${UBSAN_OPTIONS:-}:log_path=$scratch/sanitizer"
PYTHONDONTWRITEBYTECODE=1
export ASAN_OPTIONS UBSAN_OPTIONS PYTHONDONTWRITEBYTECODE
unset LB_PORT LB_STRATEGY LB_BACKENDS LB_WORKERS LB_CONFIG LOG_ENV LOG_LEVEL NOTIFY_SOCKET

# suite ENGINE OPTIONS...
suite() {
	engine=$1
	shift
	printf 'event_engine = "%s"; %s\n' "$engine" "$settings" >"$scratch/$engine.cfg"
	# shellcheck disable=SC2086 # two words or none
	python3 "$HERE/httpcases.py" --adapter command --config-template "$HERE/ballast.yaml.in" \
		--command "$BUILD/ballast -c {config} -C $scratch/$engine.cfg -w 2 -p {dir}/pid" \
		--quiet --jobs 3 --max-seconds 600 $limits "$@" >"$scratch/$engine.log" 2>&1 </dev/null
}

# result PASSED OF: what is missing has failed.
result() {
	passed=$((passed + $1))
	failed=$((failed + $2 - $1))
}

# The cases mostly wait, so the engines run side by side.
for engine in $ENGINES; do
	suite "$engine" "$@" &
done
wait
for engine in $ENGINES; do
	grep -v '^#' "$scratch/$engine.log" | sed "s/^TOTAL/conformance $engine:/"
	numbers=$(sed -n 's|^TOTAL \([0-9]*\)/\([0-9]*\) passed.*|\1 \2|p' "$scratch/$engine.log")
	# shellcheck disable=SC2086 # two words
	result ${numbers:-0 1}
done
for finding in "$scratch"/sanitizer*; do
	[ -e "$finding" ] || continue
	cat "$finding"
	failed=$((failed + 1))
done
# shellcheck disable=SC2046 # two words
set -- $(python3 "$HERE/requirements.py" | tee "$scratch/requirements" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
grep -v ' passed, ' "$scratch/requirements"
result "${1:-0}" "$((${1:-0} + ${2:-1}))"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

#!/bin/sh
# make lint: every check that needs no running program.  One line each; the output of those that fail
# follows it.  Ends with `N passed, N failed`.
set -u
BUILD=${BUILD:-build}
LOGS=$BUILD/lint
JOBS=2
passed=0
failed=0
mkdir -p "$LOGS"

step() {
	name=$1
	shift
	if "$@" >"$LOGS/$name.log" 2>&1; then
		passed=$((passed + 1))
		echo "ok      $name"
	else
		failed=$((failed + 1))
		echo "FAILED  $name"
		cat "$LOGS/$name.log"
	fi
}

sources() {
	find src -name '*.c' | sort
}

layers() {
	# shellcheck disable=SC2046 # no spaces in our names
	awk -f tests/lint/layers.awk $(find src include/ballast -name '*.[ch]' -o -path '*include*' -name '*.def')
}

# The judge itself: an include that climbs must be found.
layers_sees_a_climb() {
	mkdir -p "$LOGS/src/http"
	echo '#include "ballast/proxy/proxy.h"' >"$LOGS/src/http/climbs.c"
	! awk -f tests/lint/layers.awk "$LOGS/src/http/climbs.c"
}

# Program, unit tests and fuzz targets without one warning.
compile() {
	make -s -j "$JOBS" BUILD="$BUILD/$1" CC="$1" WERROR=1 "$BUILD/$1/ballast" "$BUILD/$1/origin" \
		"$BUILD/$1/print-docs" "$BUILD/$1/complexity" "$BUILD/$1/verdicts" \
		"$BUILD/$1/threads" "$BUILD/$1/processes" \
		"$BUILD/$1/floor" "$BUILD/$1/sources" "$BUILD/$1/micro" units replays
}

# It does not know __VA_OPT__, so it sees the log's macro without its fields.
cppcheck_all() {
	rm -rf "$LOGS/include"
	cp -r include "$LOGS/include"
	sed -i -e '/^#define log_at(/,/[^\\]$/d' "$LOGS/include/ballast/base/log.h"
	sed -i -e 's/^#define log_debug/#define log_at(level, msg, ...) log_write(level, LOG_CALLER, msg, NULL)\n&/' \
		"$LOGS/include/ballast/base/log.h"
	cppcheck --quiet --std=c11 --language=c -j "$JOBS" -I"$LOGS/include" -D_GNU_SOURCE --inline-suppr \
		--enable=warning,performance,portability --error-exitcode=1 \
		--suppressions-list=tests/lint/cppcheck.txt src tests/origin tests/fuzz tests/stress tests/bench
}

tidy() {
	# shellcheck disable=SC2016 # for the inner shell
	sources | xargs -P "$JOBS" -n 3 sh -c '
		flags=$1; shift
		clang-tidy --quiet --warnings-as-errors="*" "$@" -- $flags 2>/dev/null' tidy \
		"-std=gnu11 -D_GNU_SOURCE -Iinclude"
}

scripts() {
	# shellcheck disable=SC2046 # no spaces in our names
	shellcheck $(find .ci init tests -type f \( -name run -o -name '*.sh' -o -name '*.init' \))
}

python() {
	python3 - <<-'END'
	import ast, glob
	for name in glob.glob("tests/**/*.py", recursive=True):
	    ast.parse(open(name).read(), name)
	END
}

# mandoc is optional: nothing else needs it.
manuals() {
	command -v mandoc >/dev/null 2>&1 || return 0
	mandoc -T lint -W warning docs/*.[0-9]
}

unit_file() {
	command -v systemd-analyze >/dev/null 2>&1 || return 0
	sed 's|@[A-Z]*@|/usr|g' init/ballast.service >"$LOGS/ballast.service"
	systemd-analyze security --offline=true --threshold=20 "$LOGS/ballast.service"
}

step layers layers
step layers-sees-a-climb layers_sees_a_climb
step gcc compile gcc
step clang compile clang
step format make -s format-check
step cppcheck cppcheck_all
step clang-tidy tidy
step shellcheck scripts
step python python
step manuals manuals
step unit-file unit_file
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

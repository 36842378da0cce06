#!/bin/sh
# What ballast needs to be built and tested.
#   deps.sh install   installs what is missing through apt, or prints the one command
#   deps.sh need      the same, but silent and quick when nothing is missing
#   deps.sh bench     what make bench needs beside it: peers, a client, a plotter
#   deps.sh peers     the proxies that make conformance-peers measures
set -eu

PACKAGES="build-essential pkg-config libyaml-dev libbsd-dev libconfig-dev libseccomp-dev check python3 curl prometheus valgrind slowhttptest nodejs spin"
LINTERS="clang clang-format clang-tidy cppcheck shellcheck"

has_all() {
	pkg-config --exists yaml-0.1 libbsd libconfig libseccomp check 2>/dev/null || return 1
	for tool in "${CC:-gcc}" make python3 curl promtool valgrind slowhttptest node spin; do
		command -v "$tool" >/dev/null 2>&1 || return 1
	done
}

# libFuzzer, for make fuzz: clang only recommends it.
fuzzable() {
	set -- "$(clang -print-resource-dir)"/lib/*/libclang_rt.fuzzer*.a
	[ -e "$1" ]
}

lintable() {
	for tool in clang clang-format clang-tidy cppcheck shellcheck; do
		command -v "$tool" >/dev/null 2>&1 || return 1
	done
}

comparable() {
	for tool in nginx haproxy apache2; do
		PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null 2>&1 || return 1
	done
}

benchable() {
	for tool in nginx haproxy wrk gnuplot strace valgrind; do
		PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null 2>&1 || return 1
	done
}

case "${1:-install}" in
bench)
	PACKAGES="nginx-light haproxy wrk gnuplot-nox strace valgrind"
	LINTERS=""
	benchable && exit 0
	;;
peers)
	PACKAGES="nginx haproxy apache2-bin"
	LINTERS=""
	comparable && exit 0
	;;
need) has_all && exit 0 ;;
*) has_all && lintable && fuzzable && exit 0 ;;
esac

command="apt-get install -y --no-install-recommends $PACKAGES $LINTERS"
if ! command -v apt-get >/dev/null 2>&1; then
	echo "This machine has no apt-get.  Please install the equivalents of: $PACKAGES $LINTERS" >&2
	exit 1
fi
if [ "$(id -u)" = 0 ]; then
	as_root=""
elif sudo -n true 2>/dev/null; then
	as_root="sudo"
else
	echo "Packages are missing.  Please run:  sudo $command" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# Where there is no such package, it is a part of clang's own.
apt-cache show libclang-rt-dev >/dev/null 2>&1 && command="$command libclang-rt-dev"
# shellcheck disable=SC2086 # a list of words
$as_root $command

#!/bin/sh
# The training of make pgo: each kind of load for a moment, on the instrumented program in $BALLAST.
# As root its workers stay root: each process writes its part of the profile when it ends.
set -eu
subject=ballast
[ "$(id -u)" -ne 0 ] || subject=ballast+user=root
BENCH=small,browser,close,64k,upload,slow,log SUBJECTS=$subject ROUNDS=1 BENCH_SECONDS=2 BENCH_WARMUP=0 \
	BENCH_JSON="${BUILD:-build}/pgo-training.json" python3 tests/bench/bench.py >/dev/null

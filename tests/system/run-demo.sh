#!/bin/sh
# make run: ballast with conf/config.yaml in the foreground, before two demo backends.  Ctrl-C ends all of them.
set -u
BUILD=${BUILD:-build}
origins=""

# curl's 7: nobody listens there.
is_served() {
	curl -s -o /dev/null --max-time 2 "http://localhost:$1/"
	[ $? -ne 7 ]
}

origin() {
	if is_served "$1"; then
		echo "port $1 is served already: what is there becomes the backend, no demo backend is started"
		return
	fi
	setsid "$BUILD/origin" -n "$2" "$1" </dev/null &
	origins="$origins $!"
}

# shellcheck disable=SC2317 # by trap
finish() {
	# shellcheck disable=SC2086 # a list of numbers
	[ -z "$origins" ] || kill $origins 2>/dev/null
	wait
}

if is_served 3332; then
	echo "port 3332 is served already; stop that first, or choose another: LB_PORT=8080 make run" >&2
	[ -n "${LB_PORT:-}" ] || exit 1
fi
trap finish EXIT
origin 9001 one
origin 9002 two
cat <<END

  curl localhost:3332              the backends in turn
  curl localhost:3332/metrics      for Prometheus
  kill -HUP \$(cat $BUILD/run.pid)   load conf/config.yaml again
  Ctrl-C                           drain and end

END
# In sessions of their own, so that Ctrl-C reaches this script alone, and ballast as one TERM: a second one
# would end it at once.  The demo backends stay until it has drained.
setsid "$BUILD/ballast" -c conf/config.yaml -p "$BUILD/run.pid" &
ballast=$!
trap 'kill -TERM $ballast 2>/dev/null' INT TERM
status=0
while kill -0 "$ballast" 2>/dev/null; do
	wait "$ballast"
	status=$?
done
exit "$status"

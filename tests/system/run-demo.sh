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

# Another program may have taken the instance over (USR2): then the pidfile names that one.
find_instance() {
	pid=$(cat "$BUILD/run.pid" 2>/dev/null)
	grep -aqs "^ballast: master" "/proc/${pid:-none}/cmdline" && ballast=$pid
}

# shellcheck disable=SC2317 # by trap
end_instance() {
	interrupted=yes
	find_instance
	kill -TERM "$ballast" 2>/dev/null
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
  kill -USR2 \$(cat $BUILD/run.pid)  replace the program by the one that is built now
  Ctrl-C                           drain and end

END
# In sessions of their own, so that Ctrl-C reaches this script alone, and ballast as one TERM: a second one
# would end it at once.  The demo backends stay until it, or who has taken its place, has drained.
setsid "$BUILD/ballast" -c conf/config.yaml -p "$BUILD/run.pid" &
first=$!
ballast=$first
interrupted=
trap end_instance INT TERM
wait "$first"
status=$?
# A trap ends the wait with a status of its own; the one that ballast ends with is still to come.
while [ "$status" -gt 128 ] && [ -n "$interrupted" ]; do
	interrupted=
	wait "$first"
	status=$?
done
# With 1 it did not start: what the pidfile names is somebody else's.  A successor is no child of ours to wait for.
while [ "$status" -ne 1 ] && find_instance; do
	sleep 0.2
done
exit "$status"

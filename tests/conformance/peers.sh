#!/bin/sh
# The score of the proxies that the suite has adapters for, on the public cases and on our own:
# peers.sh [nginx|haproxy|apache]...   Logs and JSON go to $PEERS (default: build/peers).
set -u
if [ -z "${CONFORMANCE_ALONE:-}" ] && unshare -n ip link set lo up 2>/dev/null; then
	export CONFORMANCE_ALONE=1
	# shellcheck disable=SC2016 # for the inner shell
	exec unshare -n sh -c 'ip link set lo up && exec sh "$0" "$@"' "$0" "$@"
fi
here=$(cd "$(dirname "$0")" && pwd)
logs=${PEERS:-build/peers}
PATH=$PATH:/usr/sbin
PYTHONDONTWRITEBYTECODE=1
export PATH PYTHONDONTWRITEBYTECODE
mkdir -p "$logs" || exit 1

version() {
	case $1 in
	nginx) nginx -v 2>&1 ;;
	haproxy) haproxy -v | head -n 1 ;;
	apache) apache2 -v | head -n 1 ;;
	esac
}

[ $# -gt 0 ] || set -- nginx haproxy apache
for peer in "$@"; do
	echo "$peer: $(version "$peer")"
	for cases in public own; do
		python3 "$here/httpcases.py" --adapter "$peer" --set "$cases" --quiet --json "$logs/$cases-$peer.json" \
			>"$logs/$cases-$peer.log" 2>&1 </dev/null
		echo "  $cases: $(sed -n 's/^TOTAL //p' "$logs/$cases-$peer.log")"
	done
done

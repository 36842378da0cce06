#!/bin/sh
# valgrind.sh PROGRAM ARGUMENTS...: the program under memcheck, which makes every error and every leak, in it or in a
# process it forks, an exit status of 99.  Each process writes $VALGRIND_LOGS.PID: empty when all is well
# but for the descriptors that are open at its end, which the harness judges.
# --vgdb=no: no pipes in /tmp.  A child that has become another user still has its log, it is opened at the fork.
: "${VALGRIND_LOGS:=${BUILD:-build}/valgrind/log}"
case $VALGRIND_LOGS in
/*) ;;
*) VALGRIND_LOGS=$PWD/$VALGRIND_LOGS ;;
esac
mkdir -p "$(dirname "$VALGRIND_LOGS")"
export VALGRIND_LOGS
# shellcheck disable=SC2086 # words
exec valgrind -q --vgdb=no --leak-check=full --show-leak-kinds=definite,indirect,possible \
	--errors-for-leak-kinds=definite,indirect,possible --error-exitcode=99 --track-fds=yes \
	--child-silent-after-fork=no --log-file="$VALGRIND_LOGS.%p" ${VALGRIND_OPTIONS:-} "$@"

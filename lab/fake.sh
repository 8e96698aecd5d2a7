#!/bin/sh
# fake.sh start|stop|status: fake clusters, as there are no real ones of these schedulers to be had.
# One server runs their jobs as plain processes; their programs speak each scheduler's accent.
. "$(dirname "$0")/common.sh"
. "$HERE/login.sh"

FAKE=$LAB/fake
TESTS=$HERE/../tests

# installed: what runs is a copy, so that the lab's user need not be able to read the checkout.
installed() {
    mkdir -p "$FAKE/lib.new/accents" "$FAKE/lib.new/jobauto"
    cp "$TESTS"/fakebooks.py "$TESTS"/fakecluster.py "$TESTS"/fakeprogram.py "$TESTS"/fakeserver.py "$FAKE/lib.new"
    cp "$TESTS"/accents/*.py "$FAKE/lib.new/accents"
    cp "$HERE/../jobauto/__init__.py" "$HERE/../jobauto/model.py" "$FAKE/lib.new/jobauto"
    chmod 755 "$FAKE/lib.new/fakeprogram.py"
    if diff -rq -x __pycache__ "$FAKE/lib.new" "$FAKE/lib" >/dev/null 2>&1; then
        rm -rf "$FAKE/lib.new"
        return 0
    fi
    stop fake-clusters
    rm -rf "${FAKE:?}/lib"
    mv "$FAKE/lib.new" "$FAKE/lib"
    # compiled now: the lab's user may not write there
    /usr/bin/python3 -m compileall -q "$FAKE/lib"
}

start() {
    make_user
    installed
    ! alive fake-clusters || return 0
    # each begins without the jobs of last time
    for accent in $FAKES; do
        rm -rf "${FAKE:?}/$accent"
        mkdir -p "$FAKE/$accent"
        chown "$LAB_USER:" "$FAKE/$accent"
    done
    # shellcheck disable=SC2086  # a list of words
    launch fake-clusters setpriv --reuid="$LAB_USER" --regid="$LAB_USER" --init-groups \
        /usr/bin/python3 -IS "$FAKE/lib/fakeserver.py" "$FAKE" $FAKES
    for accent in $FAKES; do
        wait_for 10 test -S "$FAKE/$accent/socket" ||
            die "the fake cluster $accent does not answer" "$LAB/log/fake-clusters.log"
    done
}

case ${1:-status} in
start) prepare && start ;;
stop)
    prepare
    stop fake-clusters
    ;;
status) report fake-clusters "FAKE, no real schedulers: $FAKES ($LAB_SLOTS slots each)" ;;
*) die 'usage: fake.sh start|stop|status' ;;
esac

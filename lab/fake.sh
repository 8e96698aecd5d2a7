#!/bin/sh
# fake.sh start|stop|status: fake clusters, as there are no real ones of these schedulers to be had.
# One dispatcher runs their jobs as plain processes; their programs speak each scheduler's accent.
. "$(dirname "$0")/common.sh"
. "$HERE/login.sh"

FAKE=$LAB/fake
TESTS=$HERE/../tests

# installed: what runs is a copy, so that the lab's user need not be able to read the checkout.
installed() {
    mkdir -p "$FAKE/lib.new/accents" "$FAKE/lib.new/jobauto"
    cp "$TESTS"/fake[cdp]*.py "$FAKE/lib.new"
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

# Each program is a link in FAKE/<accent>/bin; the books and switches beside it belong to the jobs' user.
make_programs() {
    for accent in $FAKES; do
        rm -rf "${FAKE:?}/$accent/bin"
        mkdir -p "$FAKE/$accent/bin"
        chown "$LAB_USER:" "$FAKE/$accent"
        rm -f "$FAKE/$accent/down" "$FAKE/$accent/limit"
        programs=$(/usr/bin/python3 -IS "$FAKE/lib/fakeprogram.py" "$accent") || die "no programs of $accent"
        for program in $programs; do
            ln -s ../../lib/fakeprogram.py "$FAKE/$accent/bin/$program"
        done
    done
}

start() {
    make_user
    installed
    ! alive fake-clusters || return 0
    make_programs
    launch fake-clusters setpriv --reuid="$LAB_USER" --regid="$LAB_USER" --init-groups \
        /usr/bin/python3 -IS "$FAKE/lib/fakedispatcher.py" "$FAKE"
    for accent in $FAKES; do
        wait_for 10 test -s "$FAKE/$accent/books" || die "fake $accent does not begin" "$LAB/log/fake-clusters.log"
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

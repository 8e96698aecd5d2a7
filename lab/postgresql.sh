#!/bin/sh
# postgresql.sh start|stop|status: a private PostgreSQL on loopback, in a folder of its own; the machine's
# own clusters are left alone. root is its superuser, by the socket; all others need a password.
. "$(dirname "$0")/common.sh"
. "$HERE/login.sh"

BASE=$LAB/postgresql
DATA=$BASE/data
PG_PORT=$((PORT + 50))
PG_BIN=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)

# PostgreSQL refuses to run as root
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }

settings() {
    cat <<END
listen_addresses = '127.0.0.1'
port = $PG_PORT
unix_socket_directories = '$BASE/socket'
max_connections = 60
END
}

who_may_enter() {
    cat <<END
local all postgres peer map=lab
host all all 127.0.0.1/32 scram-sha-256
END
}

configure() {
    install -d -o postgres -g postgres "$BASE" "$BASE/socket"
    # initdb that was killed leaves a folder which it does not take again
    if [ ! -e "$BASE/made" ]; then
        rm -rf "$DATA"
        as_postgres "$PG_BIN/initdb" --locale=C.UTF-8 --auth=reject -D "$DATA" >"$LAB/log/initdb.log" 2>&1 ||
            die 'initdb failed' "$LAB/log/initdb.log"
        as_postgres touch "$BASE/made"
    fi
    changed=
    ! settings | put "$DATA/postgresql.conf" || changed=yes
    ! who_may_enter | put "$DATA/pg_hba.conf" || changed=yes
    ! printf 'lab root postgres\nlab postgres postgres\n' | put "$DATA/pg_ident.conf" || changed=yes
    chown postgres: "$DATA"/*.conf
    [ -z "$changed" ] || stop_postgresql
}

# answers: over the same address as the tests
answers() { "$PG_BIN/pg_isready" -q -h 127.0.0.1 -p "$PG_PORT"; }

# unlocked: a server that was killed holds its lock until its parent has noticed
unlocked() { ! as_postgres kill -0 "$(head -n 1 "$DATA/postmaster.pid")"; }

start() {
    configure
    alive postgresql || ! wait_for 20 unlocked || launch postgresql setpriv --reuid=postgres --regid=postgres --init-groups \
        "$PG_BIN/postgres" -D "$DATA"
    wait_for 30 answers || die 'PostgreSQL does not answer' "$LAB/log/postgresql.log"
    # the port may be answered by somebody else's
    alive postgresql || die 'PostgreSQL has ended' "$LAB/log/postgresql.log"
}

# TERM would wait for the clients to leave
stop_postgresql() { stop postgresql INT; }

case ${1:-status} in
start) prepare && start ;;
stop)
    prepare
    stop_postgresql
    ;;
status)
    version=$("$PG_BIN/postgres" --version 2>/dev/null) || version='not installed'
    ! alive postgresql || answers || version='does not answer'
    report postgresql "$version, port $PG_PORT" && [ "$version" != 'does not answer' ]
    ;;
*) die 'usage: postgresql.sh start|stop|status' ;;
esac

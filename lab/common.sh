# shellcheck shell=sh disable=SC2034
# Shared by every script here: places, messages, packages, files, and daemons
# that are known by the pid which was recorded when they were started.
set -eu
umask 022
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C.UTF-8

HERE=$(cd "$(dirname "$0")" && pwd)
LAB=${JOBAUTO_LAB:-/var/lib/jobauto-lab}
LAB_USER=hpc
LAB_SLOTS=64 # jobs of one core that run at once, in either scheduler
LAB_HOST=$(uname -n)
export SGE_ROOT=/var/lib/gridengine SGE_CELL=default

say() { printf 'lab: %s\n' "$*"; }
warn() { printf 'lab: warning: %s\n' "$*" >&2; }

# die WHAT [LOG]: says what failed, the end of the log, and where to read the rest.
die() {
    printf 'lab: error: %s\n' "$1" >&2
    [ -z "${2:-}" ] || {
        tail -n 5 "$2" 2>/dev/null | sed 's/^/    /' >&2
        printf 'lab: read %s, then run %s/up again\n' "$2" "$HERE" >&2
    }
    exit 1
}

case $LAB in
*[!A-Za-z0-9/._-]* | [!/]*) die "JOBAUTO_LAB must be an absolute path without odd characters: $LAB" ;;
esac

# every script that changes something begins with this
prepare() {
    [ "$(id -u)" = 0 ] || die "run me as root: this starts daemons that start jobs of $LAB_USER"
    mkdir -p "$LAB/bin" "$LAB/etc" "$LAB/keys" "$LAB/log" "$LAB/path" "$LAB/pid"
}

# need PACKAGE...: installs what is missing.
need() {
    missing=
    for package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "installing$missing"
    # on a machine without this file, the packages would start daemons of their own
    policy=/usr/sbin/policy-rc.d
    [ ! -e "$policy" ] || policy=
    [ -z "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"; }
    # shellcheck disable=SC2086  # a list of words
    apt install $missing || { apt update && apt install $missing; } || failed=yes
    [ -z "$policy" ] || rm -f "$policy"
    [ -z "${failed:-}" ] || die "apt-get could not install$missing" "$LAB/log/apt.log"
}
apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout=120 "$@" >>"$LAB/log/apt.log" 2>&1 </dev/null
}

# put FILE: writes stdin there by rename; true only when the content is new.
put() {
    cat >"$1.new"
    if cmp -s "$1.new" "$1"; then
        rm -f "$1.new"
        return 1
    fi
    mv -f "$1.new" "$1"
}

# wait_for SECONDS COMMAND...: true as soon as the command is.
wait_for() {
    deadline=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# on_loopback: does this machine's name point to 127.*?
on_loopback() { case $(getent ahostsv4 "$LAB_HOST") in 127.*) ;; *) return 1 ;; esac; }

# fence NAME PORT,PORT: for daemons that listen on every address, a firewall rule keeps others out.
fence() {
    nft -f - 2>>"$LAB/log/nft.log" <<END || warn "ports $2 are open to other machines (see $LAB/log/nft.log)"
table inet jobauto_lab_$1 {}
delete table inet jobauto_lab_$1
table inet jobauto_lab_$1 {
    chain input {
        type filter hook input priority 0;
        iifname != "lo" tcp dport { $2 } drop
    }
}
END
}
unfence() { nft delete table inet "jobauto_lab_$1" 2>/dev/null || :; }

# launch NAME COMMAND...: detached, with a bare environment (jobs inherit it), output to log/NAME.log.
launch() {
    name=$1
    shift
    say "starting $name"
    setsid env -i PATH="$PATH" LC_ALL="$LC_ALL" "$@" >>"$LAB/log/$name.log" 2>&1 </dev/null &
    printf '%s %s\n' "$!" "$(born "$!")" >"$LAB/pid/$name"
}

# born PID: when the process started, in clock ticks; nothing if there is none, or only a zombie.
born() {
    # shellcheck disable=SC2046  # field 3 is the state, field 22 the start time
    set -- $(cat "/proc/$1/stat" 2>/dev/null)
    [ $# -lt 22 ] || [ "$3" = Z ] || { shift 21 && echo "$1"; }
}

# alive NAME: is the process that launch started still there? Sets pid. A pid alone may have been used again.
alive() {
    [ -r "$LAB/pid/$1" ] || return 1
    read -r pid since <"$LAB/pid/$1"
    [ -n "$since" ] && [ "$(born "$pid")" = "$since" ]
}
dead() { ! alive "$1"; }
# killed NAME: has it ended, though not by stop?
killed() { [ -e "$LAB/pid/$1" ] && dead "$1"; }

# stop NAME [SIGNAL]: ends that process, by force after 10 s; harmless when it is not there.
stop() {
    if alive "$1"; then
        say "stopping $1"
        kill -s "${2:-TERM}" "$pid" && { wait_for 10 dead "$1" || kill -9 "$pid"; }
    fi
    rm -f "$LAB/pid/$1"
}

# report NAME TEXT: one line of lab/status; false when it is down.
report() {
    if alive "$1"; then state=up; else state=down; fi
    printf '%-13s %-5s %s\n' "$1" "$state" "$2"
    [ "$state" = up ]
}

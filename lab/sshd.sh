#!/bin/sh
# sshd.sh start|stop|status [FLAVOUR...]: one sshd a flavour, all on loopback, all for the same user.
# A flavour is a port and a PATH, so that one machine looks like many different login nodes.
. "$(dirname "$0")/common.sh"
. "$HERE/login.sh"

# A folder of links to the machine's programs, without those that the flavour must not see.
make_path() {
    case $1 in
    slurm) hide=gridengine-client ;;
    sge) hide=slurm-client ;;
    both) hide= ;;
    *) hide='slurm-client gridengine-client' ;;
    esac
    mkdir -p "$LAB/path/$1"
    ln -sf -t "$LAB/path/$1" /bin/* /usr/bin/*
    # shellcheck disable=SC2086  # a list of words
    [ -z "$hide" ] || dpkg -L $hide | sed -n "s,^/usr/bin/,$LAB/path/$1/,p" | xargs rm -f
    [ "$1" != norsync ] || rm -f "$LAB/path/$1/rsync"
    for program in sbatch squeue scancel scontrol qsub qstat qdel qacct; do
        [ ! -e "$LAB/path/$1/$program" ] || counted /usr/bin/$program "$LAB/path/$1"
    done
    for program in "$LAB/fake/$1/bin"/*; do
        [ ! -e "$program" ] || counted "$program" "$LAB/path/$1"
    done
}

# counted FILE FOLDER: puts a scheduler's program there that leaves a line for each call: tests assert
# how often it is asked. While a test has put another program into $LAB/faults, that one is run
# instead: it may fail and lie.
counted() {
    name=${1##*/}
    install -m 755 /dev/stdin "$2/$name" <<END
#!/bin/sh
echo $name >>$LAB/scheduler-calls.log
[ ! -x $LAB/faults/$name ] || exec $LAB/faults/$name "\$@"
exec $1 "\$@"
END
}

sshd_config() {
    case $1 in sge | both) more=" SGE_ROOT=$SGE_ROOT SGE_CELL=$SGE_CELL" ;; *) more= ;; esac
    cat <<END
ListenAddress 127.0.0.1:$(port_of "$1")
HostKey $LAB/keys/host
AuthorizedKeysFile $LAB/keys/authorized_keys
AllowUsers $LAB_USER
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
StrictModes no
PidFile none
# "Accepted publickey" is logged for each login, so that tests can count them
LogLevel VERBOSE
MaxStartups 100
MaxSessions 50
# sshd takes the first SetEnv line only
SetEnv PATH=$LAB/path/$1 LAB_PATH=$LAB/path/$1$more
Subsystem sftp /usr/lib/openssh/sftp-server
END
}

start() {
    make_client
    touch "$LAB/scheduler-calls.log"
    chown "$LAB_USER" "$LAB/scheduler-calls.log"
    mkdir -p /run/sshd
    for each; do
        make_path "$each"
        ! sshd_config "$each" | put "$LAB/etc/sshd-$each" || stop "sshd-$each"
        alive "sshd-$each" || launch "sshd-$each" /usr/sbin/sshd -D -e -f "$LAB/etc/sshd-$each"
    done
    for each; do
        wait_for 10 "$LAB/bin/ssh" -o BatchMode=yes "lab-$each" true ||
            die "cannot log in to lab-$each (port $(port_of "$each"))" "$LAB/log/sshd-$each.log"
        # the port may be answered by somebody else's
        alive "sshd-$each" || die "sshd-$each has ended" "$LAB/log/sshd-$each.log"
    done
}

# The sessions end too, as when a login node goes down.
stop_one() {
    sessions=
    ! alive "sshd-$1" || sessions=$(ps -o pid= --ppid "$pid") || :
    stop "sshd-$1"
    # shellcheck disable=SC2086  # a list of words
    [ -z "$sessions" ] || kill $sessions 2>/dev/null || :
}

verb=${1:-status}
[ $# -eq 0 ] || shift
# shellcheck disable=SC2086  # a list of words
[ $# -gt 0 ] || set -- $FLAVOURS
case $verb in
start) prepare && start "$@" ;;
stop) prepare && for each; do stop_one "$each"; done ;;
status)
    version=$(/usr/sbin/sshd -V 2>&1 | grep -o 'OpenSSH_[^ ,]*') || version='not installed'
    for each; do report "sshd-$each" "$version, port $(port_of "$each")" || bad=yes; done
    [ -z "${bad:-}" ]
    ;;
*) die "usage: sshd.sh start|stop|status [$FLAVOURS]" ;;
esac

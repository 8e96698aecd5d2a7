# shellcheck shell=sh
# What a client needs to log in to the lab: the user, keys, known_hosts, ssh_config and a counting ssh.
# Read by sshd.sh, after common.sh.

FAKES='pbs torque lsf htcondor' # there are no real ones to be had; see fake.sh
FLAVOURS="slurm sge plain both norsync $FAKES"
PORT=${JOBAUTO_LAB_PORT:-22300}

port_of() {
    n=0
    for flavour in $FLAVOURS; do
        n=$((n + 1))
        [ "$flavour" != "$1" ] || echo $((PORT + n))
    done
}

make_user() {
    id "$LAB_USER" >/dev/null 2>&1 || useradd -m -s /bin/bash "$LAB_USER"
    # Grid Engine refuses the jobs of system users
    [ "$(id -u "$LAB_USER")" -ge 1000 ] || die "user $LAB_USER exists with a uid below 1000"
    # "!" is a locked account: sshd refuses it even with a key
    case $(getent shadow "$LAB_USER" | cut -d: -f2) in '!'*) usermod -p '*' "$LAB_USER" ;; esac
    home=$(getent passwd "$LAB_USER" | cut -d: -f6)
    # a login shell reads /etc/profile, which forgets the PATH that sshd has set
    # shellcheck disable=SC2016  # for the login shell to expand
    line='[ -z "${LAB_PATH:-}" ] || PATH=$LAB_PATH'
    grep -qxF "$line" "$home/.profile" 2>/dev/null || printf '%s\n' "$line" >>"$home/.profile"
    chown "$LAB_USER:" "$home" "$home/.profile"
}

make_keys() {
    for key in host user denied; do
        [ -s "$LAB/keys/$key" ] || ssh-keygen -q -t ed25519 -N '' -C "lab-$key" -f "$LAB/keys/$key"
    done
    cp "$LAB/keys/user.pub" "$LAB/keys/authorized_keys"
}

known_hosts() {
    for one in $FLAVOURS; do
        echo "[127.0.0.1]:$(port_of "$one") $(cut -d' ' -f1,2 "$LAB/keys/host.pub")"
    done
}

ssh_config() {
    for one in $FLAVOURS; do
        printf 'Host lab-%s\n    Port %s\n' "$one" "$(port_of "$one")"
    done
    cat <<END
# lab-plain, but its host key is not known
Host lab-stranger
    Port $(port_of plain)
    UserKnownHostsFile $LAB/known_hosts.empty
    StrictHostKeyChecking ask
# lab-plain, with a key that it does not know
Host lab-denied
    Port $(port_of plain)
    IdentityFile $LAB/keys/denied
# identity files add up, so lab-denied must not be given the good one as well
Host lab-* !lab-denied
    IdentityFile $LAB/keys/user
Host lab-*
    HostName 127.0.0.1
    User $LAB_USER
    IdentitiesOnly yes
    IdentityAgent none
    PreferredAuthentications publickey
    UserKnownHostsFile $LAB/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
END
}

# OpenSSH looks for ~ in the password file, not in $HOME, so tests put this program first in their PATH.
# One line a call, whatever the arguments hold, and short enough to be written at once.
ssh_wrapper() {
    cat <<END
#!/bin/bash
printf -v words ' %q' "\$@"
printf -v line '%(%FT%T%z)T %s%s' -1 \$\$ "\${words:0:2000}"
printf '%s\n' "\$line" >>$LAB/ssh-calls.log
exec /usr/bin/ssh -F $LAB/ssh_config "\$@"
END
}

make_client() {
    make_user
    make_keys
    known_hosts | put "$LAB/known_hosts" || :
    : >"$LAB/known_hosts.empty"
    ssh_config | put "$LAB/ssh_config" || :
    ssh_wrapper | put "$LAB/bin/ssh" || :
    chmod 755 "$LAB/bin/ssh"
}

#!/bin/sh
# slurm.sh start|stop|status: munged, slurmctld and slurmd; one node with more slots than cores.
. "$(dirname "$0")/common.sh"

NODE=${LAB_HOST%%.*}
OURS='# written by the lab of jobauto'

slurm_conf() {
    # NoInAddrAny: listen where this machine's name points to, not on every address
    # proctrack, task, gather: nothing that needs cgroups or systemd
    # config_overrides, CPUs, RealMemory: promise more than the machine has; CR_Core never counts memory
    # JobComp: a line for each job that has ended, whoever asks for it later
    # MinJobAge: how long a finished job stays visible to scontrol (there is no sacct)
    # batch_sched_delay, sched_min_interval: start a job at once
    cat <<END
$OURS
ClusterName=lab
SlurmctldHost=$NODE(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
$(! on_loopback || echo CommunicationParameters=NoInAddrAny,NoCtldInAddrAny)
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$LAB/log/jobcomp.log
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
MaxJobCount=20000
MinJobAge=300
KillWait=2
StateSaveLocation=$LAB/slurm/state
SlurmdSpoolDir=$LAB/slurm/spool
SlurmctldPidFile=$LAB/slurm/slurmctld.pid
SlurmdPidFile=$LAB/slurm/slurmd.pid
LogTimeFormat=iso8601,format_stderr
SlurmdParameters=config_overrides
NodeName=$NODE NodeAddr=127.0.0.1 CPUs=$LAB_SLOTS Boards=1 SocketsPerBoard=1 CoresPerSocket=$LAB_SLOTS ThreadsPerCore=1 RealMemory=1000000
PartitionName=debug Nodes=$NODE Default=YES MaxTime=INFINITE State=UP
PartitionName=other Nodes=$NODE MaxTime=INFINITE State=UP
END
}

configure() {
    conf=/etc/slurm/slurm.conf
    [ ! -e "$conf" ] || grep -qxF "$OURS" "$conf" || die "$conf belongs to another Slurm; move it away first"
    mkdir -p /etc/slurm "$LAB/slurm/state" "$LAB/slurm/spool"
    # the value "disabled" is not known in 22.05: slurmd ends at once
    echo CgroupPlugin=cgroup/v1 | put /etc/slurm/cgroup.conf || :
    ! slurm_conf | put "$conf" || stop_slurm
    on_loopback || fence slurm 6817,6818
}

start_munge() {
    ! munge -n >/dev/null 2>&1 || return 0 # ours, or the machine's own
    [ -s /etc/munge/munge.key ] || head -c 1024 /dev/urandom >/etc/munge/munge.key
    mkdir -p /run/munge /var/log/munge /var/lib/munge
    chown munge: /etc/munge/munge.key /run/munge /var/log/munge /var/lib/munge
    chmod 400 /etc/munge/munge.key
    launch munged setpriv --reuid=munge --regid=munge --init-groups /usr/sbin/munged --foreground
    wait_for 10 munge -n || die 'munged does not answer' "$LAB/log/munged.log"
}

# usable: is the node up, so that jobs can start?
usable() { case $(sinfo -h -o %T 2>/dev/null) in idle* | mixed* | allocated* | completing*) ;; *) return 1 ;; esac; }

start() {
    configure
    start_munge
    ! killed slurmctld || left=yes
    alive slurmctld || launch slurmctld slurmctld -D
    wait_for 20 scontrol show partition other || die 'slurmctld does not answer' "$LAB/log/slurmctld.log"
    alive slurmd || launch slurmd slurmd -D -N "$NODE"
    wait_for 30 usable || die "Slurm's node $NODE is not up" "$LAB/log/slurmd.log"
    # it would begin with the jobs of the tests that were killed with it
    [ -z "${left:-}" ] || end_jobs
}

no_jobs() { [ -z "$(squeue -h -u "$LAB_USER")" ]; }
end_jobs() {
    scancel -u "$LAB_USER" || :
    wait_for 30 no_jobs || warn 'jobs are left in Slurm'
}

stop_slurm() {
    stop slurmd
    stop slurmctld
}

case ${1:-status} in
start) prepare && start ;;
stop)
    prepare
    ! alive slurmctld || end_jobs
    stop_slurm
    stop munged
    unfence slurm
    ;;
status)
    report munged "$(munged --version 2>/dev/null | sed 's/ .*//')" || bad=yes
    report slurmctld "$(slurmctld -V 2>/dev/null)" || bad=yes
    node='node not usable'
    ! alive slurmctld || ! usable || node="node $NODE $(sinfo -h -o '%T (%c slots)' | head -n 1)"
    report slurmd "$node" && [ "$node" != 'node not usable' ] || bad=yes
    [ -z "${bad:-}" ]
    ;;
*) die 'usage: slurm.sh start|stop|status' ;;
esac

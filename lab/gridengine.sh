#!/bin/sh
# gridengine.sh start|stop|status: sge_qmaster and sge_execd on one host, in the folders of the Debian packages.
. "$(dirname "$0")/common.sh"

SPOOL=/var/spool/gridengine
CONF=$LAB/etc/gridengine

# 127.0.0.1 must resolve to one name, and that before sge_qmaster starts;
# otherwise: "access denied (client IP resolved to host name localhost)".
name_host() {
    getent hosts "$LAB_HOST" >/dev/null ||
        die "this machine's name $LAB_HOST does not resolve; add it to the line of 127.0.0.1 in /etc/hosts"
    common=$SGE_ROOT/$SGE_CELL/common
    mkdir -p /run/gridengine "$CONF"
    moved=
    ! echo "$LAB_HOST localhost" | put "$common/host_aliases" || moved=yes
    ! echo "$LAB_HOST" | put "$common/act_qmaster" || moved=yes
    # sge_qmaster writes its own name there
    chown -R sgeadmin: /run/gridengine "$SPOOL" "$common"
    [ -z "$moved" ] || stop_gridengine
}

daemon() { alive "$1" || launch "$1" SGE_ROOT="$SGE_ROOT" SGE_CELL="$SGE_CELL" SGE_ND=1 "$1"; }

# set_lines KEY VALUE...: a filter over "key value" lines.
set_lines() {
    script=
    while [ $# -gt 0 ]; do
        script="$script;s,^$1 .*,$1 $2,"
        shift 2
    done
    sed "$script"
}

# apply KIND NAME: modifies the thing after its file, or adds it.
apply() {
    if qconf "-s$1" "$2" >/dev/null 2>&1; then qconf "-M$1" "$CONF/$2"; else qconf "-A$1" "$CONF/$2"; fi
}

# set_queue NAME SEQUENCE
set_queue() {
    qconf -sq | set_lines qname "$1" hostlist @allhosts seq_no "$2" slots "$LAB_SLOTS" load_thresholds NONE \
        pe_list 'make smp' shell /bin/sh shell_start_mode unix_behavior >"$CONF/$1"
    apply q "$1"
}

# Hosts, parallel environment, queues. What qconf says of a thing that is already as wished is no error,
# and its exit status tells little, so the result is looked at instead.
furnish() {
    qconf -ah "$LAB_HOST"
    qconf -as "$LAB_HOST"
    qconf -am root
    printf 'group_name @allhosts\nhostlist %s\n' "$LAB_HOST" >"$CONF/@allhosts"
    apply hgrp @allhosts
    sed 's/^ *//' >"$CONF/smp" <<END
        pe_name smp
        slots 9999
        user_lists NONE
        xuser_lists NONE
        start_proc_args NONE
        stop_proc_args NONE
        allocation_rule \$pe_slots
        control_slaves FALSE
        job_is_first_task TRUE
        urgency_slots min
        accounting_summary FALSE
        qsort_args NONE
END
    apply p smp
    # the queue with the lower number is filled first
    set_queue all.q 1
    set_queue other.q 2
    qconf -sp smp >/dev/null && furnished
}
furnished() { qconf -sq all.q >/dev/null 2>&1 && qconf -sq other.q >/dev/null 2>&1; }

# Given anew each time, because tests change limits.
set_limits() {
    # start jobs at once: look every second, and whenever one comes or ends
    qconf -ssconf | set_lines schedule_interval 0:0:1 flush_submit_sec 1 flush_finish_sec 1 \
        queue_sort_method seqno job_load_adjustments NONE maxujobs 0 >"$CONF/scheduler"
    qconf -Msconf "$CONF/scheduler" && grep -q 'flush_submit_sec 1$' "$CONF/scheduler" || return 1
    # accounting_flush_time 0: qacct knows a job as soon as it has ended
    SGE_SINGLE_LINE=1 qconf -sconf | set_lines max_u_jobs 0 max_jobs 0 reporting_params \
        'accounting=true reporting=false accounting_flush_time=00:00:00 joblog=false sharelog=00:00:00' >"$CONF/global"
    qconf -Mconf "$CONF/global"
}

# its folder is named after the host as sge_execd saw it, which may be "localhost"
execd_log() { find "$SPOOL/execd" -name messages | head -n 1; }

# heard: has sge_execd reported, so that its queue is not in the state "u"?
heard() { qstat -f -q all.q | grep -q '^all\.q@.* lx-[^ ]* *$'; }

start() {
    name_host
    # it has no option for the address to listen on
    fence gridengine 6444,6445
    ! killed sge_qmaster || left=yes
    daemon sge_qmaster
    wait_for 20 qconf -sh || die 'sge_qmaster does not answer' "$SPOOL/qmaster/messages"
    # done once for this host and this text
    if ! cat "$0" /proc/sys/kernel/hostname | cmp -s - "$CONF/done" || ! furnished; then
        furnish >"$LAB/log/qconf.log" 2>&1 || die 'qconf refused a queue' "$LAB/log/qconf.log"
    fi
    set_limits >>"$LAB/log/qconf.log" 2>&1 || die 'qconf refused a setting' "$LAB/log/qconf.log"
    daemon sge_execd
    # both queues together have no more slots than one
    wait_for 20 qconf -rattr exechost complex_values "slots=$LAB_SLOTS" "$LAB_HOST" ||
        die 'sge_qmaster does not know sge_execd' "$(execd_log)"
    wait_for 60 heard || die 'sge_execd does not report' "$(execd_log)"
    cat "$0" /proc/sys/kernel/hostname >"$CONF/done"
    # it would begin with the jobs of the tests that were killed with it
    [ -z "${left:-}" ] || end_jobs
}

no_jobs() { [ -z "$(qstat -u "$LAB_USER")" ]; }
end_jobs() {
    qdel -u "$LAB_USER" >/dev/null 2>&1 || :
    wait_for 30 no_jobs || warn 'jobs are left in Grid Engine'
}

stop_gridengine() {
    stop sge_execd
    stop sge_qmaster
}

case ${1:-status} in
start) prepare && start ;;
stop)
    prepare
    ! alive sge_qmaster || end_jobs
    stop_gridengine
    unfence gridengine
    ;;
status)
    version=$(qstat -help 2>/dev/null | head -n 1) || :
    report sge_qmaster "$version" || bad=yes
    queue='queue all.q not usable'
    ! alive sge_qmaster || ! heard || queue="queues all.q other.q ($LAB_SLOTS slots)"
    report sge_execd "$queue" && [ "$queue" != 'queue all.q not usable' ] || bad=yes
    [ -z "${bad:-}" ]
    ;;
*) die 'usage: gridengine.sh start|stop|status' ;;
esac

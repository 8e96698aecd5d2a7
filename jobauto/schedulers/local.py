"""No scheduler: each job is a process of its own session, found again by pid and start time.

JOBID is `<pid>-<start>`, so that a later process with the same pid is never taken for the job.
Works wherever there is a POSIX shell; /proc is used where it exists, else ps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobauto.model import Ending, InQueue, Queued
from jobauto.resources import Inexpressible, Resources
from jobauto.schedulers.base import Dialect, Unreadable, only_match

_JOBID = re.compile(r"(\d+-\w+)", re.ASCII)
_LINE = re.compile(r"(\d+-\w+) (\S+)", re.ASCII)
_STATES = {"T": Queued.SUSPENDED, "t": Queued.SUSPENDED}

# A zombie counts as gone: nobody may be there to reap it.
_PRELUDE = r"""
still() { look "${1%%-*}"; [ "$start" = "${1#*-}" ] && case $code in ''|Z|X) false;; esac; }
launch() {
  session=setsid
  command -v setsid >/dev/null || session="perl -MPOSIX -e POSIX::setsid();exec+@ARGV"
  {
    trap - HUP PIPE
    exec $session sh -c "$look$wrapper" job "$claim" "$1"
  } >&9 9>&- 2>/dev/null </dev/null &
  echo $token >&9
  claim= # it has no answer yet
}
# Until it has told its JOBID, and is in a session of its own, what ends our shell would end a job.
# It holds the pipe as long; so many begin at once, and this waits for the last.
together() {
  for token in $(attempts 9>&1 >&5); do
    claim=$root/$claims/$token
    if [ -s "$claim/self" ]; then rc=0; else rc=1; echo 'it could not be started' >"$claim/err"; fi
    echo $rc >"$claim/rc"
  done
}
# No job runs that has not told its JOBID, which a full disk may prevent.
# It outlives a TERM as long as its script does: the job is there until the script has ended.
wrapper='
trap : TERM
look $$; [ "$start" ] && echo "$$-$start" >"$1/self" || exit
exec >"$2.o$$" 2>"$2.e$$"
IFS= read -r first <"./$2"
by=sh
case $first in "#!/"*[!!-~]*) by=;; "#!/"*) by=${first#??};; "#!"*) by=;; esac
if [ "$by" ]; then "$by" "./$2" # of itself, the system would do no more; the script stays as it is
else [ -x "./$2" ] || chmod u+x "./$2"; "./$2"
fi
code=$?
echo $code >"$1/exit"
'
"""


class Local(Dialect):
    name = "local"
    detect = "true"
    prelude = _PRELUDE
    together = "together"
    elsewhere = False
    lists_tokens = True  # the job itself writes its JOBID into the claim: no claim tells, no job

    def submit(self, script: str, token: str, options: str) -> str:
        return f"launch {script}"

    def options(self, asked: Resources) -> list[tuple[str, ...]]:
        for key in ("queue", "walltime", "cores", "memory", "account"):
            if getattr(asked, key):
                raise Inexpressible(key, "jobs run as plain processes, which have no such thing")
        return []

    def jobid(self, out: str) -> str | None:
        return only_match(_JOBID, out)

    def query(self, jobids: Sequence[str]) -> str:
        if not jobids:
            return "true"
        ids = " ".join(jobids)
        return f'for id in {ids}; do still $id && echo "$id $code"; done; true'

    def parse(self, text: str) -> list[InQueue]:
        *lines, rest = text.split("\n")
        found = [_LINE.fullmatch(line) for line in lines]
        if rest or None in found:
            raise Unreadable(f"not an answer of the local engine: {text[-200:]!r}")
        return [InQueue(m[1], _STATES.get(m[2], Queued.RUNNING), m[2]) for m in found if m]

    def kill(self, jobids: Sequence[str]) -> str:
        # all processes of a session: what does not heed TERM within a second is killed
        return (
            f'all=; for id in {" ".join(jobids)}; do still $id && all="$all ${{id%%-*}}"; done; '
            "for pid in $all; do kill -s TERM -- -$pid; done; "
            "for n in 1 2 3 4 5 6 7 8 9 10; do left=; "
            "for pid in $all; do kill -s 0 -- -$pid 2>/dev/null && left=1; done; "
            "[ $left ] || break; sleep 0.1; done; "
            "for pid in $all; do kill -s KILL -- -$pid 2>/dev/null && sleep 0.1; done; true"
        )

    def hold(self, jobids: Sequence[str]) -> str:
        return self._signal("STOP", jobids)

    def release(self, jobids: Sequence[str]) -> str:
        return self._signal("CONT", jobids)

    def _signal(self, name: str, jobids: Sequence[str]) -> str:
        signal = f"kill -s {name} -- -${{id%%-*}}"
        return f"for id in {' '.join(jobids)}; do still $id && {signal}; done; true"

    def move(self, jobids: Sequence[str], queue: str) -> str:
        return "echo 'there are no queues here: jobs are plain processes' >&2; false"

    def autopsy(self, jobid: str) -> str:
        return 'cat "$claim/exit"'

    def ending(self, text: str) -> Ending:
        code = only_match(re.compile(r"(\d{1,9})"), text)
        return Ending(int(code)) if code else Ending(None, "no exit code: killed, or a reboot")

    def outputs(self, jobid: str, script: str) -> str:
        return f"*.[oe]{jobid.partition('-')[0]}"

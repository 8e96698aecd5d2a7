"""What bsub of LSF takes and says.

How a script from stdin is run, and the words of errors, are from github.com/bytedance/volclava:
lsbatch/cmd/cmd.sub.c, lsbatch/lib/lsb.err.c and lsb.sub.c.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from accents.base import Cluster, Refused, Said

_FLAGS = {"-H", "-x", "-r", "-rn", "-N", "-B"}
_VALUES = set("-J -Jd -q -o -oo -e -eo -W -n -R -M -P -w -g -G -app -L -env -cwd".split())
# as LSF does: the script becomes a file, run as a program if it says by what, else by sh
_RUN = """\
file=$(mktemp) && cat >"$file" <<'_USER_SCRIPT_'
{script}
_USER_SCRIPT_
LSB_JOBID=$FAKE_JOB LSB_JOBINDEX=0; export LSB_JOBID LSB_JOBINDEX
chmod u+x "$file"; {shell}"$file"; code=$?; rm -f "$file"; exit $code
"""


class Usage(Exception):
    """The program was called in a way that it does not know."""


def _options(words: Sequence[str]) -> dict[str, str]:
    """Options up to the first word that is none; `bsub`s that give a command are not known here."""
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        option = rest.pop(0)
        if option in _FLAGS:
            found[option] = ""
        elif option in _VALUES and rest:
            value = rest.pop(0)
            found[option] = f"{found['-R']} {value}" if option == "-R" in found else value
        else:
            raise Usage(f"{option}: Illegal option")
    return found


def _embedded(script: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in script.splitlines():
        if line.startswith("#BSUB"):
            found |= _options(shlex.split(line[len("#BSUB") :], comments=True))
    return found


def _awaited(condition: str) -> list[int] | None:
    """The jobs in `done(1) && done(2)`; of other conditions nothing is known here."""
    if not condition:
        return []
    found = [re.fullmatch(r"\s*done\(\s*(\d+)\s*\)\s*", part) for part in condition.split("&&")]
    return [int(match[1]) for match in found if match] if all(found) else None


def bsub(
    words: Sequence[str],
    stdin: str,
    environment: Mapping[str, str],
    folder: str,
    cluster: Cluster,
) -> Said:
    """A script from stdin becomes a job."""
    asked = _embedded(stdin) | _options(words)
    if not stdin.strip():
        return Said(255, "", "No command is specified in the script file. Job not submitted.\n")
    name = asked.get("-J", stdin.split("\n")[0])
    if re.search(r"\[[^\]]*[^\d,:\]-]|[*/]", name) and "-J" in asked:
        return Said(255, "", "Bad job name. Job not submitted.\n")
    out = asked.get("-oo", asked.get("-o", "/dev/null"))
    queue = asked.get("-q", environment.get("LSB_DEFAULTQUEUE", ""))
    if "BSUB_CHK_RESREQ" in environment:
        return Said(0, "Resource requirement string is valid.\n")
    after = _awaited(asked.get("-w", ""))
    if after is None:
        why = "Dependency condition syntax error. Job not submitted."
        return Said(255, "", f"{asked['-w']}: {why}\n")
    for number in after:
        if not cluster.find(number):
            return Said(255, "", f"{number}: No matching job found. Job not submitted.\n")
    facts = {"description": asked.get("-Jd", "-")}
    if "-W" in asked:
        hours, _, minutes = asked["-W"].rpartition(":")
        facts["walltime"] = str(60 * (60 * int(hours or 0) + int(minutes)))
    try:
        job = cluster.submit(
            _RUN.format(script=stdin.rstrip("\n"), shell="" if stdin.startswith("#!") else "sh "),
            name=name,
            folder=folder,
            out=out,
            err=asked.get("-eo", asked.get("-e", out)),
            queue=queue,
            held="-H" in asked,
            variables={"LSB_JOBNAME": name, "LS_SUBCWD": folder},
            facts=facts,
            after=after,
            orphans="pend",
        )
    except Refused as error:
        return _refused(error.kind, queue, environment, cluster)
    if "BSUB_QUIET" in environment:
        return Said()
    which = "queue" if queue else "default queue"
    return Said(0, f"Job <{job.number}> is submitted to {which} <{job.queue}>.\n")


def _refused(kind: str, queue: str, environment: Mapping[str, str], cluster: Cluster) -> Said:
    if kind == "queue":
        return Said(255, "", f"{queue}: No such queue. Job not submitted.\n")
    full = f"User <{cluster.user}>: Pending job threshold reached."
    tries = int(environment.get("LSB_NTRIES", "0"))
    if not tries:  # it would try for ever: timeout(1) ends it
        return Said(124, "", f"{full} Retrying in 60 seconds...\n")
    retries = f"{full} Retrying in 60 seconds...\n" * (tries - 1)
    return Said(255, "", f"{retries}{full} Job not submitted.\n")

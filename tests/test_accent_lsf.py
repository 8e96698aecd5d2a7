"""The dialect of LSF and its accent understand each other, through real scripts in a real shell.

The programs on PATH hand each call to the accent, which plays on a small cluster in this process.
"""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from accents.base import Said, Unreachable
from accents.lsf import LSF as Accent
from smallcluster import SmallCluster

from jobauto.errors import CouldNotAsk
from jobauto.judge import accepted, reason, refused
from jobauto.model import Attempt, Claim, InQueue, Job, Queued
from jobauto.remote.framing import Answer
from jobauto.remote.killing import Kill
from jobauto.remote.observation import Observe, Suspect
from jobauto.remote.submission import TURNED_BACK, Ahead, Submit
from jobauto.resources import parse
from jobauto.schedulers import DIALECTS

LSF = DIALECTS["lsf"]
SHIM = """#!{python} -IS
import json, os, socket, sys
name = os.path.basename(sys.argv[0])
stdin = sys.stdin.read() if name == "bsub" else ""
link = socket.socket(socket.AF_UNIX)
link.connect({socket!r})
call = [[name, *sys.argv[1:]], stdin, dict(os.environ), os.getcwd()]
link.sendall(json.dumps(call).encode() + b"\\n")
code, out, err = json.loads(link.makefile().readline())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


class Cluster(SmallCluster):
    """Jobs that wait until somebody says `run` or `end`. Here `hold` stops a running job, as bstop
    does: the dialect must not let it come to that."""

    server = "login1"

    def __init__(self) -> None:
        super().__init__(first=353143, queues=("normal", "long"))
        self.calls: list[list[str]] = []
        self.version, self.says = "", dict[str, Said]()

    def hold(self, number: int) -> bool:
        running = number in self.jobs and self.jobs[number].state is Queued.RUNNING
        return self.change(number, state=Queued.SUSPENDED if running else Queued.HELD)

    def set(self, jobid: str, **changes: Any) -> None:
        assert self.change(int(jobid), **changes)

    def run(self, jobid: str) -> None:
        """As a host of the cluster does; the job ends."""
        command, out, err = self.commands[int(jobid)]
        job = self.jobs[int(jobid)]
        folder, names = Path(job.folder), [name.replace("%J", jobid) for name in (out, err)]
        with (folder / names[0]).open("ab") as stdout, (folder / names[1]).open("ab") as stderr:
            environment = {**os.environ, "FAKE_JOB": jobid}
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=folder,
                env=environment,
                stdout=stdout,
                stderr=stderr,
                timeout=60,
            )
        self.set(jobid, ended=self.now, exit_code=done.returncode)


class Site:
    """A login node with LSF on it, and a folder for a run."""

    def __init__(self, path: Path) -> None:
        self.cluster, self.path, self.folder = Cluster(), path, path / "run"
        self.folder.mkdir()
        self.environment: dict[str, str] = {}

    def call(self, argv: list[str], stdin: str, environment: dict[str, str], folder: str) -> Said:
        self.cluster.calls.append(argv)
        if "-V" in argv and self.cluster.version:
            return Said(0, "", self.cluster.version)
        if argv[0] in self.cluster.says:
            return self.cluster.says[argv[0]]
        try:
            return Accent().call(argv, stdin, environment, folder, self.cluster)
        except Unreachable:
            return Accent().unreachable(argv[0])

    def shell(self, script: str) -> Answer:
        environment = os.environ | {"PATH": f"{self.path}/bin:{os.environ['PATH']}"}
        done = subprocess.run(
            ["/bin/sh", "-s"],
            input=script,
            env=environment | self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def script(self, name: str, *lines: str, first: str = "#!/bin/sh") -> Attempt:
        """A job's script; its attempt."""
        job = Job.from_name(name)
        (self.folder / job.folder).mkdir(exist_ok=True)
        (self.folder / name).write_text("\n".join([first, *lines]) + "\n")
        return Attempt(job, 1, f"ja1.x+y_z-{len(list(self.folder.rglob('qsub.*')))}")

    def submit(
        self,
        *attempts: Attempt,
        options: Sequence[str] = (),
        ahead: Mapping[str, Ahead] | None = None,
    ) -> list[Claim]:
        asked = {attempt.token: options for attempt in attempts}
        request = Submit(LSF, str(self.folder), attempts, asked, ahead or {})
        claims = request.read(self.shell(request.script()))
        return [claims[attempt.token] for attempt in attempts]

    def jobid(self, attempt: Attempt, *options: str) -> str:
        [claim] = self.submit(attempt, options=options)
        found = accepted(claim, LSF)
        assert found, claim
        return found

    def look(self, **more: Any) -> dict[str, InQueue]:
        request = Observe(LSF, str(self.folder), **more)
        return dict(request.read(self.shell(request.script())).queue)

    def say(self, order: str) -> Answer:
        return self.shell(f"limit='timeout 60'\n{LSF.prelude}\n{order}\n")

    def states(self) -> dict[str, str]:
        return {jobid: line.state.value for jobid, line in self.look().items()}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            said = made.call(*json.loads(self.rfile.readline()))
            self.wfile.write(json.dumps([said.code, said.out, said.err]).encode() + b"\n")

    bin, name = tmp_path / "bin", f"{tmp_path}/s"
    bin.mkdir()
    for program in Accent.programs:
        (bin / program).write_text(SHIM.format(python=sys.executable, socket=name))
        (bin / program).chmod(0o755)
    with socketserver.UnixStreamServer(name, Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        server.shutdown()


# --- submit ---------------------------------------------------------------------------------------


def test_a_job_runs_as_its_first_line_says_in_its_own_folder(site: Site) -> None:
    lines = ["import os, sys", "print(os.getcwd())", "print('to stderr', file=sys.stderr)"]
    attempt = site.script("mp-149/qsub.1", *lines, first="#!/usr/bin/env python3")
    jobid = site.jobid(attempt)
    site.cluster.run(jobid)
    said = (site.folder / f"mp-149/qsub.1.o{jobid}").read_text()
    assert sorted(said.splitlines()) == sorted([f"{site.folder}/mp-149", "to stderr"])
    assert site.cluster.jobs[int(jobid)].exit_code == 0


def test_a_script_without_a_first_line_runs_in_sh(site: Site) -> None:
    jobid = site.jobid(site.script("a/qsub.0", "exit 3", first="echo $LSB_JOBID"))
    site.cluster.run(jobid)
    assert (site.folder / f"a/qsub.0.o{jobid}").read_text() == f"{jobid}\n"
    assert site.cluster.jobs[int(jobid)].exit_code == 3


def test_what_the_script_asks_for_stays(site: Site) -> None:
    asked = ["#BSUB -J own", "#BSUB -q long -oo all.%J", '#BSUB -Jd "iron | at 5 GPa"']
    attempt = site.script("a/qsub.0", *asked)
    jobid = site.jobid(attempt)
    job = site.cluster.jobs[int(jobid)]
    assert (job.name, job.queue, site.cluster.commands[job.number][1]) == ("own", "long", "all.%J")
    assert job.facts["description"] == f"jobauto={attempt.token} iron | at 5 GPa"
    assert site.look()[jobid].token == attempt.token


@pytest.mark.parametrize(
    ("line", "theirs"),
    [
        ("#BSUB -q long -Jd 'two words' -n 2", " two words"),
        ("#BSUB -Jd plain -n 2", " plain"),
        ("# BSUB -Jd no", ""),
        ("echo -Jd no", ""),
    ],
)
def test_a_description_of_their_own_is_kept(site: Site, line: str, theirs: str) -> None:
    attempt = site.script("a/qsub.0", line)
    job = site.cluster.jobs[int(site.jobid(attempt))]
    assert job.facts["description"] == f"jobauto={attempt.token}{theirs}"


@pytest.mark.parametrize("option", ["-o", "-oo"])
def test_the_output_goes_where_the_script_says(site: Site, option: str) -> None:
    jobid = site.jobid(site.script("a/qsub.0", f"#BSUB -n 2 {option} own.%J", "echo out"))
    site.cluster.run(jobid)
    assert {path.name for path in (site.folder / "a").iterdir()} == {"qsub.0", f"own.{jobid}"}


def test_with_a_file_for_stderr_alone_stdout_has_one_too(site: Site) -> None:
    jobid = site.jobid(site.script("a/qsub.0", "#BSUB -e err.%J", "echo out", "echo err >&2"))
    site.cluster.run(jobid)
    files = [f"qsub.0.o{jobid}", f"err.{jobid}"]
    assert [(site.folder / "a" / name).read_text() for name in files] == ["out\n", "err\n"]


@pytest.mark.parametrize("name", ["qsub.a b", "qsub.x[1-3]", "qsub.50%I", "qsub.é'$(x)"])
def test_a_script_with_an_odd_name_has_a_plain_name_in_the_queue(site: Site, name: str) -> None:
    jobid = site.jobid(site.script(f"a/{name}", "echo done"))
    assert site.cluster.jobs[int(jobid)].name == "qsub"
    site.cluster.run(jobid)
    assert (site.folder / f"a/qsub.o{jobid}").read_text() == "done\n"


def test_what_is_asked_for_reaches_lsf(site: Site) -> None:
    asked = parse({"queue": "long", "walltime": "90s", "cores": "4", "memory": "1G"})
    words = [word for option in LSF.options(asked) for word in option]
    jobid = site.jobid(site.script("a/qsub.0"), *words)
    job = site.cluster.jobs[int(jobid)]
    assert (job.queue, job.facts["walltime"]) == ("long", "120")
    header = "\n".join(LSF.header(asked))
    job = site.cluster.jobs[int(site.jobid(site.script("a/qsub.1", header)))]
    assert (job.queue, job.facts["walltime"]) == ("long", "120")


@pytest.mark.parametrize("name", ["BSUB_QUIET", "BSUB_CHK_RESREQ", "LSB_BJOBS_FORMAT"])
def test_what_a_person_has_set_for_lsf_does_not_hide_a_job(site: Site, name: str) -> None:
    site.environment[name] = "queue"
    jobid = site.jobid(site.script("a/qsub.0"))
    assert site.states() == {jobid: "pending"}


def test_too_many_pending_jobs_mean_later_and_nobody_waits(site: Site) -> None:
    site.cluster.limit = 1
    attempts = [site.script("a/qsub.0"), site.script("a/qsub.1")]
    first, second = site.submit(*attempts)
    assert accepted(first, LSF)
    assert accepted(second, LSF) is None
    assert second.exit_code == 255
    assert "Retrying" not in second.said
    assert LSF.limit.search(second.said)
    assert not LSF.lost.search(second.said)


def test_a_queue_that_is_not_there_means_never(site: Site) -> None:
    [claim] = site.submit(site.script("a/qsub.0"), options=["-q", "nosuch"])
    assert claim.exit_code == 255
    assert not LSF.limit.search(claim.said)
    assert not LSF.lost.search(claim.said)


def test_with_lsf_down_a_submission_is_lost(site: Site) -> None:
    site.cluster.down = True
    [claim] = site.submit(site.script("a/qsub.0"))
    assert claim.exit_code == 255
    assert LSF.lost.search(claim.said)


def chained(site: Site) -> list[Attempt]:
    """Three jobs: the second waits for the first, the third for both; the first is taken before."""
    first, second, third = (site.script(f"{name}/qsub.0", "touch done") for name in "abc")
    [claim] = site.submit(first)
    jobid = accepted(claim, LSF)
    assert jobid
    markers = ["a/qsub.finished.0", "b/qsub.finished.0"]
    ahead = {
        second.token: Ahead([jobid], [], markers[:1]),
        third.token: Ahead([jobid], [second.token], markers),
    }
    assert all(accepted(claim, LSF) for claim in site.submit(second, third, ahead=ahead))
    return [first, second, third]


def test_a_job_waits_in_the_queue_for_others(site: Site) -> None:
    attempts = chained(site)
    first, second, third = site.cluster.jobs
    assert [job.after for job in site.cluster.queue()] == [[], [first], [first, second]]
    told = site.look()
    assert [line.token for line in told.values()] == [attempt.token for attempt in attempts]
    assert (told[str(third)].code, told[str(third)].strange) == ("PEND", False)
    assert told[str(third)].reason == "Job dependency condition not satisfied"
    site.cluster.set(str(second), orphan=True)
    assert site.look()[str(second)].reason == "Dependency condition invalid or never satisfied"
    assert not site.look()[str(second)].strange


@pytest.mark.parametrize("there", [False, True])
def test_a_job_that_was_handed_in_ahead_begins_only_if_all_is_there(
    site: Site, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    chained(site)
    (site.path / "bin/sleep").write_text("#!/bin/sh\n")
    (site.path / "bin/sleep").chmod(0o755)
    monkeypatch.setenv("PATH", f"{site.path}/bin:{os.environ['PATH']}")
    (site.folder / "a/qsub.finished.0").touch()
    if there:
        (site.folder / "b/qsub.finished.0").touch()
    *_, third = site.cluster.jobs
    site.cluster.run(str(third))
    assert site.cluster.jobs[third].exit_code == (0 if there else TURNED_BACK)
    assert (site.folder / "c/done").exists() is there


def test_a_job_cannot_wait_for_one_that_lsf_does_not_know(site: Site) -> None:
    attempt = site.script("a/qsub.0")
    [claim] = site.submit(attempt, ahead={attempt.token: Ahead(["99"], [], ["marker"])})
    assert refused(claim, LSF)
    assert claim.said == "99: No matching job found. Job not submitted.\n"
    assert not LSF.limit.search(claim.said)


@pytest.mark.parametrize("condition", ["done(x)", "done(1) &&", "1 done"])
def test_a_condition_that_is_none_is_refused(site: Site, condition: str) -> None:
    [claim] = site.submit(site.script("a/qsub.0"), options=["-w", condition])
    assert claim.said == f"{condition}: Dependency condition syntax error. Job not submitted.\n"


# --- query ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("consistent", ["N", "Y"])
def test_no_jobs_at_all_are_an_answer(site: Site, consistent: str) -> None:
    site.environment["LSB_BJOBS_CONSISTENT_EXIT_CODE"] = consistent
    assert site.look() == {}


def test_all_states_are_told(site: Site) -> None:
    jobs = {state: site.jobid(site.script(f"{state.value}/qsub.0")) for state in list(Queued)[:4]}
    for state, jobid in jobs.items():
        site.cluster.set(jobid, state=state)
    ended = site.jobid(site.script("gone/qsub.0"))
    site.cluster.set(ended, ended=1.0, exit_code=0)
    assert site.states() == {jobid: state.value for state, jobid in jobs.items()}
    line = site.look()[jobs[Queued.PENDING]]
    assert (line.code, line.reason) == ("PEND", "New job is waiting for scheduling")


def test_before_lsf_10_there_are_no_reasons(site: Site) -> None:
    site.cluster.version = "IBM Platform LSF Standard 9.1.3.0, Jul 04 2014\nCopyright IBM Corp.\n"
    jobid = site.jobid(site.script("a/qsub.0"))
    [line] = site.look().values()
    assert (line.jobid, line.reason) == (jobid, "")
    assert not any("pend_reason" in word for call in site.cluster.calls for word in call)


def test_a_bjobs_without_reasons_is_asked_without(site: Site, monkeypatch: Any) -> None:
    from accents import lsf

    monkeypatch.delitem(lsf._FIELDS, "pend_reason")
    jobid = site.jobid(site.script("a/qsub.0"))
    assert site.states() == {jobid: "pending"}


BUSY = "LSF is processing your request. Please wait...\n"
NONE = "No unfinished job found\n"


@pytest.mark.parametrize(
    "said",
    [
        Said(0, "", BUSY + NONE),
        Said(255, "", "No unfinished job found \n"),
        Said(255, "", "Cannot connect to LSF. Please wait ...\n" + NONE),
    ],
)
def test_words_about_trying_again_do_not_hide_that_there_are_no_jobs(
    site: Site, said: Said
) -> None:
    site.cluster.says["bjobs"] = said
    assert site.look() == {}


@pytest.mark.parametrize(
    "said",
    [
        Said(0, "", ""),
        Said(255, "", ""),
        Said(0, "", BUSY),
        Said(255, "", BUSY),
        Said(0, NONE, ""),
        Said(124, "", NONE),
        Said(1, "", NONE),
        Said(0, "7|RUN|-|-\n", NONE),
        Said(255, "7|RUN|-|-\n", NONE),
        Said(255, "7|RUN|-|-\n", ""),
        Said(0, "7|RUN|-|-\n", "Segmentation fault\n"),
        Said(0, "", "No unfinished job found in queue <night>\n"),
        Said(255, "", NONE + "Failed in an LSF library call: LIM is down; try later\n"),
        Said(0, "\n\n", ""),
        Said(127, "", "bjobs: not found\n"),
    ],
)
def test_nothing_else_is_taken_for_an_answer(site: Site, said: Said) -> None:
    site.cluster.says["bjobs"] = said
    with pytest.raises(CouldNotAsk):
        site.look()


def test_with_lsf_down_nothing_is_known(site: Site) -> None:
    site.jobid(site.script("a/qsub.0"))
    site.cluster.down = True
    with pytest.raises(CouldNotAsk, match="LIM is down"):
        site.look()


# --- kill, hold, release, move, and how jobs ended ------------------------------------------------


def test_held_jobs_do_not_start_and_running_ones_go_on(site: Site) -> None:
    jobids = [site.jobid(site.script(f"a/qsub.{n}")) for n in range(3)]
    site.cluster.set(jobids[0], state=Queued.RUNNING)
    assert site.say(LSF.hold([*jobids, "999"])).exit_code == 0
    assert list(site.states().values()) == ["running", "held", "held"]
    assert site.say(LSF.release(jobids[1:])).exit_code == 0
    assert list(site.states().values()) == ["running", "pending", "pending"]


def test_where_no_job_waits_holding_says_so(site: Site) -> None:
    jobid = site.jobid(site.script("a/qsub.0"))
    site.cluster.set(jobid, state=Queued.RUNNING)
    said = site.say(LSF.hold([jobid]))
    assert (said.exit_code, said.err) == (1, "none of these jobs is pending\n")


def test_jobs_are_moved_in_one_call(site: Site) -> None:
    jobids = [site.jobid(site.script(f"a/qsub.{n}")) for n in range(2)]
    assert site.say(LSF.move(jobids, "long")).exit_code == 0
    assert [job.queue for job in site.cluster.queue()] == ["long", "long"]
    assert "No such queue" in site.say(LSF.move(jobids, "nosuch")).err


def test_many_jobs_are_killed_in_one_call(site: Site) -> None:
    jobids = [site.jobid(site.script(f"a/qsub.{n}")) for n in range(3)]
    request = Kill(LSF, str(site.folder), jobids[:2])
    killed = request.read(site.shell(request.script()))
    assert list(killed.queue) == jobids[2:]
    assert [call[0] for call in site.cluster.calls].count("bkill") == 1


@pytest.mark.parametrize(
    ("end", "word"),
    [
        ({"exit_code": 0}, "exit-0,-no-marker"),
        ({"exit_code": 3}, "exit-3"),
        ({"signal": 11}, "signal-11"),
        ({"signal": 12, "why": "walltime"}, "walltime"),
        ({"exit_code": 1, "why": "memory"}, "memory,-exit-1"),
        ({"why": "cancelled"}, "cancelled"),
    ],
)
@pytest.mark.parametrize("forgotten", [False, True])
def test_the_reason_of_an_end_is_found(
    site: Site, end: dict[str, Any], word: str, forgotten: bool
) -> None:
    attempt = site.script("a/qsub.0", "echo its last words")
    jobid = site.jobid(attempt)
    site.cluster.run(jobid)
    for key, value in ({"exit_code": None} | end).items():
        setattr(site.cluster.jobs[int(jobid)], key, value)
    said = site.say(LSF.autopsy(jobid))
    if forgotten:
        site.cluster.says["bjobs"] = Said(255, "", f"Job <{jobid}> is not found\n")
        said = site.say(LSF.autopsy(jobid))
    assert reason(LSF.ending(said.out)) == word


def test_the_tail_of_the_output_is_found(site: Site) -> None:
    attempt = site.script("a/qsub.0", "#BSUB -e err.%J", "echo out", "echo err >&2")
    jobid = site.jobid(attempt)
    site.cluster.run(jobid)
    request = Observe(LSF, str(site.folder), suspects=[Suspect(attempt, jobid)])
    seen = request.read(site.shell(request.script()))
    assert seen.endings[jobid].tail.split("\n")[1::2] == ["out", "err"]


# --- detect ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "is_lsf"),
    [
        ("IBM Spectrum LSF Standard 10.1.0.11, Nov 12 2020\n", True),
        ("IBM Spectrum LSF Community Edition 10.1.0.0, Jul 08 2016\n", True),
        ("IBM Platform LSF Standard 9.1.3.0, Jul 04 2014\n", True),
        ("IBM Spectrum LSF Standard 15.1.0.0, Jan 01 2026\n", True),
        ("Platform LSF 8.0.1, Dec 10 2011\n", False),
        ("openlava project 3.0\n", False),
        ("volclava project 2.0\n", False),
        ("Unknown option: V\nUsage:\n    bsub [-e Error Path] [-h] [script]\n", False),
    ],
)
def test_only_lsf_itself_is_taken_for_lsf(site: Site, version: str, is_lsf: bool) -> None:
    site.cluster.version = version
    assert site.shell(f"{{ {LSF.detect}; }} >/dev/null 2>&1").exit_code == (0 if is_lsf else 1)

"""The dialect and the accents of PBS and Torque tried on each other, through the real shell text.

The programs on PATH call the accent, which speaks for a small cluster in this process.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from accent_place import Place
from accents.base import Accent, Said
from accents.base import Job as Taken
from accents.pbs import OpenPBS
from accents.torque import Torque
from smallcluster import SmallCluster

from jobauto.errors import CouldNotAsk
from jobauto.judge import refused
from jobauto.model import Attempt, InQueue, Job, Queued
from jobauto.remote.observation import Suspect
from jobauto.remote.submission import TURNED_BACK, Ahead
from jobauto.schedulers import DIALECTS
from jobauto.strange import strange

PBS = DIALECTS["pbs"]


@pytest.fixture(params=[OpenPBS, Torque], ids=["openpbs", "torque"])
def accent(request: pytest.FixtureRequest) -> Accent:
    found: Accent = request.param()
    return found


@pytest.fixture(params=["dash", "bash"])
def place(accent: Accent, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    found = Place(PBS, accent, request.param, tmp_path)
    yield found
    found.close()


SCRIPT = "#!/bin/sh\n#PBS -N relax\necho here >done\n"


def test_it_is_detected(place: Place) -> None:
    assert place.sh(f"{PBS.detect}\n").exit_code == 0
    assert place.sh(f"{DIALECTS['sge'].detect}\n").exit_code != 0


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        # Grid Engine 8.1.9
        ("echo 'qstat: Unknown option \"--version\"' >&2; exit 1", ""),
        ("echo 'SGE 8.1.9'", ""),
        # /usr/bin/qstat of slurm-wlm-torque 22.05.8 on Debian 12, which has no qselect
        ("echo 'Unknown option: version' >&2; exit 2", "qselect"),
        ("echo 'Version: 6.1.2'", "qselect"),
    ],
    ids=["Grid Engine", "Grid Engine's first line", "Slurm", "no qselect"],
)
def test_others_are_not_taken_for_it(said: str, missing: str, tmp_path: Path) -> None:
    for program in {"qsub", "qdel", "qstat", "qselect"} - {missing}:
        path = tmp_path / program
        path.write_text(f"#!/bin/sh\n{said}\n")
        path.chmod(0o755)
    (tmp_path / "grep").symlink_to("/bin/grep")
    done = subprocess.run(
        ["/bin/sh", "-c", PBS.detect], env={"PATH": str(tmp_path)}, capture_output=True, timeout=60
    )
    assert done.returncode != 0


def test_a_job_is_found_by_its_token(place: Place) -> None:
    assert place.told() == {}
    place.submit(SCRIPT)
    [line] = place.told().values()
    assert (line.jobid, line.state, line.code) == ("1.fakeserver", Queued.PENDING, "Q")
    assert line.token == "ja1.x-0"


def run(place: Place, number: int, **more: str) -> subprocess.CompletedProcess[str]:
    """Let the fake cluster's text for a job run."""
    return subprocess.run(
        ["/bin/sh", "-c", place.cluster.commands[number][0]],
        env=place.environment | {"FAKE_JOB": str(number)} | more,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("shell", "folder"),
    [
        ("/bin/sh", "#PBS"),
        ("/bin/bash", "two words"),
        ("/bin/csh", "a"),
        ("/bin/csh", "it's odd; $(x) &"),
    ],
)
def test_a_job_runs_in_its_own_folder(place: Place, shell: str, folder: str) -> None:
    if not Path(shell).exists():
        pytest.skip(f"there is no {shell}")
    text = "#!/usr/bin/env python3\n#PBS -S {}\nprint(__file__, file=open('done', 'w'))\n"
    job = place.submit(text.format(shell), f"{folder}/qsub.0")
    done = run(place, job.number)
    assert (done.returncode, done.stderr) == (0, "")
    assert (place.folder / folder / "done").read_text().endswith("/qsub.0\n")
    assert (job.name, job.folder) == ("qsub.0", str(place.folder / folder))


def test_a_job_whose_folder_is_gone_runs_nowhere(place: Place) -> None:
    for first in ("#!/bin/sh\n", ""):
        job = place.submit(f"{first}echo here >done\n")
        for home in (place.folder, place.folder.parent):
            (home / "qsub.0").write_text("#!/bin/sh\ntouch done\n")
            (home / "qsub.0").chmod(0o755)
        (place.folder / "a").rename(place.folder / f"gone{job.number}")
        assert run(place, job.number).returncode
    assert list(place.folder.parent.rglob("done")) == []


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_script_without_an_interpreter_is_read_by_the_shell_of_the_job(
    place: Place, end: str
) -> None:
    job = place.submit("#PBS -S /bin/bash\na=(x y); echo ${a[1]} >done; exit 4" + end)
    assert run(place, job.number).returncode == 4
    assert (place.folder / "a/done").read_text() == "y\n"


def test_a_name_of_its_own_is_kept_and_a_long_one_is_cut(place: Place) -> None:
    names = {"0": "#PBS -l mem=1gb -N own", "a-long-one": "true", "c": "#PBS -q main\n# -N no"}
    jobs = [place.submit(f"#!/bin/sh\n{text}\n", f"a/qsub.{id}") for id, text in names.items()]
    assert [job.name for job in jobs] == ["own", "qsub.a-long-one", "qsub.c"]


def test_what_a_script_asks_for_counts_unless_more_is_said(place: Place) -> None:
    text = (
        "#!/bin/sh\n\n# a comment \\\n  #PBS -N relax -q slow\n#PBS -l mem=1gb,\\\nnodes=2\n"
        "#PBS -o my.out -j oe\n: still above\ntrue\n#PBS -N other\n"
    )
    job = place.submit(text, "a/qsub.0", "-q", "long", "-l", "walltime=1:30:00")
    assert (job.name, job.queue) == ("relax", "long")
    asked = {k: v for k, v in job.facts.items() if k.startswith("Resource_List")}
    assert asked == {
        "Resource_List.mem": "1gb",
        "Resource_List.nodes": "2",
        "Resource_List.walltime": "1:30:00",
    }


def test_jobs_are_held_released_moved_and_ended_in_one_command(place: Place) -> None:
    numbers = [place.submit(SCRIPT, f"a{n}/qsub.0").number for n in range(3)]
    jobids = [f"{number}.fakeserver" for number in numbers]

    def told(command: str) -> list[tuple[str, str]]:
        assert place.sh(f"{command}\n").exit_code == 0
        states = {line.state.value for line in place.told().values()}
        return [(state, job.queue) for state in states for job in place.cluster.jobs.values()]

    assert set(told(PBS.hold(jobids))) == {("held", "main")}
    assert set(told(PBS.release(jobids))) == {("pending", "main")}
    assert set(told(PBS.move(jobids, "other"))) == {("pending", "other")}
    assert told(PBS.kill(jobids)) == []


def test_a_job_that_ended_is_no_doubt(place: Place) -> None:
    """PBS keeps a history, Torque shows it for a while, and one day both have forgotten it."""
    for n in range(4):
        place.submit(SCRIPT, f"a{n}/qsub.0")
    place.cluster.start(1)
    place.cluster.end(1, exit_code=0)
    jobids = [f"{number}.fakeserver" for number in (1, 2, 3, 99)]
    assert set(place.look(*jobids).queue) == {"2.fakeserver", "3.fakeserver", "4.fakeserver"}
    for number in (2, 3, 4):
        place.cluster.end(number, why="cancelled")
    assert set(place.look(*jobids).queue) == set()


def test_a_job_at_a_server_that_does_not_answer_is_not_gone(place: Place) -> None:
    place.submit(SCRIPT)
    with pytest.raises(CouldNotAsk):
        place.look("1.fakeserver", "7.another")


def test_complaints_do_not_break_into_a_line(place: Place) -> None:
    """qstat writes its listing in blocks, and complaints at once."""
    place.submit(SCRIPT)
    listed = r"printf 'Job Id: 1.fakeserver\n    job_st'; {}; printf 'ate = R\n\n'; exit 153"
    place.replace("qstat", listed.format("echo qstat: Unknown Job Id 7.fakeserver >&2"))
    [line] = place.look("7.fakeserver").queue.values()
    assert line == InQueue("1.fakeserver", Queued.RUNNING, "R")


@pytest.mark.parametrize(
    ("program", "instead"),
    [
        ("qselect", "exit 1"),
        ("qstat", r"printf 'Job Id: 1.fakeserver\n    job_state = R\n\n'; exit 2"),
        ("qstat", "exit 0"),
        ("qstat", "exit 153"),
    ],
)
def test_a_program_that_fails_without_a_word_proves_nothing(
    place: Place, program: str, instead: str
) -> None:
    place.submit(SCRIPT)
    place.replace(program, instead)
    with pytest.raises(CouldNotAsk):
        place.look()


def test_a_part_of_an_array_is_no_pattern_and_stands_for_it(place: Place) -> None:
    (place.folder / "123.fakeserver").touch()
    place.replace("qselect", "echo '12[3].fakeserver'")
    listed = r"""printf 'Job Id: %s\n    job_state = R\n\n' "$2" """
    place.replace("qstat", f"[ $# = 2 ] || exit 2; {listed}")
    assert set(place.look("12+.fakeserver").queue) == {"12+.fakeserver"}


def test_long_variables_come_back_whole(place: Place) -> None:
    """A job may take all variables along, a function of bash with its lines among them."""
    place.environment |= {"LONG": "x" * 300, "MANY": ",".join("abc" * 90)}
    place.environment["BASH_FUNC_module%%"] = "() {  eval `/usr/bin/modulecmd bash $*`\n}"
    text = SCRIPT.replace("#PBS", "#PBS -V\n#PBS")
    jobs = [place.submit(text, f"a{n}/qsub.0") for n in range(3)]
    tokens = {line.jobid: line.token for line in place.told().values()}
    assert tokens == {f"{job.number}.fakeserver": f"ja1.x-{n}" for n, job in enumerate(jobs)}


def test_a_server_that_is_down_proves_nothing(place: Place) -> None:
    place.submit(SCRIPT)
    place.cluster.down = True
    with pytest.raises(CouldNotAsk):
        place.look("1.fakeserver")
    claim = place.attempt(SCRIPT, "b/qsub.0")
    assert claim.answered
    assert claim.exit_code
    assert PBS.lost.search(claim.said)
    assert not refused(claim, PBS)


def test_a_full_queue_means_later(place: Place) -> None:
    place.cluster.limit = 0
    claim = place.attempt(SCRIPT)
    assert refused(claim, PBS)
    assert PBS.limit.search(claim.said)
    assert place.told() == {}


def test_a_queue_that_there_is_not_means_never(place: Place) -> None:
    claim = place.attempt(SCRIPT, "a/qsub.0", "-q", "none")
    assert refused(claim, PBS)
    assert not PBS.limit.search(claim.said)


def orphan(cluster: SmallCluster) -> bool:
    """What it waited for has failed, and the cluster has ended it."""
    return cluster.end(1, after=[9], orphan=True, why="cancelled")


def finish(**how: Any) -> Callable[[SmallCluster], object]:
    return lambda cluster: (cluster.start(1), cluster.end(1, **how))


@pytest.mark.parametrize(
    ("end", "pbs", "torque"),
    [
        (finish(exit_code=3), "exit-3", "exit-3"),
        (finish(exit_code=0), "exit-0,-no-marker", "exit-0,-no-marker"),
        (finish(signal=9), "signal-9", "signal-9"),
        (finish(signal=15, why="walltime"), "walltime", "walltime"),
        (finish(signal=9, why="memory"), "memory", "memory"),
        (finish(signal=15, why="cancelled"), "cancelled", "signal-15"),
        (lambda cluster: cluster.kill(1), "cancelled", "signal-15"),
        (lambda cluster: orphan(cluster), "no-marker", "signal-15"),
        (lambda cluster: cluster.jobs.clear(), "no-marker", "no-marker"),
    ],
    ids=[
        "exit 3",
        "success",
        "signal",
        "walltime",
        "memory",
        "killed",
        "never ran",
        "orphan",
        "forgotten",
    ],
)
def test_how_a_job_ended_is_told(
    place: Place, end: Callable[[SmallCluster], object], pbs: str, torque: str
) -> None:
    place.submit(SCRIPT)
    end(place.cluster)
    word = torque if place.accent.name == "torque" else pbs
    assert place.ended("1.fakeserver") == word


def test_the_output_is_found_where_it_is_by_itself_and_where_it_was_asked_for(place: Place) -> None:
    text = "#!/bin/sh\n#PBS -o host:my.out -j oe\n#PBS -e $PBS_O_WORKDIR/my.err\n"
    place.submit(text)
    for name in ("qsub.0.o1", "qsub.0.e1", "qsub.0.o12", "my.out", "my.err"):
        (place.folder / "a" / name).write_text(f"words in {name}\n")
    suspect = Suspect(Attempt(Job("a", "0"), 1, "ja1.x-0"), "1.fakeserver")
    tail = place.look(suspects=(suspect,)).endings["1.fakeserver"].tail
    found = {line.removeprefix("words in ") for line in tail.splitlines() if "words" in line}
    assert found == {"qsub.0.o1", "qsub.0.e1", "my.out", "my.err"}


def chained(place: Place) -> list[Taken]:
    """Three jobs: the second waits for the first, the third for both; one of them by its token."""
    first = place.submit(SCRIPT, "a/qsub.0")
    marker = "a/qsub.finished.0"
    second = place.submit(SCRIPT, "b/qsub.0", ahead=Ahead(["1.fakeserver"], [], [marker]))
    both = Ahead(["1.fakeserver"], ["ja1.x-1"], [marker, "b/qsub.finished.0"])
    return [first, second, place.submit(SCRIPT, "c/qsub.0", ahead=both)]


THIRD = Suspect(Attempt(Job("c", "0"), 1, "ja1.x-2", ("ja1.x-1",)), "3.fakeserver")


def test_a_job_waits_in_the_queue_for_others(place: Place) -> None:
    assert [job.after for job in chained(place)] == [[], [1], [1, 2]]
    told = place.told()
    assert [line.code for line in told.values()] == ["Q", "H", "H"]
    assert told["2.fakeserver"].token == "ja1.x-1"
    assert not strange(told["2.fakeserver"], waits=True)
    place.cluster.change(2, after=[])
    assert place.told()["2.fakeserver"].code == "Q"


def test_its_dependencies_are_told_as_pbs_tells_them(place: Place) -> None:
    chained(place)
    shown = place.accent.call(["qstat", "-f", "3"], "", {}, "/", place.cluster).out
    jobids = ":1.fakeserver@fakeserver:2.fakeserver@fakeserver"
    assert f"    depend = afterok{jobids}\n" in shown
    assert "    Hold_Types = s\n" in shown


@pytest.mark.parametrize("there", [False, True])
def test_a_job_that_was_handed_in_ahead_begins_only_if_all_is_there(
    place: Place, there: bool
) -> None:
    place.replace("sleep", "exit 0")
    chained(place)
    (place.folder / "a/qsub.finished.0").touch()
    if there:
        (place.folder / "b/qsub.finished.0").touch()
    assert run(place, 3).returncode == (0 if there else TURNED_BACK)
    assert (place.folder / "c/done").exists() is there
    assert place.look(suspects=(THIRD,)).endings["3.fakeserver"].began is there
    # it may be queued again
    (place.folder / "b/qsub.finished.0").touch()
    assert run(place, 3).returncode == (0 if there else TURNED_BACK)


def test_a_job_that_has_left_the_queue_never_begins(place: Place) -> None:
    chained(place)
    for name in "ab":
        (place.folder / name / "qsub.finished.0").touch()
    assert place.look(suspects=(THIRD,)).endings["3.fakeserver"].began is False
    assert run(place, 3).returncode == TURNED_BACK
    assert not (place.folder / "c/done").exists()


def test_a_script_does_not_begin_where_its_guard_cannot_say_so(place: Place) -> None:
    chained(place)
    for name in "ab":
        (place.folder / name / "qsub.finished.0").touch()
    (place.folder / ".jobauto/claims/ja1.x-2/fate").touch()  # as on a full disk
    assert run(place, 3).returncode == TURNED_BACK
    assert not (place.folder / "c/done").exists()


def test_a_job_cannot_wait_for_one_that_there_never_was(place: Place) -> None:
    """OpenPBS takes it, and the server ends it then; Torque refuses it."""
    ahead = Ahead(["99.fakeserver"], [], ["a/qsub.finished.0"])
    claim = place.attempt(SCRIPT, "b/qsub.0", ahead=ahead)
    if place.accent.name == "openpbs":
        assert (claim.exit_code, place.cluster.jobs[1].after) == (0, [99])
        return
    assert refused(claim, PBS)
    assert not PBS.limit.search(claim.said)
    assert claim.said == (
        "qsub: submit error (Invalid Job Dependency MSG=cannot queue job 1.fakeserver)\n"
    )


def test_other_attributes_of_a_script_stay_beside_a_dependency(place: Place) -> None:
    text = SCRIPT.replace("-N relax", "-W umask=022,depend=afterok:1 -W group_list=chem")
    place.submit(SCRIPT)
    assert place.submit(text, "b/qsub.0").after == [1]
    for wrong in ("depend=afterok:", "depend=afterok", "depend", "depend=afterok:1:x"):
        claim = place.attempt(SCRIPT, "c/qsub.0", "-W", wrong)
        assert (claim.exit_code, claim.said.split("\n")[0]) == (2, "qsub: illegal -W value")


@pytest.mark.parametrize(
    ("folder", "id", "word"),
    [
        ("/a b/c", "0", ""),
        ("/a", "lda+U_1-2", ""),
        ("/a", "two words", "blank"),
        ("/a", "x'y", "name of a job"),
        ("/a", "ü", "name of a job"),
        ("/it's $(odd)", "x" * 230, ""),
        ("/a\\b", "0", "name of a folder"),
        ("/a,b", "0", "name of a folder"),
        ("/a\nb", "0", "name of a folder"),
        ("/a!b", "0", "name of a folder"),
    ],
)
def test_a_name_that_cannot_be_is_refused_before(folder: str, id: str, word: str) -> None:
    said = PBS.bad_name(folder, id)
    assert (word in said) if word else not said


def test_no_line_of_an_accent_is_longer_than_80_columns(accent: OpenPBS) -> None:
    cluster = SmallCluster("hpc")
    environment = {"HOME": "/home/hpc", "PATH": ":".join(["/opt/bin/x"] * 30), "MAIL": "m" * 100}
    said = accent.call(["qsub", "-N", "x"], "true\n", environment, "/work", cluster)
    assert said == Said(0, "1.fakeserver\n")
    shown = accent.call(["qstat", "-f", "1"], "", {}, "/", cluster).out
    assert max(map(len, shown.expandtabs().splitlines())) <= 86
    assert all(b.startswith(("    ", "\t")) for _, b in pairwise(shown.strip().splitlines()))

"""The scripts of `jobauto runlist`, by real shells: whole outputs or none, and each only once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from runlists import GOOD, plant, tried, typed
from trees import make

SHELLS = ["sh", "bash"]


def planted(folder: Path, run: str = GOOD, *options: str) -> Path:
    """A task with one run file that makes the program do `run`; the job's folder."""
    plant(folder, {"A.txt": "r.root\n"}, {"r.root": run})
    assert typed(folder, *options) == 0
    return folder / "test/init/A/r"


def out(job: Path) -> Path:
    return job.parents[3] / "out/A"


def impatient(job: Path) -> None:
    """Let the scripts wait for nothing."""
    library = job.parents[1] / "publish.sh"
    assert "patience=10" in library.read_text()
    library.write_text(library.read_text().replace("patience=10", "patience=0"))


def marked(job: Path, script: str = "job") -> bool:
    return (job / f"qsub.finished.{script}").exists()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def put(file: Path, text: str, checksum: str | None = None) -> Path:
    """A file and its checksum, or another one; '' for none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    if checksum != "":
        noted = checksum or hashlib.sha256(text.encode()).hexdigest()
        file.with_name(f"{file.name}.sha256").write_text(f"{noted}  {file.name}\n")
    return file


@pytest.mark.parametrize("shell", SHELLS)
def test_an_output_appears_with_its_checksum_and_nothing_else_is_left(
    tmp_path: Path, shell: str
) -> None:
    job = planted(tmp_path, GOOD, "-ad", "n=3", "verbose")
    done = tried(job, shell)
    assert done.returncode == 0, done.stderr
    assert marked(job)
    assert names(out(job)) == ["r.root", "r.root.sha256"]
    assert (out(job) / "r.root").read_text() == "of r.root\n"
    subprocess.run(["sha256sum", "-c", "r.root.sha256"], cwd=out(job), check=True)
    called = (job / "called").read_text().splitlines()
    assert called[:3] == ["-n=3", "-verbose", f"{tmp_path}/in/r.root"]
    assert called[3].startswith(f"{tmp_path}/out/A/.r.root.")
    assert called[3].endswith("/r.root")


HOSTILE = [
    *("a b.root", "it's.root", '"q".root', "$(touch X).root", "`touch X`.root", "a;touch X;.root"),
    *("*.root", "a\\b.root", "-rf.root", "--.root", "~.root", "ä€.root", "a#.root", "a&b|c.root"),
    *("__binpath__.root", "___a___.root", "@run@.root", "@output@", "$HOME.root", "!x.root"),
    *(
        "'",
        "''",
        "{a,b}.root",
        "x" * 140 + ".root",
        "hadd_.root",
        "hadd-1-1.root",
        "quelist",
        "[a].root",
    ),
]


@pytest.mark.parametrize("shell", SHELLS)
def test_no_name_is_run_by_the_shell(tmp_path: Path, shell: str) -> None:
    plant(tmp_path, {"A's $(x) l.txt": "\n".join(HOSTILE)}, dict.fromkeys(HOSTILE, GOOD))
    assert typed(tmp_path, "-d", "A", "-ad", "v=$(touch X) 'a b'", "__a__", "--hadd") == 0
    init = tmp_path / "test/init"
    jobs = sorted(init.rglob("qsub.job"))
    assert len(jobs) == len(HOSTILE)
    for script in jobs:
        subprocess.run(["sh", "-n", script.name], cwd=script.parent, check=True)
        done = tried(script.parent, shell)
        assert done.returncode == 0, (script, done.stderr)
        called = (script.parent / "called").read_text().splitlines()
        assert called[:2] == ["-v=$(touch X) 'a b'", "-__a__"]
    hadd = next(init.rglob("qsub.hadd")).parent
    done = tried(hadd, shell, "qsub.hadd")
    assert done.returncode == 0, done.stderr
    total = (tmp_path / "out/A's $(x) l/hadd.root").read_text().splitlines()
    assert sorted(total) == sorted(f"of {name}" for name in HOSTILE)
    made = {name if "." in name else f"{name}.root" for name in HOSTILE}
    assert made < set(names(tmp_path / "out/A's $(x) l"))
    assert not list(tmp_path.rglob("X"))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("run", "code", "says"),
    [
        ("exit 3", 3, "the program ended with status 3"),
        ('echo half >"$made"; exit 1', 1, "nothing was put into place"),
        ('echo half >"$made"; kill -9 $$', 137, "ended with status 137"),
        (":", 1, "its output is empty or not there"),
        (': >"$made"', 1, "its output is empty or not there"),
        ('mkdir "$made"', 1, "there is no checksum of"),
    ],
)
def test_a_bad_ending_leaves_no_output_and_no_marker(
    tmp_path: Path, run: str, code: int, says: str, shell: str
) -> None:
    job = planted(tmp_path, run)
    done = tried(job, shell)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert not marked(job)
    assert names(out(job)) == []


def test_a_missing_program_is_a_bad_ending(tmp_path: Path) -> None:
    job = planted(tmp_path)
    (tmp_path / "bin/prog").unlink()
    assert tried(job).returncode == 127
    assert not marked(job)


def test_a_job_that_is_told_to_end_tidies_up(tmp_path: Path) -> None:
    job = planted(tmp_path, 'echo half >"$made"; kill -TERM $JOB')
    assert tried(job).returncode == 143
    assert not marked(job)
    assert names(out(job)) == []


def test_what_a_killed_job_left_is_removed_by_its_next_try_and_nothing_else(
    tmp_path: Path,
) -> None:
    job = planted(tmp_path, 'echo half >"$made"; kill -9 $JOB')
    assert tried(job).returncode == -9
    (left,) = names(out(job))
    other = out(job) / ".r.root.elsewhere.1.0"
    other.mkdir()
    make(tmp_path, {"in/r.root": GOOD})
    assert tried(job).returncode == 0
    assert names(out(job)) == [other.name, "r.root", "r.root.sha256"]
    assert left != other.name


@pytest.mark.parametrize("text", ["{out}", "{out}/.r.root.", "{out}/.r.root.x/..", "/", "", "x"])
def test_a_note_of_an_earlier_try_that_was_cut_or_changed_removes_nothing(
    tmp_path: Path, text: str
) -> None:
    job = planted(tmp_path)
    keep = put(out(job) / "keep", "k")
    (out(job) / ".r.root.x").mkdir()
    (job / "temporary").write_text(text.format(out=out(job)))
    assert tried(job).returncode == 0
    assert keep.exists()
    assert (out(job) / ".r.root.x").exists()


# --- once


@pytest.mark.parametrize("shell", SHELLS)
def test_a_complete_output_is_not_made_again(tmp_path: Path, shell: str) -> None:
    job = planted(tmp_path)
    put(out(job) / "r.root", "theirs")
    done = tried(job, shell)
    noted = hashlib.sha256(b"theirs").hexdigest()
    assert done.stdout == f"was there: {out(job)}/r.root sha256 {noted}\n"
    assert marked(job)
    assert not (job / "ran").exists()
    assert names(out(job)) == ["r.root", "r.root.sha256"]


@pytest.mark.parametrize("checksum", ["", "0" * 64, " "])
def test_an_output_that_no_checksum_fits_is_neither_trusted_nor_replaced(
    tmp_path: Path, checksum: str
) -> None:
    job = planted(tmp_path)
    put(out(job) / "r.root", "half", checksum)
    impatient(job)
    done = tried(job)
    assert done.returncode == 1
    assert "no checksum beside it fits: remove it, or replace it with -w" in done.stderr
    assert (out(job) / "r.root").read_text() == "half"
    assert not (job / "ran").exists()
    assert not marked(job)


@pytest.mark.parametrize("checksum", [None, "", "0" * 64])
def test_w_replaces_what_is_there(tmp_path: Path, checksum: str | None) -> None:
    put(tmp_path / "out/A/r.root", "old", checksum)
    job = planted(tmp_path, GOOD, "-w")
    assert tried(job).returncode == 0
    assert (out(job) / "r.root").read_text() == "of r.root\n"
    subprocess.run(["sha256sum", "-c", "r.root.sha256"], cwd=out(job), check=True)
    assert names(out(job)) == ["r.root", "r.root.sha256"]


@pytest.mark.parametrize("option", [[], ["-w"]])
def test_a_folder_in_the_place_of_an_output_is_left_alone(
    tmp_path: Path, option: list[str]
) -> None:
    job = planted(tmp_path, GOOD, *option)
    (out(job) / "r.root").mkdir(parents=True)
    assert "r.root is a folder" in tried(job).stderr
    assert names(out(job) / "r.root") == []


def test_an_outdir_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    job = planted(tmp_path)
    (tmp_path / "out").write_text("")
    done = tried(job)
    assert (done.returncode, "cannot make" in done.stderr) == (1, True)
    assert not marked(job)


def test_a_checksum_that_a_cut_job_had_not_put_beside_its_output_is_found(tmp_path: Path) -> None:
    job = planted(tmp_path)
    put(out(job) / "r.root", "theirs", "")
    left = out(job) / ".r.root.node7.123.0"
    put(left / "r.root", "theirs")
    done = tried(job)
    assert done.stdout.startswith("was there: ")
    assert marked(job)
    subprocess.run(["sha256sum", "-c", "r.root.sha256"], cwd=out(job), check=True)


THEIRS = """
echo "{text}" >"${{made%/*}}/../r.root"
hash=$(sha256sum <"${{made%/*}}/../r.root")
echo "${{hash%% *}}  r.root" >"${{made%/*}}/../r.root.sha256"
"""


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("text", ["of r.root", "of another site"])
def test_the_second_of_two_sites_finds_the_output_complete_and_says_so(
    tmp_path: Path, text: str, shell: str
) -> None:
    job = planted(tmp_path, GOOD + THEIRS.format(text=text))
    done = tried(job, shell)
    assert done.returncode == 0, done.stderr
    noted = hashlib.sha256(f"{text}\n".encode()).hexdigest()
    assert f"same-as: {out(job)}/r.root sha256 {noted}\n" in done.stdout
    assert ("ours differed" in done.stdout) == (text != "of r.root")
    assert (out(job) / "r.root").read_text() == f"{text}\n"
    assert names(out(job)) == ["r.root", "r.root.sha256"]
    assert marked(job)


def test_a_foreign_output_that_came_meanwhile_without_checksum_stays_and_fails_the_job(
    tmp_path: Path,
) -> None:
    job = planted(tmp_path, GOOD + 'echo foreign >"${made%/*}/../r.root"')
    impatient(job)
    done = tried(job)
    assert (done.returncode, "no checksum beside it fits" in done.stderr) == (1, True)
    assert (out(job) / "r.root").read_text() == "foreign\n"
    assert not marked(job)


def test_of_many_jobs_at_the_same_moment_one_wins_and_all_say_the_same(tmp_path: Path) -> None:
    plant(tmp_path, {"A.txt": "r.root\n"}, {"r.root": 'echo "$PWD" >"$made"'})
    jobs = []
    for number in range(8):
        assert typed(tmp_path, "--ldir", f"site{number}") == 0
        jobs.append(tmp_path / f"site{number}/init/A/r")
    running = [
        subprocess.Popen(["sh", "qsub.job"], cwd=job, stdout=subprocess.PIPE, text=True)
        for job in jobs
    ]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 8
    place = tmp_path / "out/A"
    noted = hashlib.sha256((place / "r.root").read_bytes()).hexdigest()
    assert all(f"sha256 {noted}" in text for text in said)
    first = [text for text in said if "was there" not in text and "same-as" not in text]
    assert len(first) == 1
    assert names(place) == ["r.root", "r.root.sha256"]
    assert (place / "r.root.sha256").read_text() == f"{noted}  r.root\n"


# --- the environment


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("cd /; output=x; set -- z; name=q folder=/ sum=1; complete() { :; }", 0),
        ("exit 3", 3),
        ("false", 0),
        ("set -eu", 0),
    ],
)
def test_an_environment_script_cannot_harm_the_rest(
    tmp_path: Path, text: str, code: int, shell: str
) -> None:
    job = planted(tmp_path)
    make(tmp_path, {"env": f"{text}\n"})
    done = tried(job, shell)
    assert done.returncode == code, done.stderr
    assert marked(job) == (out(job) / "r.root").exists() == (code == 0)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("text", ["made=/dev/null", "run=/etc/passwd", "exe=true", "if"])
def test_an_environment_script_does_not_change_what_is_read_or_written(
    tmp_path: Path, text: str, shell: str
) -> None:
    job = planted(tmp_path)
    make(tmp_path, {"env": f"{text}\n"})
    done = tried(job, shell)
    assert done.stderr
    assert marked(job) == (out(job) / "r.root").exists() == (done.returncode == 0)
    if marked(job):
        assert (out(job) / "r.root").read_text() == "of r.root\n"


def test_the_environment_is_there_for_the_program(tmp_path: Path) -> None:
    job = planted(tmp_path, 'echo "$MODE" >"$made"')
    make(tmp_path, {"env": "export MODE=fast\n"})
    assert tried(job).returncode == 0
    assert (out(job) / "r.root").read_text() == "fast\n"


def test_without_an_environment_script_the_program_runs_as_well(tmp_path: Path) -> None:
    job = planted(tmp_path, GOOD, "-a", "")
    assert tried(job).returncode == 0


# --- machines that lack something


def few(folder: Path, *without: str, **instead: str) -> str:
    """The value of PATH for a machine without some programs."""
    folder.mkdir()
    for place in ("/usr/bin", "/bin"):
        for program in Path(place).iterdir():
            if program.name not in (*without, *instead) and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    for name, text in instead.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def on(path: str, job: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "qsub.job"], cwd=job, env={"PATH": path}, capture_output=True, text=True
    )


def test_where_there_are_no_links_an_output_is_renamed_into_place(tmp_path: Path) -> None:
    job = planted(tmp_path)
    done = on(few(tmp_path / "few", ln="exit 1"), job)
    assert done.returncode == 0, done.stderr
    assert names(out(job)) == ["r.root", "r.root.sha256"]
    subprocess.run(["sha256sum", "-c", "r.root.sha256"], cwd=out(job), check=True)


def test_shasum_does_where_sha256sum_is_not(tmp_path: Path) -> None:
    job = planted(tmp_path)
    shasum = f'[ "$*" = "-a 256" ] && exec {shutil.which("sha256sum")}'
    done = on(few(tmp_path / "few", "sha256sum", shasum=shasum), job)
    assert done.returncode == 0, done.stderr
    subprocess.run(["sha256sum", "-c", "r.root.sha256"], cwd=out(job), check=True)


def test_without_checksums_nothing_is_put_into_place(tmp_path: Path) -> None:
    job = planted(tmp_path)
    done = on(few(tmp_path / "few", "sha256sum", "shasum"), job)
    assert (done.returncode, "sha256sum or shasum is needed" in done.stderr) == (1, True)
    assert names(out(job)) == []
    assert not marked(job)


def test_without_publish_sh_no_marker_is_written(tmp_path: Path) -> None:
    job = planted(tmp_path)
    (tmp_path / "test/init/publish.sh").unlink()
    for shell in SHELLS:
        assert tried(job, shell).returncode != 0
        assert not marked(job)


# --- sums


@pytest.fixture
def hadd(tmp_path: Path) -> Path:
    """The folder of a sum of two outputs that are there."""
    plant(tmp_path, {"A.txt": "a.root\nb.root\n"}, {})
    assert typed(tmp_path, "--hadd") == 0
    for name in ("a", "b"):
        put(tmp_path / f"out/A/{name}.root", f"{name}\n")
    return tmp_path / "test/init/A/hadd"


def summed(hadd: Path) -> str:
    return (hadd.parents[3] / "out/A/hadd.root").read_text()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_sum_is_made_once_and_again_when_its_inputs_are_others(hadd: Path, shell: str) -> None:
    for _ in range(2):
        done = tried(hadd, shell, "qsub.hadd")
        assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("was there: ")
    assert (hadd / "ran").read_text() == "run\n"
    put(hadd.parents[3] / "out/A/b.root", "other\n")
    done = tried(hadd, shell, "qsub.hadd")
    assert done.stdout.startswith("is there, but of other inputs: ")
    assert done.returncode == 0, done.stderr
    assert summed(hadd) == "a\nother\n"
    assert marked(hadd, "hadd")
    subprocess.run(
        ["sha256sum", "-c", "hadd.root.sha256"], cwd=hadd.parents[3] / "out/A", check=True
    )


def test_inputs_without_a_checksum_are_summed_too(hadd: Path) -> None:
    (hadd.parents[3] / "out/A/a.root.sha256").unlink()
    assert tried(hadd, script="qsub.hadd").returncode == 0
    put(hadd.parents[3] / "out/A/a.root", "new\n", "")
    (hadd.parents[3] / "out/A/a.root.sha256").unlink(missing_ok=True)
    assert tried(hadd, script="qsub.hadd").returncode == 0
    assert summed(hadd) == "new\nb\n"


@pytest.mark.parametrize("text", [None, ""])
def test_a_sum_without_all_its_inputs_is_not_made(hadd: Path, text: str | None) -> None:
    first = hadd.parents[3] / "out/A/a.root"
    first.unlink()
    if text is not None:
        first.write_text(text)
    done = tried(hadd, script="qsub.hadd")
    assert (done.returncode, f"there is no {first}" in done.stderr) == (1, True)
    assert not marked(hadd, "hadd")
    assert not (hadd / "ran").exists()


def test_a_sum_that_somebody_else_wrote_is_not_replaced(hadd: Path) -> None:
    put(hadd.parents[3] / "out/A/hadd.root", "precious", "")
    impatient(hadd)
    assert "no checksum beside it fits" in tried(hadd, script="qsub.hadd").stderr
    assert summed(hadd) == "precious"


def test_the_scripts_of_the_template_are_scripts() -> None:
    folder = Path(__file__).parent.parent / "init_templates/runlist"
    for name in ("qsub.job", "qsub.hadd", "publish.sh"):
        for shell in SHELLS:
            subprocess.run([shell, "-n", name], cwd=folder, check=True, env=dict(os.environ))

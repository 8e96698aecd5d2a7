"""`jobauto runlist`: which lists, which jobs, where to, and each refusal."""

from __future__ import annotations

import csv
import re
import string
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from places import ROOT
from runlists import plant, typed
from test_templates import snapshot
from trees import make

from jobauto import tree
from jobauto.cli.main import main
from jobauto.graph import Graph
from jobauto.needs import parse_needs
from jobauto.runlist import naming
from jobauto.runlist.reducing import Source, reduces

LISTS = {
    "ISS.B950/pass6.txt": "# test\n\n 13.root \n14.root\n",
    "ISS.B950/pass6_500.txt": "15.root\n",
    "C.B1113/el.txt": "el/16.root\n",
    "C.B1113.3_00/el.txt": "17.root\n",
    ".hidden.txt": "18.root",
    "ISS.B950/old.txt~": "19.root",
}
Capture = pytest.CaptureFixture[str]


def rows(folder: Path, ldir: str = "test") -> list[dict[str, str]]:
    with (folder / ldir / "init/runlist.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("datasets", "runs"),
    [
        (["ISS.B950/pass6_500"], [15]),
        (["ISS.B950/pass6"], [13, 14, 15]),
        (["C.B1113"], [16, 17]),
        (["C.B1113.3_00", "pass6.txt", "pass6.t"], [13, 14, 17]),
        (["."], [13, 14, 15, 16, 17]),
    ],
)
def test_every_list_with_a_data_set_in_its_name_is_used_once(
    tmp_path: Path, datasets: list[str], runs: list[int]
) -> None:
    plant(tmp_path, LISTS)
    assert typed(tmp_path, "-d", *datasets) == 0
    found = rows(tmp_path)
    assert sorted(Path(row["run"]).stem for row in found) == list(map(str, runs))
    assert {row["name"] for row in found} == {
        name.rpartition("/")[0] for name in tree.scan(tmp_path / "test/init").jobs
    }


def test_outputs_have_the_path_of_their_list(tmp_path: Path) -> None:
    plant(tmp_path, LISTS)
    assert typed(tmp_path) == 0
    assert [row["output"] for row in rows(tmp_path)] == [
        f"{tmp_path}/out/{name}"
        for name in (
            *("C.B1113/el/16.root", "C.B1113.3_00/el/17.root", "ISS.B950/pass6/13.root"),
            *("ISS.B950/pass6/14.root", "ISS.B950/pass6_500/15.root"),
        )
    ]
    assert rows(tmp_path)[2]["line"] == "3"


def test_folders_of_lists_are_found_through_links_but_not_in_circles(tmp_path: Path) -> None:
    plant(tmp_path, {})
    make(tmp_path / "elsewhere", {"ISS/p.txt": "1.root"})
    (tmp_path / "elsewhere/ISS/again").symlink_to("..")
    (tmp_path / ".filelists").rmdir()
    (tmp_path / ".filelists").symlink_to("elsewhere")
    assert typed(tmp_path, "-d", "ISS/p") == 0
    assert typed(tmp_path, "-d", "p", "--runlists", "elsewhere/ISS", "--ldir", "b") == 0
    assert [row["list"] for row in rows(tmp_path) + rows(tmp_path, "b")] == ["ISS/p", "p"]


@pytest.mark.parametrize(
    ("options", "mc"),
    [([], {"C.B1113/el", "C.B1113.3_00/el"}), (["--mc", "ISS*"], {"ISS.B950/pass6"})],
)
def test_data_and_monte_carlo_have_arguments_of_their_own(
    tmp_path: Path, options: list[str], mc: set[str], capsys: Capture
) -> None:
    plant(tmp_path, LISTS)
    given = ["-ad", "n=3", "v", "-am", "mc=1", "-t", *options]
    assert typed(tmp_path, "-d", "el", "pass6.txt", *given) == 0
    program = f"{tmp_path}/bin/prog"
    for line in capsys.readouterr().out.splitlines():
        if "qsub.job" in line:
            name = line.rpartition("/qsub.job")[0].rpartition("/")[0]
            arguments = "-mc=1" if name in mc else "-n=3 -v"
            assert f": {program} {arguments} {tmp_path}/in/" in line


def test_test_mode_shows_commands_and_makes_nothing(tmp_path: Path, capsys: Capture) -> None:
    plant(tmp_path, {"A.txt": "\n".join(f"{n} x.root" for n in range(12)), "B.txt": "#\n"})
    make(tmp_path / "out/A", {"0 x.root": "", "0 x.root.sha256": "", "1 x.root": ""})
    before = snapshot(tmp_path)
    for option in ("-t", "--test", "--dry-run"):
        assert typed(tmp_path, option, "--hadd", "--fan-in", "3", "-i", "root://e/data") == 0
        said = capsys.readouterr().out.splitlines()
        assert said[0] == "2 run lists, 10 jobs, 6 sums, 2 skipped, as their output is there"
        assert said[1].startswith("1 of these outputs have no checksum")
        assert said[2] == f"{tmp_path}/.filelists/B.txt names no run file"
        assert said[3].startswith("A/2-x_")
        words = f"{tmp_path}/bin/prog 'root://e/data/2 x.root' '{tmp_path}/out/A/2 x.root'"
        assert said[3].endswith(f"/qsub.job: {words}")
        assert said[-1] == f"A/hadd/qsub.hadd: 2 files to {tmp_path}/out/A/hadd.root"
    assert snapshot(tmp_path) == before


def test_a_list_of_more_jobs_shows_the_first(tmp_path: Path, capsys: Capture) -> None:
    plant(tmp_path, {"A.txt": "\n".join(f"{n}.root" for n in range(1001))})
    assert typed(tmp_path, "-t") == 0
    assert "... and 991 more" in capsys.readouterr().out
    assert typed(tmp_path) == 2
    assert "1001 jobs are more than 1000\n  -> if this is meant: --yes" in capsys.readouterr().err
    assert typed(tmp_path, "--yes") == 0
    assert len(tree.scan(tmp_path / "test/init").jobs) == 1001


def test_a_job_whose_output_exists_is_not_made_unless_w(tmp_path: Path, capsys: Capture) -> None:
    plant(tmp_path, {"A.txt": "a.root\nb.root\n"})
    make(tmp_path / "out/A", {"a.root": "x"})
    assert typed(tmp_path) == 0
    assert [row["run"] for row in rows(tmp_path)] == ["b.root"]
    assert typed(tmp_path, "-w", "--ldir", "w") == 0
    assert [row["run"] for row in rows(tmp_path, "w")] == ["a.root", "b.root"]
    make(tmp_path / "out/A", {"b.root": "x"})
    capsys.readouterr()
    assert typed(tmp_path, "--ldir", "c") == 2
    assert (
        "nothing to do: all 2 outputs are there\n  -> replace them: -w" in capsys.readouterr().err
    )
    assert typed(tmp_path, "--ldir", "d", "--hadd") == 0
    assert set(tree.scan(tmp_path / "d/init").jobs) == {"A/hadd/qsub.hadd"}


def test_a_program_without_a_slash_is_that_of_the_path(tmp_path: Path, capsys: Capture) -> None:
    plant(tmp_path, {"A.txt": "a.root"})
    assert typed(tmp_path, "-t", "-e", "NtpMaker", "-o", "/data/out") == 0
    said = capsys.readouterr().out
    assert f"qsub.job: NtpMaker {tmp_path}/in/a.root /data/out/A/a.root" in said
    assert "/data/out is not here: each job looks for its output itself" in said


# --- LDIR


def test_a_jobmon_toml_is_never_overwritten(tmp_path: Path, capsys: Capture) -> None:
    plant(tmp_path, {"A.txt": "a.root"})
    toml = make(tmp_path / "test", {"jobmon.toml": "maxqsub = 3\n"}) / "jobmon.toml"
    assert typed(tmp_path, "-q", "long", "-m", "7") == 0
    assert toml.read_text() == "maxqsub = 3\n"
    said = capsys.readouterr().out
    assert 'was left as it is; add to it:\nqueue = "long"\nmaxqsub = 7\n' in said


def test_a_jobmon_toml_that_says_so_already_is_no_matter(tmp_path: Path, capsys: Capture) -> None:
    plant(tmp_path, {"A.txt": "a.root"})
    make(tmp_path / "test", {"jobmon.toml": "maxqsub = 7\ninterval = 3\n"})
    assert typed(tmp_path, "-m", "7") == 0
    assert "add to it" not in capsys.readouterr().out


def test_without_queue_and_maxjobs_there_is_no_jobmon_toml(tmp_path: Path) -> None:
    plant(tmp_path, {"A.txt": "a.root"})
    assert typed(tmp_path) == 0
    assert [entry.name for entry in (tmp_path / "test").iterdir()] == ["init"]


def test_what_is_there_is_never_touched(tmp_path: Path, capsys: Capture) -> None:
    plant(tmp_path, {"A.txt": "a.root"})
    assert typed(tmp_path) == 0
    before = snapshot(tmp_path / "test")
    assert typed(tmp_path, "-m", "3") == 2
    assert "there already: A, publish.sh, runlist.csv" in capsys.readouterr().err
    assert snapshot(tmp_path / "test") == before


# --- refusals


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.root\n/eos/b.root", "A.txt:2: /eos/b.root is a whole path\n  -> --indir is put before"),
        ("root://eos//b.root", "A.txt:1: root://eos//b.root is a whole path"),
        ("a/../../b.root", "A.txt:1: a/../../b.root leaves --indir"),
        ("..", "A.txt:1: .. leaves --indir"),
        ("a/", "A.txt:1: a/ names a folder or a hidden file"),
        ("a/.b.root", "A.txt:1: a/.b.root names a folder or a hidden file"),
        ("a\tb.root", "A.txt:1: odd signs in a\\tb.root"),
        ("a\x1b[2Jb.root", "A.txt:1: odd signs in a\\x1b[2Jb.root"),
        ("a\udcffb.root", "A.txt:1: odd signs in"),
        ("\n\na.sha256", "A.txt:3: a.sha256 would get an output that looks like a checksum"),
        ("x" * 151, "is too long (at most 150 bytes)"),
        ("a.root\n#\nb/a.root", "A.txt:1 and {lists}/A.txt:3: two jobs would write {out}/A/a.root"),
        ("a.root\na.root", "A.txt:1 and {lists}/A.txt:2: two jobs would write"),
        ("a\na.root", "A.txt:1 and {lists}/A.txt:2: two jobs would write {out}/A/a.root"),
        ("a.dat\na.dat.root", "two jobs would get the folder A/a.dat"),
        ("#\n\n", "A.txt: nothing to do: no run file stands in the list"),
    ],
)
def test_a_line_that_cannot_stand_is_named(
    tmp_path: Path, text: str, says: str, capsys: Capture
) -> None:
    plant(tmp_path, {})
    lists = tmp_path / ".filelists"
    (lists / "A.txt").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert typed(tmp_path) == 2
    said = capsys.readouterr().err
    assert says.format(lists=lists, out=tmp_path / "out") in said
    assert said.isprintable() or "\n" in said
    assert "\x1b" not in said
    assert not (tmp_path / "test").exists()


def test_all_wrong_lines_are_named_at_once(tmp_path: Path, capsys: Capture) -> None:
    plant(tmp_path, {"A.txt": "/a\nb.root\n..\n", "B.txt": "c/\n"})
    assert typed(tmp_path) == 2
    said = capsys.readouterr().err
    assert [f"{name}: " in said for name in ("A.txt:1", "A.txt:3", "B.txt:1")] == [True] * 3


@pytest.mark.parametrize(
    ("lists", "says"),
    [
        ({"A/x.root.txt": "a", "A.txt": "x.root"}, "A.txt:1: an output and the folder of"),
        ({"A.txt": "hadd.root"}, "A.txt:1: the sum of the list would be written to"),
        ({"A/hadd.txt": "1-1.root", "A.txt": "a\nb\nc"}, "hadd.txt:1: the sum of the list would"),
        ({"A.txt": "a", "A": "b"}, "A.txt has the same name"),
    ],
)
def test_names_that_would_meet_are_refused(
    tmp_path: Path, lists: dict[str, str], says: str, capsys: Capture
) -> None:
    plant(tmp_path, {})
    make(tmp_path / ".filelists", lists)
    assert typed(tmp_path, "--hadd", "--fan-in", "2", "-d", "A") == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "test").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-d", "ISS.B95l"], "no run list has 'ISS.B95l' in its name"),
        (["-d", "ISS", "C.B9"], "no run list has 'C.B9' in its name"),
        (["-d", ""], "-d --dataset: it is empty"),
        (["--runlists", "nowhere"], "nowhere: the folder of run lists cannot be read: No such"),
        (["-T", "a/b"], "command line: -T --task: no / may be in it"),
        (["-T", "-x"], "expected one argument"),
        (["-T", ".x"], "-T --task: no / may be in it, and - or . not at its beginning"),
        (["-T", "a\nb"], "-T --task: there are odd signs in this text (it was 'a\\nb')"),
        (["-e", ""], "-e --exe: it is empty"),
        (["-ad", "a\x07"], "-ad --exe-args-data: there are odd signs"),
        (["-m", "0"], "-m --maxjobs: Input should be greater than or equal to 1 (it was 0)"),
        (["-m", "many"], "argument -m/--maxjobs: invalid int value: 'many'"),
        (["--fan-in", "1"], "--fan-in: Input should be greater than or equal to 2"),
        (["-o", "root://eos/out"], "-o --outdir: a folder that the jobs can write to belongs here"),
        (["--suffix", "root"], "--suffix: a dot, a letter, and letters or digits"),
        (["--suffix", ".1"], "--suffix: a dot, a letter"),
        (["-q", "a b"], "-q --queue: "),
        (["--template", "nowhere"], "nowhere'; there are: "),
        (["--overwite"], "unknown option --overwite"),
    ],
)
def test_an_option_that_cannot_stand_is_named(
    tmp_path: Path, options: list[str], says: str, capsys: Capture
) -> None:
    plant(tmp_path, LISTS)
    assert typed(tmp_path, *options) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "test").exists()


def test_what_is_missing_is_named_together(capsys: Capture) -> None:
    assert main(["runlist", "-T", "a", "-i", "x"]) == 2
    said = capsys.readouterr().err
    assert "-e --exe, -d --dataset, -o --outdir missing" in said


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        (["-bg"], "nohup jobmon.py"),
        (["-g"], "jobauto log"),
        (["-p", "8081"], "jobmon.py --port N"),
        (["-H", "db.cern.ch"], "--db postgresql"),
        (["-U", "me"], "--db postgresql"),
        (["-P", "hunter2"], "~/.pgpass"),
        (["-Phunter2"], "change it"),
        (["-b", "lsf"], "jobmon.py --scheduler NAME"),
    ],
)
def test_what_is_not_needed_any_more_is_told_with_what_there_is_instead(
    tmp_path: Path, option: list[str], instead: str, capsys: Capture
) -> None:
    plant(tmp_path, LISTS)
    assert typed(tmp_path, *option) == 2
    said = capsys.readouterr().err
    assert f"{option[0][:3] if option == ['-bg'] else option[0][:2]} (" in said
    assert instead in said
    assert "hunter2" not in said


def test_the_whole_command_line_of_pybatch_is_answered_at_once(
    tmp_path: Path, capsys: Capture
) -> None:
    plant(tmp_path, LISTS)
    given = ["-U", "me", "-P", "hunter2", "-H", "db", "-b", "lsf", "-p", "1", "-bg", "-g"]
    assert typed(tmp_path, *given) == 2
    said = capsys.readouterr().err
    assert said.count("is not needed here") == 7
    assert "hunter2" not in said


# --- the template


def edited(folder: Path, name: str, old: str, new: str) -> int:
    plant(folder, {"A.txt": "a.root"})
    assert main(["runlist", "--copy-template", str(folder / "mine")]) == 0
    file = folder / "mine" / name
    text = file.read_text() if file.exists() else ""
    assert old in text
    file.write_text(text.replace(old, new))
    return typed(folder, "--template", "mine", "--hadd")


def test_a_copy_of_the_template_is_used_and_may_ask_for_resources(tmp_path: Path) -> None:
    assert edited(tmp_path, "qsub.resources.hadd", "", "walltime = 3h\n") == 0
    hadd = tmp_path / "test/init/A/hadd"
    assert (hadd / "qsub.resources.hadd").read_text() == "walltime = 3h\n"
    assert not (tmp_path / "test/init/A/a/qsub.resources.job").exists()


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("qsub.job", "run=@run@", "run=x", "qsub.job: @run@ stands nowhere in it"),
        ("qsub.job", "output=@output@", 'output="@output@"', "@output@ must stand alone"),
        ("qsub.job", '"$exe" "$@"', "@exe@ x", "@exe@ must stand alone"),
        ("qsub.job", "exe=@exe@", "echo @exe@; exe=@exe@", "qsub.job:14: @exe@ must stand alone"),
        ("qsub.hadd", "finished.hadd", "x", "qsub.finished.hadd stands nowhere"),
        ("input.json", "", "{}", "input.json: not known in a template of run lists"),
    ],
)
def test_a_template_that_could_not_work_is_refused(
    tmp_path: Path, name: str, old: str, new: str, says: str, capsys: Capture
) -> None:
    assert edited(tmp_path, name, old, new) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "test").exists()


@pytest.mark.parametrize("name", ["qsub.job", "qsub.hadd", "publish.sh"])
def test_a_template_that_lacks_a_script_is_refused(
    tmp_path: Path, name: str, capsys: Capture
) -> None:
    plant(tmp_path, {"A.txt": "a.root"})
    assert main(["runlist", "--copy-template", str(tmp_path / "mine")]) == 0
    (tmp_path / "mine" / name).unlink()
    assert typed(tmp_path, "--template", "mine", "--hadd") == 2
    assert f"{name}: the template has no such file" in capsys.readouterr().err
    assert main(["runlist", "--copy-template", str(tmp_path / "mine")]) == 2
    assert "cannot be made: File exists" in capsys.readouterr().err


def test_other_verbs_do_not_take_the_template(tmp_path: Path, capsys: Capture) -> None:
    assert main(["init", "runlist", "--ldir", str(tmp_path / "L")]) == 2
    assert "template runlist is for jobauto runlist" in capsys.readouterr().err
    (tmp_path / "a.toml").write_text('template = "runlist"\n')
    assert main(["sweep", str(tmp_path / "a.toml"), "--dry-run"]) == 2
    assert "template runlist is for jobauto runlist" in capsys.readouterr().err


# --- names


@pytest.mark.parametrize(
    ("base", "suffix", "output"),
    [
        ("13.000001.root", "", "13.000001.root"),
        ("13.000001", "", "13.000001.root"),
        ("a.dat", "", "a.dat"),
        ("a.dat", ".root", "a.root"),
        ("13.000001", ".gz", "13.000001.gz"),
        ("a.tar.gz", "", "a.tar.gz"),
    ],
)
def test_an_output_keeps_the_suffix_of_its_run_file(base: str, suffix: str, output: str) -> None:
    assert naming.output(base, suffix) == output


@given(st.text(min_size=1))
@example("quelist")
@example("hadd-1-1")
@example("a__b__")
@example("kill")
@example("publish.sh")
def test_any_name_makes_a_short_folder_that_needs_no_quotes(name: str) -> None:
    made = naming.folder(name)
    assert len(made) <= 40
    assert set(made) <= {*string.ascii_letters, *string.digits, *".+-_"}
    assert made[0].isalnum()
    assert "__" not in made
    assert made not in (*tree.OWN_FILES, "hadd", "publish.sh", "runlist.csv")
    assert not re.fullmatch(r"hadd(-\d+-\d+)?", made)


@given(st.integers(1, 400), st.integers(2, 60))
def test_each_output_is_summed_once_and_no_job_sums_too_many(number: int, fan_in: int) -> None:
    sources = [Source(f"{n}.root", "") for n in range(number)]
    made = reduces(sources, "out", ".root", fan_in)
    assert all(len(one.sources) <= fan_in for one in made)
    assert len({one.name for one in made}) == len({one.output for one in made}) == len(made)
    by_output = {one.output: one for one in made}

    def leaves(output: str) -> Iterator[str]:
        if output not in by_output:
            yield output
            return
        for source in by_output[output].sources:
            yield from leaves(source.output)

    assert made[-1].output == "out/hadd.root"
    assert list(leaves("out/hadd.root")) == [source.output for source in sources]


NAMES = st.text(st.sampled_from("ab1 .'$_-"), min_size=1, max_size=6).map(lambda s: f"r{s}z")
LIST_NAMES = ["A", "B/c", "B/c d", "C.1/e"]
CONTENTS = st.lists(NAMES, min_size=1, max_size=12, unique_by=lambda name: naming.output(name, ""))


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(LIST_NAMES), CONTENTS, min_size=1), st.data())
def test_any_lists_give_a_job_a_run_file_and_sums_that_wait_for_all(
    lists: dict[str, list[str]], data: st.DataObject
) -> None:
    fan_in = data.draw(st.integers(2, 5))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        plant(folder, {f"{name}.txt": "\n".join(runs) for name, runs in lists.items()})
        there = {name: data.draw(st.sets(st.sampled_from(runs))) for name, runs in lists.items()}
        for name, runs in there.items():
            make(folder / "out" / name, {naming.output(run, ""): "x" for run in runs})
        assert typed(folder, "-d", *lists, "--hadd", "--fan-in", str(fan_in)) == 0
        found = tree.scan(folder / "test/init")
        assert found.problems == []
        new = sum(len(set(runs) - there[name]) for name, runs in lists.items())
        jobs = [job for job in found.jobs.values() if job.id == "job"]
        assert len(jobs) == new == len({row["output"] for row in rows(folder)})
        graph = Graph(found.jobs.values())
        for job in found.jobs.values():
            text = (folder / "test/init" / job.dependency).read_text()
            needs, problems = parse_needs(job, text)
            assert problems == []
            assert len(needs) <= fan_in
            graph.set_needs(job.name, needs)
        assert graph.unknown() == []
        assert graph.cycles() == []
        assert {graph.edges.out_degree(job.name) for job in jobs} <= {1}, "each is summed once"


# --- task files


def file_of(folder: Path, ending: str, text: str) -> Path:
    file = folder / f"task{ending}"
    file.write_text(text)
    return file


TOML = """# the same as on the command line
task = "test"
exe = "bin/prog"
exe-args-data = ["n=3", "dir=$WHERE/x"]
dataset = "ISS"
cwd = "${WHERE}"
indir = "in"
outdir = "o$$t"
maxjobs = 7
hadd = true
fan_in = 4
amsvar = "env"
"""
YAML = """# the same as on the command line
task: test
exe: bin/prog
exe-args-data: [n=3, dir=$WHERE/x]
dataset:
  - ISS
cwd: ${WHERE}
indir: in
outdir: o$$t
maxjobs: 7
hadd: yes
fan_in: 4
amsvar: env
"""


@pytest.mark.parametrize(("ending", "text"), [(".toml", TOML), (".yaml", YAML), (".yml", YAML)])
def test_a_task_file_says_the_same_and_the_command_line_wins(
    tmp_path: Path, ending: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, {"ISS/A.txt": "a.root"})
    monkeypatch.setenv("WHERE", str(tmp_path))
    file = file_of(tmp_path, ending, text)
    assert main(["runlist", str(file)]) == 0
    assert main(["runlist", str(file), "-m", "9", "--ldir", "b", "-ad", "other"]) == 0
    assert rows(tmp_path)[0]["output"] == f"{tmp_path}/o$t/ISS/A/a.root"
    script = (tmp_path / "test/init/ISS/A/a/qsub.job").read_text()
    assert f"set -- -n=3 -dir={tmp_path}/x\n" in script
    assert f"env={tmp_path}/env\n" in script
    assert (tmp_path / "test/init/ISS/A/hadd/qsub.hadd").exists()
    assert (tmp_path / "test/jobmon.toml").read_text() == "maxqsub = 7\n"
    assert (tmp_path / "b/jobmon.toml").read_text() == "maxqsub = 9\n"
    assert "set -- -other\n" in (tmp_path / "b/init/ISS/A/a/qsub.job").read_text()


@pytest.mark.parametrize(
    ("ending", "text", "says"),
    [
        (".toml", "task = 'a'\n# $NOPE\nexe = '$NOPE'\n", "task.toml:3: the variable NOPE is not"),
        (".yaml", "dataset:\n  - a\n  - ${NOPE}\n", "task.yaml:3: the variable NOPE is not set"),
        (
            ".toml",
            "task = 'a'\noutdri = 'x'\n",
            "task.toml:2: unknown key 'outdri'\n  -> did you m",
        ),
        (".yaml", "a: 1\n", "task.yaml:1: unknown key 'a'"),
        (
            ".toml",
            "\nmaxjobs = 'x'\n",
            "task.toml:2: -m --maxjobs: Input should be a valid integer",
        ),
        (
            ".yaml",
            "\n\ntask: 5\n",
            "task.yaml:3: -T --task: Input should be a valid string (it was 5",
        ),
        (".toml", "dataset = [5]\n", "task.toml:1: -d --dataset: "),
        (".toml", "hadd = 'yes'\n", "task.toml:1: --hadd: Input should be a valid boolean"),
        (".toml", "x = \n", "task.toml:1: not valid TOML"),
        (".yaml", "a: [\n", "not valid YAML"),
        (".yaml", "- a\n", "task.yaml: no table of keys and values"),
        (".yaml", "!!python/object:os.system x\n", "not valid YAML"),
        (".toml", "env = 'a'\namsvar = 'b'\n", "task.toml:2: env stands twice\n  -> first at"),
        (".toml", "dbpass = 'hunter2'\n", "task.toml:1: -P (dbpass) is not needed here"),
        (".toml", "batch = 'lsf'\nbackground = true", "task.toml:2: -bg (background) is not"),
        (".json", "{}", "task.json: not a task file"),
    ],
)
def test_a_mistake_in_a_task_file_has_its_line(
    tmp_path: Path, ending: str, text: str, says: str, capsys: Capture
) -> None:
    plant(tmp_path, {"A.txt": "a.root"})
    file = file_of(tmp_path, ending, text)
    needed = {"task": "t", "exe": "e", "dataset": "A", "indir": "i", "outdir": "o"}
    given = [w for k, v in needed.items() if k not in text for w in (f"--{k}", v)]
    assert main(["runlist", str(file), "-c", str(tmp_path), *given]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "hunter2" not in said
    assert not (tmp_path / "t").exists()


def test_a_task_file_that_is_not_there_is_named(tmp_path: Path, capsys: Capture) -> None:
    assert main(["runlist", str(tmp_path / "no.toml")]) == 2
    assert "no.toml: cannot be read: " in capsys.readouterr().err


def test_without_its_package_a_yaml_file_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    assert main(["runlist", str(file_of(tmp_path, ".yaml", YAML))]) == 2
    assert "pip install 'jobauto[runlist]', or write it as .toml" in capsys.readouterr().err


def test_the_example_of_pybatch_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its command line, but for the database: ISS.B950/testpass6_500 into $PWD/test_out."""
    plant(tmp_path, {"ISS.B950/testpass6_500.txt": "1305853512.00000001.root\n"})
    monkeypatch.chdir(tmp_path)
    pass6 = "/eos/ams/Data/AMS02/2014/ISS.B950/pass6/"
    line = f"-e bin/NtpMaker -c {tmp_path} -i {pass6} -o test_out -d ISS.B950/testpass6_500"
    line += " -T test -a /ams/amsvar.sh -q ams1nd -m 200"
    assert main(["runlist", *line.split()]) == 0
    (row,) = rows(tmp_path)
    assert row["output"] == f"{tmp_path}/test_out/ISS.B950/testpass6_500/1305853512.00000001.root"
    assert row["name"] == "ISS.B950/testpass6_500/1305853512.00000001"
    script = (tmp_path / "test/init" / row["name"] / "qsub.job").read_text()
    assert f"run={pass6}1305853512.00000001.root\n" in script
    assert (tmp_path / "test/jobmon.toml").read_text() == 'queue = "ams1nd"\nmaxqsub = 200\n'


def test_the_task_file_of_the_documents_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "init_templates/README.md").read_text()
    (block,) = (one for one in text.split("```toml\n") if one.startswith('task = "pass6"'))
    plant(tmp_path, {"ISS.B950/pass6.txt": "1.root", "C.B1113/el.txt": "2.root"})
    for name in ("DATA", "MYAMS"):
        monkeypatch.setenv(name, str(tmp_path))
    file = file_of(tmp_path, ".toml", block.split("```")[0])
    assert main(["runlist", str(file), "-c", str(tmp_path)]) == 0
    assert len(rows(tmp_path, "pass6")) == 2

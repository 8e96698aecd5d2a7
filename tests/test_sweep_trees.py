"""`jobauto sweep`: whole trees, what a person is asked, and a sweep that runs to its end."""

from __future__ import annotations

import csv
import json
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import Place, newest, words
from sweeps import DECLARED, JOB, TEMPLATE, planned
from test_templates import snapshot
from trees import job, make

from jobauto import tree
from jobauto.cli import show
from jobauto.cli.main import main
from jobauto.errors import UserError
from jobauto.sweep.making import make as made
from jobauto.sweep.making import try_one

SWEEP = f"{DECLARED}[[vary]]\nt = [0.1, 250]\n[[vary]]\nsize = [5, 6]\n"


def inits(folder: Path) -> dict[str, bytes | None]:
    return snapshot(folder / "L")


def test_a_tree_holds_a_job_for_each_point_a_table_and_the_file(tmp_path: Path) -> None:
    plan = planned(
        tmp_path, SWEEP, {**TEMPLATE, "sub/@t@.dat": "\0@t@", "a~": "", "x": "@other@\r\n"}
    )
    done = made(plan, tmp_path / "L")
    init = tmp_path / "L" / "init"
    assert done.init == init
    assert [folder.name for folder in done.folders] == ["t0.1_s5", "t0.1_s6", "t250_s5", "t250_s6"]
    assert done.jobs == len(tree.scan(init).jobs) == 4
    assert (init / "t0.1_s6/in").read_text() == "t 0.1\nsize 6\n"
    assert (init / "t250_s5/sub/250.dat").read_bytes() == b"\0@t@"
    assert (init / "t250_s5/x").read_bytes() == b"@other@\r\n"
    assert (init / "sweep.toml").read_text() == SWEEP
    rows = list(csv.DictReader((init / "sweep.csv").read_text().splitlines()))
    assert rows[1] == {"name": "t0.1_s6", "t": "0.1", "size": "6", "repeat": "1"}
    assert [row["name"] for row in rows] == [folder.name for folder in done.folders]
    assert {p.name for p in init.iterdir()} == {
        *(r["name"] for r in rows),
        "sweep.csv",
        "sweep.json",
        "sweep.toml",
    }


def test_values_are_put_into_files_of_any_kind(tmp_path: Path) -> None:
    template = {
        "qsub.0": JOB,
        "in.json": '{"physics": {"temperature": 1, "p": 1.50}}',
        "deep/in.toml": "[a]\nt = 1.5\n",
        "in.csv": "name,value\nt,1\n",
        "in.txt": "T = 5 ! K\n@size@",
    }
    put = "[put.'in.json']\nt = 'physics.temperature'\n[put.'deep/in.toml']\nt = 'a.t'\n"
    put += "[put.'in.csv']\nt = 't'\n[put.'in.txt']\nt = 'T'\n"
    made(planned(tmp_path, SWEEP + put, template), tmp_path / "L")
    folder = tmp_path / "L/init/t250_s6"
    assert (folder / "in.json").read_text() == '{"physics": {"temperature": 250, "p": 1.50}}'
    assert (folder / "deep/in.toml").read_text() == "[a]\nt = 250.0\n"
    assert (folder / "in.csv").read_text() == "name,value\nt,250\n"
    assert (folder / "in.txt").read_text() == "T = 250 ! K\n6"


def test_a_template_of_job_folders_is_copied_whole_for_each_repeat(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('template = "demo"\n[repeat]\nnumber = 2\n')
    assert main(["sweep", str(tmp_path / "a.toml"), "--ldir", str(tmp_path / "L")]) == 0
    found = tree.scan(tmp_path / "L/init")
    assert len(found.jobs) == 26
    assert "r2/carbon/qsub.0" in found.jobs


def test_a_template_with_a_main_file_gets_it_from_a_variable(tmp_path: Path) -> None:
    for name in ("Si", "Ge"):
        (tmp_path / f"POSCAR.{name}").write_text(name)
    spec = 'template = "ecalj"\nmain_file = "POSCAR.@m@"\n[variables.m]\ntype = "text"\n'
    spec += '[[vary]]\nm = ["Si", "Ge"]\n[[vary]]\niterations = [1, 2]\n'
    plan = planned(tmp_path, spec)
    made(plan, tmp_path / "L")
    assert (tmp_path / "L/init/mGe_i2/POSCAR").read_text() == "Ge"
    assert len(tree.scan(tmp_path / "L/init").jobs) == plan.jobs == 2 * (3 + 4)
    (tmp_path / "POSCAR.Ge").unlink()
    with pytest.raises(UserError, match="No such file"):
        made(plan, tmp_path / "M")
    (tmp_path / "POSCAR.Si").unlink()
    with pytest.raises(UserError, match=r"POSCAR\.Si: cannot be read: No such file"):
        try_one(plan)


# --- shared folders

SHARED = {
    "template.toml": 'shared = ["seed-@size@"]',
    "qsub.0": job("cat ../seed-@size@/poly @t@.in > out"),
    "qsub.dependency.0": "../seed-@size@/qsub.finished.0\n",
    "@t@.in": "@t@\n",
    "seed-@size@/qsub.0": job("echo @size@ > poly"),
    "seed-@size@/qsub.dependency.0": "",
}


def test_what_several_jobs_need_is_made_once_for_each_size(tmp_path: Path) -> None:
    plan = planned(tmp_path, SWEEP, SHARED)
    made(plan, tmp_path / "L")
    found = tree.scan(tmp_path / "L/init")
    assert plan.jobs == len(found.jobs) == 6
    seeds = sorted(name for name in found.jobs if name.startswith("seed"))
    assert seeds == ["seed-5/qsub.0", "seed-6/qsub.0"]
    assert "echo 5" in (tmp_path / "L/init/seed-5/qsub.0").read_text()
    assert not list((tmp_path / "L/init").glob("t*/seed*"))
    needs = (tmp_path / "L/init/t250_s6/qsub.dependency.0").read_text()
    assert needs == "../seed-6/qsub.finished.0\n"


@pytest.mark.parametrize(
    ("file", "text", "put"),
    [
        ("seed-@size@/in", "@t@", ""),
        ("seed-@size@/@t@", "", ""),
        ("seed-@size@/in", "t 5", "[put.'seed-@size@/in']\nt = 't'\n"),
    ],
)
def test_two_jobs_that_would_fill_a_shared_folder_differently_are_an_error(
    tmp_path: Path, file: str, text: str, put: str
) -> None:
    with pytest.raises(
        UserError, match=r"differently: t is 0\.1 and 250\n.*write @t@ into its name"
    ):
        planned(tmp_path, SWEEP + put, {**SHARED, file: text})


@pytest.mark.parametrize(
    ("shared", "says"),
    [
        ('["sead-@size@"]', "there is no folder 'sead-@size@' .*\n.*did you mean seed-@size@"),
        ('["qsub.0"]', "there is no folder"),
        ("[5]", "there is no folder 5"),
        ('["deep/folder"]', "there is no folder 'deep/folder'"),
        ('"seed-@size@"', "'shared': unknown, or of a wrong kind"),
        ('["seed-@size@", "seed-@t@"]', "two jobs would fill the shared folder seed-5 differently"),
    ],
)
def test_a_wrong_shared_folder_is_named(tmp_path: Path, shared: str, says: str) -> None:
    template = {
        **SHARED,
        "template.toml": f"shared = {shared}",
        "seed-@t@/a": "",
        "deep/folder/a": "",
    }
    with pytest.raises(UserError, match=says):
        planned(tmp_path, SWEEP.replace("0.1", "5"), template)


def test_a_job_and_a_shared_folder_of_one_name_are_an_error(tmp_path: Path) -> None:
    template = {**SHARED, "template.toml": 'shared = ["t@t@"]', "t@t@/a": ""}
    with pytest.raises(UserError, match="two folders get the name t250"):
        planned(tmp_path, f"{DECLARED}[[vary]]\nt = [250]\n", template)


@pytest.mark.parametrize("place", ["local", "mirror"], indirect=True)
def test_a_sweep_runs_to_its_end_and_its_shared_jobs_once(place: Place, tmp_path: Path) -> None:
    made(planned(tmp_path, SWEEP, SHARED), tmp_path / "L")
    seed = tmp_path / "L/init/seed-6"  # one that exists already
    make(seed, {"poly": "old\n", "qsub.finished.0": ""})
    done = place.jobmon(tmp_path / "L", "--interval", "0.2")
    assert done.returncode == 0, done.stderr
    run = newest(tmp_path / "L")
    states = {name: said[-1].split("@")[0] for name, said in words(run).items()}
    assert states.pop("seed-6/qsub.0") == "skipped"
    assert set(states.values()) == {"finished"}
    there = place.there(run)
    assert (there / "seed-5/ran.0").read_text() == "run\n"
    assert (there / "t250_s5/out").read_text() == "5\n250\n"
    assert (there / "t0.1_s6/out").read_text() == "old\n0.1\n"
    table = (tmp_path / "L/init/sweep.csv").read_text()
    assert (run / "sweep.csv").read_text() == (there / "sweep.csv").read_text() == table


# --- all or nothing


@pytest.mark.parametrize(
    ("file", "text", "put"),
    [
        ("x-@k@", "", ""),
        ("in.json", '{"t": 1}', "[put.'in.json']\nk = 'tt'\n"),
        ("in.json", '{"t": @k@}', "[put.'in.json']\nk = 't'\n"),
    ],
)
def test_a_mistake_at_the_last_job_leaves_nothing(
    tmp_path: Path, file: str, text: str, put: str
) -> None:
    spec = "template = 'mine'\n[variables.k]\ndefault = 'a'\n[[vary]]\nk = ['1', 'a/b']\n" + put
    plan = planned(tmp_path, spec, {"qsub.0": "", "y": "@k@", file: text})
    with pytest.raises(UserError):
        made(plan, tmp_path / "L")
    assert list((tmp_path / "L").iterdir()) == []


@pytest.mark.parametrize("text", ["../../escaped", "..", "", "a/b"])
def test_a_value_never_leads_a_file_out_of_its_folder(tmp_path: Path, text: str) -> None:
    spec = f"template = 'mine'\n[variables.k]\ndefault = 'a'\n[[vary]]\nk = ['a', '{text}']\n"
    plan = planned(tmp_path, spec, {"qsub.0": "", "y/@k@": ""})
    with pytest.raises(UserError, match="which cannot name a file"):
        made(plan, tmp_path / "L")
    assert not list(tmp_path.rglob("escaped"))


def test_what_is_there_is_never_touched(tmp_path: Path) -> None:
    plan = planned(tmp_path, SWEEP)
    made(plan, tmp_path / "L")
    before = inits(tmp_path)
    with pytest.raises(UserError, match="there already: sweep"):
        made(plan, tmp_path / "L")
    assert inits(tmp_path) == before


def test_a_sweep_into_its_own_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is inside the template"):
        made(planned(tmp_path, SWEEP), tmp_path / "mine/L")


def test_a_template_without_scripts_of_its_own_is_refused(tmp_path: Path) -> None:
    template = {name: text for name, text in SHARED.items() if name != "qsub.0"}
    with pytest.raises(UserError, match="the template has no script"):
        planned(tmp_path, SWEEP, template)


def test_init_refuses_a_template_of_sweeps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "mine", SHARED)
    assert main(["init", str(tmp_path / "mine"), "--ldir", str(tmp_path / "L")]) == 2
    assert "is for sweeps" in capsys.readouterr().err


# --- the command


def typed(folder: Path, text: str, *options: str) -> int:
    make(folder / "mine", TEMPLATE)
    (folder / "a.toml").write_text(text)
    return main(["sweep", str(folder / "a.toml"), *options])


def test_the_number_of_jobs_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(tmp_path, SWEEP, "--ldir", str(tmp_path / "L")) == 0
    assert "4 job folders, 4 jobs" in capsys.readouterr().out


def test_a_dry_run_shows_some_jobs_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = SWEEP.replace("[5, 6]", "{ start = 1, end = 6, step = 1 }")
    many = many.replace('unit = "K"', 'unit = "K"\nhelp = "of the bath"')
    assert typed(tmp_path, many, "--ldir", str(tmp_path / "L"), "--dry-run") == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[1] == "t: of the bath"
    assert "t/K" in shown
    assert shown.count("t0.1_s") == 6
    assert shown.endswith("... and 2 more\n")
    assert not (tmp_path / "L").exists()


MANY = SWEEP.replace("[5, 6]", "{ start = 1, end = 501, step = 1 }")


def test_many_jobs_want_a_yes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(tmp_path, MANY, "--ldir", str(tmp_path / "L")) == 2
    assert "1002 jobs are more than 1000\n  -> if this is meant: --yes" in capsys.readouterr().err
    assert not (tmp_path / "L").exists()
    assert typed(tmp_path, MANY, "--ldir", str(tmp_path / "L"), "--yes") == 0
    assert len(tree.scan(tmp_path / "L/init").jobs) == 1002


@pytest.mark.parametrize(
    ("answer", "code"), [("y", 0), ("", 3), ("no", 3), (EOFError, 3), (KeyboardInterrupt, 3)]
)
def test_a_person_at_a_terminal_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str | type, code: int
) -> None:
    def typing(*_: object) -> str:
        if isinstance(answer, str):
            return answer
        raise answer

    monkeypatch.setattr(show, "person_there", lambda: True)
    monkeypatch.setattr("builtins.input", typing)
    assert typed(tmp_path, MANY, "--ldir", str(tmp_path / "L")) == code
    assert (tmp_path / "L/init").exists() == (code == 0)


def test_a_mistake_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(tmp_path, SWEEP) == 2
    assert "--ldir is missing" in capsys.readouterr().err
    assert main(["sweep", str(tmp_path / "no.toml"), "--dry-run"]) == 2
    assert "no.toml: cannot be read: No such file" in capsys.readouterr().err


# --- any sweep


@st.composite
def axes(draw: st.DrawFn, length: int, whole: bool) -> str:
    low = draw(st.integers(1, 1000)) if whole else draw(st.decimals(0, 1000, places=3)) + 1
    step = draw(st.integers(1, 50)) if whole else draw(st.decimals("0.001", 50, places=3))
    kind = draw(st.sampled_from(["list", "step", "down", "number"]))
    values = [low + step * n for n in range(length)]
    if kind == "list":
        return f"[{', '.join(map(str, draw(st.permutations(values))))}]"
    if kind == "number" and (length > 1 or whole):
        return f"{{ start = {low}, end = {values[-1]}, number = {length} }}"
    down = kind == "down"
    ends = (values[-1], low) if down else (low, values[-1])
    return f"{{ start = {ends[0]}, end = {ends[1]}, step = {-step if down else step} }}"


@st.composite
def sweeps(draw: st.DrawFn) -> tuple[str, int]:
    """A file of up to three groups, and how many points it has."""
    groups, count, number = [], 1, 0
    for _ in range(draw(st.integers(0, 3))):
        length = draw(st.integers(1, 4))
        names = [f"v{number + n}" for n in range(draw(st.integers(1, 2)))]
        number, count = number + len(names), count * length
        text = "[[vary]]\n"
        if draw(st.booleans()):
            sample = draw(st.sampled_from(["latin", "random"]))
            text += f'sample = "{sample}"\nnumber = {length}\nseed = {draw(st.integers(0, 99))}\n'
            scale = draw(st.sampled_from(["log", "linear"]))
            axis = f'{{ start = 0.5, end = 1500.25, scale = "{scale}" }}'
            text += "".join(f"{name} = {axis}\n" for name in names)
        else:
            text += "".join(
                f"{name} = {draw(axes(length, draw(st.booleans())))}\n" for name in names
            )
        groups.append(text)
    repeats = draw(st.integers(1, 3))
    declared = "".join(f'[variables.v{n}]\ntype = "float"\nmin = 0.5\n' for n in range(number))
    text = f'template = "mine"\n{declared}{"".join(groups)}[repeat]\nnumber = {repeats}\n'
    return text, count * repeats


@settings(max_examples=60)
@given(sweeps())
def test_any_sweep_gives_as_many_jobs_as_it_said_all_distinct_and_in_range(
    sweep: tuple[str, int],
) -> None:
    text, count = sweep
    number = text.count("[variables.")
    file = "".join(f'"v{n}": @v{n}@,' for n in range(number))
    template = {"qsub.0": JOB, "in.json": f'{{{file}"repeat": @repeat@}}'}
    with tempfile.TemporaryDirectory() as folder:
        plan = planned(Path(folder), text, template)
        made(plan, Path(folder, "L"))
        found = tree.scan(Path(folder, "L/init"))
        assert plan.jobs == len(found.jobs) == len(plan.folders) == count
        files = [(Path(folder, "L/init") / one.folder / "in.json") for one in found.jobs.values()]
        points = [json.loads(file.read_text(), parse_float=Decimal) for file in files]
        table = list(csv.DictReader(Path(folder, "L/init/sweep.csv").read_text().splitlines()))
    assert len({tuple(point.items()) for point in points}) == count
    assert all(Decimal("0.5") <= point[f"v{n}"] for point in points for n in range(number))
    by_name = {row.pop("name"): row for row in table}
    for path, point in zip(files, points, strict=True):
        assert by_name[path.parent.name] == {key: str(value) for key, value in point.items()}

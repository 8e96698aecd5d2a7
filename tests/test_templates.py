"""`jobauto init`: the shipped templates, what they make, whether it runs, and each refusal."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from jobauto import templates
from jobauto.errors import UserError
from jobauto.templates import folder_name, instantiate, list_templates

FOLDER = list_templates()[0].folder.parent
STANDINS = Path(__file__).parent / "standins"
PROGRAMS = ["vasp2ctrl", "ctrlgenM1.py", "lmfa", "lmf", "mkGWinput", "gwsc", "getsyml", "job_band"]
MATERIALS = ["carbon", "germanium", "silicon", "tin"]


def poscar(a: float, elements: str = "Ga As", counts: str = "1 1") -> str:
    return (
        f"test\n{a}\n 0.0 0.5 0.5\n 0.5 0.0 0.5\n 0.5 0.5 0.0\n{elements}\n{counts}\n"
        "direct\n 0.00 0.00 0.00\n 0.25 0.25 0.25\n"
    )


@pytest.fixture
def poscars(tmp_path: Path) -> Path:
    """A folder with three POSCAR files."""
    folder = tmp_path / "poscars"
    folder.mkdir()
    (folder / "POSCAR.mp-2534").write_text(poscar(5.65))
    (folder / "POSCAR.mp-149").write_text(poscar(5.43, "Si", "2"))
    (folder / "POSCAR.AlAs_001").write_text(poscar(5.66, "Al As"))
    return folder


def ecalj(ldir: Path, poscars: Path, iterations: int | None = None) -> templates.Instantiated:
    values = {} if iterations is None else {"iterations": str(iterations)}
    return instantiate("ecalj", ldir, [poscars / "POSCAR.*"], values)


def own(folder: Path, files: dict[str, str]) -> Path:
    """A template of one's own."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in sorted(folder.rglob("*"))
    }


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def dependencies(folder: Path, job: str) -> list[str]:
    lines = (folder / f"qsub.dependency.{job}").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def markers(folder: Path) -> set[str]:
    return {name for name in names(folder) if name.startswith("qsub.finished.")}


def run(
    folder: Path, job: str, binpath: Path = STANDINS, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script as jobmon would have it run: placeholders replaced, in its folder."""
    text = (folder / f"qsub.{job}").read_text()
    values = {"binpath": str(binpath), "pythonpath": "/usr/bin/python3", "maxcore": "2"}
    for key, value in {**values, "jobname": folder.name}.items():
        text = text.replace(f"__{key}__", value)
    assert not re.search(r"__[a-z]+__", text)
    (folder / f"qsub.{job}").write_text(text)
    search = f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]
    return subprocess.run(
        ["sh", f"qsub.{job}"],
        cwd=folder,
        env={"PATH": search, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


# --- the shipped ones


def test_the_shipped_templates_are_listed_with_what_can_be_set() -> None:
    demo, gw, gi, netmc, runs, raft = list_templates()
    assert (demo.name, dict(demo.settable)) == ("demo", {})
    assert (gw.name, dict(gw.settable), gw.main_file) == ("ecalj", {"iterations": 3}, "POSCAR")
    assert gw.help.keys() == gw.settable.keys()
    assert (runs.name, runs.verb) == ("runlist", "runlist")
    assert (gi.name, gi.verb) == ("gi", "steps")
    assert (netmc.name, raft.name, raft.shared) == (
        *("netmc", "triangle_raft"),
        ("seed-@seed_size@",),
    )
    texts = [t.description for t in (demo, gw, gi, netmc, runs, raft)]
    assert all(text and "\n" not in text for text in texts)


def test_every_shipped_template_stands_in_the_readme() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [t.name for t in list_templates() if f"| `{t.name}` |" not in readme] == []


def test_packaged_templates_come_before_the_checkouts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "__file__", str(tmp_path / "jobauto" / "templates.py"))
    assert list_templates() == []
    own(tmp_path / "init_templates" / "checkout", {"template.toml": ""})
    assert [t.name for t in list_templates()] == ["checkout"]
    own(tmp_path / "jobauto" / "init_templates" / "wheel", {"template.toml": ""})
    assert [t.name for t in list_templates()] == ["wheel"]


# --- demo


def test_demo_has_four_chains_and_a_summary_of_their_ends(tmp_path: Path) -> None:
    made = instantiate("demo", tmp_path / "L", None, {})
    init = tmp_path / "L" / "init"
    assert made.init == init
    assert made.folders == tuple(init / name for name in [*MATERIALS[:3], "summary", "tin"])
    assert made.jobs == 13
    assert names(init) == {*MATERIALS, "summary"}
    for name in MATERIALS:
        assert dependencies(init / name, "0") == []
        assert dependencies(init / name, "1") == ["bond" if name == "tin" else "qsub.finished.0"]
        assert dependencies(init / name, "2") == ["qsub.finished.1"]
    last = {f"../{name}/qsub.finished.2" for name in MATERIALS}
    assert set(dependencies(init / "summary", "0")) == last


def test_demo_scripts_are_the_same_in_every_material(tmp_path: Path) -> None:
    instantiate("demo", tmp_path, None, {})
    for job in "012":
        assert len({(tmp_path / "init" / m / f"qsub.{job}").read_text() for m in MATERIALS}) == 1


@pytest.fixture
def no_sleep(tmp_path: Path) -> Path:
    """A folder for the PATH whose `sleep` takes no time, but notes which files there are."""
    folder = tmp_path / "no sleep"
    folder.mkdir()
    (folder / "sleep").write_text('#!/bin/sh\nls > "look.$(ls | grep -c look)"\n')
    (folder / "sleep").chmod(0o755)
    return folder


def test_demo_runs_and_its_table_is_right(tmp_path: Path, no_sleep: Path) -> None:
    init = instantiate("demo", tmp_path / "L", None, {}).init
    for name in MATERIALS:
        for job in "012":
            done = run(init / name, job, path=no_sleep)
            assert (done.returncode, done.stderr) == (0, "")
            assert f"qsub.finished.{job}" in markers(init / name)
    assert run(init / "summary", "0").returncode == 0
    assert markers(init / "summary") == {"qsub.finished.0"}
    table = [line.split() for line in (init / "summary" / "table").read_text().splitlines()]
    assert [row[0] for row in table] == ["material", "carbon", "silicon", "germanium", "tin"]
    assert [row[1] for row in table[1:]] == ["1.545", "2.352", "2.450", "2.810"]  # A, by hand
    assert table[2][2:] == ["-5.951", "2.351"]  # 2 (91.05/d^4 - 32.92/d^2), 2 (16.46/d^2 - 1.8)
    assert (init / "silicon" / "stiffness").read_text() == "4.303472\n"  # 4 * 32.92 / d^4
    assert len((init / "tin" / "bands").read_text().splitlines()) == 21


def test_demo_writes_the_file_that_another_waits_for_in_mid_run(
    tmp_path: Path, no_sleep: Path
) -> None:
    init = instantiate("demo", tmp_path / "L", None, {}).init
    run(init / "tin", "0", path=no_sleep)
    first, second = ((init / "tin" / f"look.{n}").read_text().split() for n in "01")
    assert set(first) - names(FOLDER / "demo" / "tin") == {"bond", "look.0"}
    assert set(second) - set(first) == {"stiffness", "look.1"}


@pytest.mark.parametrize("job", ["0", "1", "2"])
def test_a_demo_job_without_its_input_writes_no_marker(
    tmp_path: Path, no_sleep: Path, job: str
) -> None:
    init = instantiate("demo", tmp_path / "L", None, {}).init
    (init / "tin" / "material").unlink()
    assert run(init / "tin", job, path=no_sleep).returncode != 0
    assert run(init / "summary", "0").returncode != 0
    assert markers(init / "tin") == markers(init / "summary") == set()


# --- ecalj


def test_ecalj_makes_a_folder_a_file(tmp_path: Path, poscars: Path) -> None:
    made = ecalj(tmp_path / "L", poscars)
    assert [f.name for f in made.folders] == ["AlAs_001", "mp-149", "mp-2534"]
    assert made.jobs == 3 * 5  # LDA, three iterations unless told otherwise, bands
    for folder in made.folders:
        assert (folder / "POSCAR").read_text() == (poscars / f"POSCAR.{folder.name}").read_text()


@pytest.mark.parametrize("iterations", [1, 3, 12])
def test_ecalj_iterations_depend_on_each_other(
    tmp_path: Path, poscars: Path, iterations: int
) -> None:
    made = ecalj(tmp_path / "L", poscars, iterations)
    ids = ["0", *map(str, range(1, iterations + 1)), "band"]
    assert made.jobs == 3 * len(ids)
    scripts = {f"qsub.{i}" for i in ids} | {f"qsub.dependency.{i}" for i in ids}
    for folder in made.folders:
        assert names(folder) == {"POSCAR"} | scripts
        assert dependencies(folder, "0") == []
        for n in range(1, iterations + 1):
            assert dependencies(folder, str(n)) == [f"qsub.finished.{n - 1}"]
        assert dependencies(folder, "band") == [f"qsub.finished.{iterations}"]
        for name in scripts:
            assert "@" not in (folder / name).read_text()


def test_ecalj_scripts_speak_to_both_schedulers_and_keep_the_placeholders(
    tmp_path: Path, poscars: Path
) -> None:
    folder = ecalj(tmp_path / "L", poscars, 1).folders[0]
    for job, title in {"0": "lda", "1": "gw1", "band": "band"}.items():
        lines = (folder / f"qsub.{job}").read_text().splitlines()
        assert lines[0] == "#!/bin/sh"
        assert {"#$ -cwd", "#$ -pe smp __maxcore__", f"#$ -N {title}.__jobname__"} <= set(lines)
        assert {"#SBATCH --ntasks=__maxcore__", f"#SBATCH --output=out.{job}"} <= set(lines)
        assert any("__binpath__" in line for line in lines)
        assert lines[-1] == f"date > qsub.finished.{job}"


@pytest.fixture(params=["GWinput", "toml"])
def binpath(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The stand-ins: of the ecalj that has GWinput, and of the one since 2026."""
    if request.param == "GWinput":
        yield STANDINS
        return
    folder = tmp_path / "bin"
    shutil.copytree(STANDINS, folder)
    (folder / "ctrlgenM1.py").unlink()
    (folder / "mkGWinput").unlink()
    (folder / "ctrlgenToml.py").write_text(f'#!/bin/sh\nexec "{folder}/toml/ctrlgenToml.py" "$@"\n')
    (folder / "ctrlgenToml.py").chmod(0o755)
    yield folder


def test_ecalj_runs_with_stand_ins(tmp_path: Path, poscars: Path, binpath: Path) -> None:
    folder = ecalj(tmp_path / "L", poscars, 2).folders[0]
    for job in ["0", "1", "2", "band"]:
        done = run(folder, job, binpath)
        assert done.returncode == 0, done.stderr
        assert f"qsub.finished.{job}" in markers(folder)
    rows = (folder / "QPU").read_text().splitlines()[1:]
    assert [float(row.split()[-1]) > 0 for row in rows] == [False] * 4 + [True] * 4
    made = names(folder)
    assert {"llmf", "save.AlAs_001", "rst.AlAs_001", "lgwsc.1run", "lgwsc.2run", "QPU"} <= made
    assert {"QPU.1run", "QPU.2run", "syml.AlAs_001", "bandplot.isp1.glt"} <= made
    assert ("GWinput" in made) == (binpath == STANDINS)
    bands = (folder / "bnd001.spin1").read_text().split("\n\n")
    assert len([band for band in bands if len(band.splitlines()) >= 21]) == 8
    assert all(re.fullmatch(r"[@\w.-]+", name) for name in made)  # no stray files


def test_a_second_attempt_of_an_iteration_is_the_same_iteration(
    tmp_path: Path, poscars: Path
) -> None:
    folder = ecalj(tmp_path / "L", poscars, 2).folders[0]
    for job in ["0", "1", "2", "2"]:
        assert run(folder, job).returncode == 0
    assert {n for n in names(folder) if n.startswith("QPU.")} == {"QPU.1run", "QPU.2run"}
    assert run(folder, "0").returncode == 0  # LDA again: begins anew
    assert not {n for n in names(folder) if n.startswith(("QPU", "sigm"))}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_failing_program_leaves_no_marker(tmp_path: Path, poscars: Path, program: str) -> None:
    folder = ecalj(tmp_path / "L", poscars, 1).folders[0]
    failing = "1" if program == "gwsc" else "band" if program in PROGRAMS[-2:] else "0"
    (folder / f"fail.{program}").touch()
    for job in ["0", "1", "band"]:
        done = run(folder, job)
        assert (done.returncode == 0) == (job != failing)
        if job == failing:
            break
    assert done.returncode == 3
    assert f"qsub.finished.{failing}" not in markers(folder)
    assert program in done.stderr.splitlines()[-1]  # the output says where it stopped
    logs = "".join(p.read_text() for p in folder.glob("l*"))
    assert f"{program} (stand-in): fails on purpose" in logs


@pytest.mark.parametrize(("program", "failing"), [("lmf", "0"), ("gwsc", "1")])
def test_what_has_not_converged_leaves_no_marker(
    tmp_path: Path, poscars: Path, program: str, failing: str
) -> None:
    folder = ecalj(tmp_path / "L", poscars, 1).folders[0]
    (folder / f"unconverged.{program}").touch()
    done = [run(folder, job) for job in "01"[: int(failing) + 1]]
    assert [d.returncode for d in done] == [0] * int(failing) + [1]
    assert "not converged: x" in done[-1].stderr
    assert f"qsub.finished.{failing}" not in markers(folder)


@pytest.mark.parametrize(
    ("program", "job", "text", "complaint"),
    [
        ("gwsc", "1", "rm -f QPU*", "missing"),
        ("gwsc", "1", "echo NaN > QPU.1run", "NaN"),
        ("job_band", "band", "", "no bands"),
        ("job_band", "band", "echo > bnd001.spin1", "no bands"),
        ("job_band", "band", "echo > bandplot.isp1.glt", "no bands"),
    ],
)
def test_a_program_that_ends_well_without_its_result_leaves_no_marker(
    tmp_path: Path, poscars: Path, program: str, job: str, text: str, complaint: str
) -> None:
    folder = ecalj(tmp_path / "L", poscars, 1).folders[0]
    for before in ["0", "1"][: 1 if job == "1" else 2]:
        assert run(folder, before).returncode == 0
    lame = tmp_path / "lame"
    shutil.copytree(STANDINS, lame)
    (lame / program).write_text(f"#!/bin/sh\n{text}\n")
    done = run(folder, job, lame)
    assert (done.returncode, complaint in done.stderr) == (1, True)
    assert f"qsub.finished.{job}" not in markers(folder)


# --- the stand-ins themselves


def test_stand_ins_are_a_function_of_the_poscar(tmp_path: Path, poscars: Path) -> None:
    results = {}
    for name in ["a", "b"]:
        for folder in ecalj(tmp_path / name, poscars, 1).folders:
            for job in ["0", "1", "band"]:
                assert run(folder, job).returncode == 0
            results[name, folder.name] = [
                (folder / n).read_text() for n in (f"save.{folder.name}", "QPU", "bnd001.spin1")
            ]
    assert results["a", "mp-149"] == results["b", "mp-149"]
    assert results["a", "mp-149"] != results["a", "mp-2534"]


@pytest.mark.parametrize("program", [*PROGRAMS, "toml/ctrlgenToml.py"])
def test_a_stand_in_without_its_input_fails(tmp_path: Path, program: str) -> None:
    arguments = {
        "vasp2ctrl": ["POSCAR"],
        "gwsc": ["-np", "1", "1", "x"],
        "job_band": ["x", "-np", "1"],
    }.get(program, ["x"])
    done = subprocess.run(
        [STANDINS / program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no " in done.stderr


@pytest.mark.parametrize("scale", ["-40.0", "3.42"])
def test_a_stand_in_reads_the_volume_with_either_sign_of_the_scale(
    tmp_path: Path, scale: str
) -> None:
    lattice = "1 0 0\n0 1 0\n0 0 -1\n"
    (tmp_path / "POSCAR").write_text(f"t\n{scale}\n{lattice}Si O\n1 2\ndirect\n0 0 0\n")
    script = f'. {STANDINS}/common.sh; read_poscar; echo "$species $atoms $volume"'
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == ("2 3 40.000000\n" if scale == "-40.0" else "2 3 40.001688\n")


# --- names of folders


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("p/POSCAR.mp-149", "mp-149"),
        ("p/POSCAR.Si.v2", "Si.v2"),
        ("p/Si.vasp", "Si"),
        ("p/Si.v2.vasp", "Si.v2"),
        ("p/Si", "Si"),
        ("p/POSCAR_Si", "POSCAR_Si"),
        ("mp-149/POSCAR", "mp-149"),
        ("p/POSCAR.two words", "two words"),
        ("p/POSCAR.硅", "硅"),
    ],
)
def test_the_name_of_a_folder_comes_from_the_file(file: str, folder: str) -> None:
    assert folder_name(Path(file), "POSCAR") == folder


@pytest.mark.parametrize("end", ["", "-rf", ".hidden", "a\nb", "a\tb", "a\x1b[2J", "a\udcff"])
def test_a_folder_name_that_would_harm_is_refused(tmp_path: Path, end: str) -> None:
    file = tmp_path / f"POSCAR.{end}"
    file.write_text(poscar(5))
    with pytest.raises(UserError, match="cannot name a folder"):
        instantiate("ecalj", tmp_path / "L", [file], {})
    assert not (tmp_path / "L").exists()


# --- refusals: each says what is wrong, and nothing changes


def refused(
    tmp_path: Path,
    template: str | Path = "ecalj",
    *,
    each: list[Path] | Literal["all"] | None = "all",
    **values: str,
) -> UserError:
    """Call instantiate, which must refuse, and must leave tmp_path as it was."""
    files = [tmp_path / "poscars" / "POSCAR.*"] if each == "all" else each
    before = snapshot(tmp_path)
    with pytest.raises(UserError) as caught:
        instantiate(template, tmp_path / "L", files, values)
    after = snapshot(tmp_path)
    for empty in {"L", "L/init"} - before.keys():  # may have been made, nothing in them
        after.pop(empty, None)
    assert after == before
    return caught.value


def test_an_unknown_template_gets_the_near_name_and_the_list(tmp_path: Path) -> None:
    error = refused(tmp_path, "ecal")
    assert "'ecal'; there are: demo, ecalj" in error.what
    assert "did you mean ecalj?" in str(error.hint)
    assert "known: demo, ecalj" in str(refused(tmp_path, "quantumespresso").hint)


def test_an_unknown_key_gets_the_near_name(tmp_path: Path, poscars: Path) -> None:
    error = refused(tmp_path, iteration="2")
    assert "'iteration'" in error.what
    assert (error.where, error.hint) == ("--set", "did you mean iterations?")
    assert "leave it out" in str(refused(tmp_path, "demo", each=None, iterations="2").hint)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "x", "", " 2", "2\n", "٣", "9" * 5000])
def test_iterations_that_are_no_number_are_refused(
    tmp_path: Path, poscars: Path, value: str
) -> None:
    error = refused(tmp_path, iterations=value)
    assert "iterations must be a whole number" in error.what
    assert error.hint == "for example: --set iterations=3"


def test_a_pattern_that_matches_nothing_is_refused(tmp_path: Path, poscars: Path) -> None:
    each = [poscars / "POSCAR.*", tmp_path / "poscars" / "POSCAAR.*"]
    assert "POSCAAR.*" in refused(tmp_path, each=each).what
    assert "no file matches" in refused(tmp_path, each=[poscars]).what  # a folder is no file


def test_two_files_for_one_folder_are_refused(tmp_path: Path, poscars: Path) -> None:
    (poscars / "mp-149.vasp").write_text(poscar(5))
    error = refused(tmp_path, each=[poscars / "POSCAR.*", poscars / "*.vasp"])
    assert "POSCAR.mp-149 and " in error.what
    assert "mp-149.vasp get the same folder" in error.what


def test_a_file_that_is_named_twice_counts_once(
    tmp_path: Path, poscars: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(poscars)
    monkeypatch.setenv("HOME", str(tmp_path))
    each = [poscars / "POSCAR.*", Path("POSCAR.mp-149"), Path("../poscars/POSCAR.mp-149")]
    each.append(Path("~/poscars/*.mp-149"))
    assert len(instantiate("ecalj", tmp_path / "L", each, {}).folders) == 3


def test_files_with_the_signs_of_patterns_in_their_names(tmp_path: Path) -> None:
    (tmp_path / "POSCAR.a[1]").write_text(poscar(5))
    made = instantiate("ecalj", tmp_path / "L", [tmp_path / "POSCAR.a[1]"], {})
    assert [f.name for f in made.folders] == ["a[1]"]


@pytest.mark.parametrize("each", [None, []])
def test_ecalj_without_files_is_refused(tmp_path: Path, each: list[Path] | None) -> None:
    error = refused(tmp_path, each=each)
    assert "a folder for each POSCAR" in error.what
    assert "--each" in str(error.hint)


def test_demo_with_files_is_refused(tmp_path: Path, poscars: Path) -> None:
    assert "takes no files" in refused(tmp_path, "demo").what


def test_a_folder_that_exists_is_never_touched(tmp_path: Path, poscars: Path) -> None:
    own(tmp_path / "L" / "init" / "mp-149", {"qsub.0": "mine"})
    error = refused(tmp_path)
    assert "there already: mp-149" in error.what
    assert error.where == str(tmp_path / "L" / "init")
    shutil.rmtree(tmp_path / "L" / "init" / "mp-149")
    (tmp_path / "L" / "init" / "mp-149").symlink_to("nowhere")
    assert "there already: mp-149" in refused(tmp_path).what


def test_other_folders_may_be_added(tmp_path: Path, poscars: Path) -> None:
    instantiate("demo", tmp_path / "L", None, {})
    before = snapshot(tmp_path / "L")
    made = ecalj(tmp_path / "L", poscars, 1)
    after = snapshot(tmp_path / "L")
    assert made.jobs == 9
    assert len(made.folders) == 3
    assert {name: after[name] for name in before} == before
    assert names(tmp_path / "L") == {"init"}
    assert (
        "there already: carbon, germanium, silicon ..." in refused(tmp_path, "demo", each=None).what
    )


@pytest.mark.parametrize("exists", [False, True])
def test_when_the_disk_fails_nothing_is_left(
    tmp_path: Path, poscars: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    if exists:
        own(tmp_path / "L" / "init" / "other", {"qsub.0": ""})
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == "mp-149" and "L/init" in str(target):
            raise OSError(28, "No space left on device", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    error = refused(tmp_path)
    assert "No space left on device" in error.what
    assert [n for n in names(tmp_path / "L") if n != "init"] == []
    assert names(tmp_path / "L" / "init") == ({"other"} if exists else set())


def test_a_place_that_cannot_be_written_is_an_error_of_one_line(
    tmp_path: Path, poscars: Path
) -> None:
    (tmp_path / "L").write_text("a file")
    assert "the init tree cannot be made" in refused(tmp_path).what


# --- templates of one's own


def test_a_template_of_ones_own_is_copied_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = own(
        tmp_path / "mine",
        {
            "a/qsub.0": "user@example.org @n@ @other@\r\n",
            "a/sub/data": "x",
            "a/run.sh": "",
            "common": "shared",
            "a/qsub.0~": "backup",
            ".git/config": "",
        },
    )
    (mine / "a" / "run.sh").chmod(0o755)
    (mine / "a" / "binary").write_bytes(bytes(range(256)) + b"@n@\xff")
    (mine / "a" / "latin1").write_bytes(b"caf\xe9 @n@\n")
    (mine / "b").mkdir()
    (mine / "b" / "qsub.x").symlink_to(mine / "a" / "qsub.0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    ways: list[str | Path] = ["mine", "./mine", "~/mine", Path("mine"), mine]
    for template in ways:
        made = instantiate(template, tmp_path / "L", None, {})
        init = made.init
        assert (names(init), made.jobs) == ({"a", "b", "common"}, 2)
        assert [f.name for f in made.folders] == ["a", "b"]
        assert names(init / "a") == {"qsub.0", "sub", "run.sh", "binary", "latin1"}
        for name in ["a/qsub.0", "a/binary", "a/latin1", "a/sub/data"]:
            assert (init / name).read_bytes() == (mine / name).read_bytes()
        assert (init / "b" / "qsub.x").read_bytes() == (mine / "a" / "qsub.0").read_bytes()
        assert not (init / "b" / "qsub.x").is_symlink()
        assert os.access(init / "a" / "run.sh", os.X_OK)
        shutil.rmtree(tmp_path / "L")


def test_whatever_has_n_in_its_name_is_repeated(tmp_path: Path) -> None:
    mine = own(
        tmp_path / "mine",
        {
            "template.toml": 'main_file = "in"\n[set]\niterations = 2\nk = 7\n',
            "step@n@/qsub.0": "@n-1@ @n@ of @iterations@, k @k@",
            "step@n@/qsub.k@k@": "",
            "step@n@/after@n-1@": "",
            "qsub.@n@": "@n@",
            "plain": "@n@ @iterations@",
        },
    )
    (mine / "step@n@" / "binary").write_bytes(b"\0@n@")
    (tmp_path / "in.x").write_text("@n@")
    made = instantiate(mine, tmp_path / "L", [tmp_path / "in.x"], {"k": "8"})
    folder = made.folders[0]
    assert names(folder) == {"in", "step1", "step2", "qsub.1", "qsub.2", "plain"}
    assert names(folder / "step2") == {"qsub.0", "qsub.k8", "after1", "binary"}
    assert (folder / "step2" / "binary").read_bytes() == b"\0@n@"
    assert (folder / "step2" / "qsub.0").read_text() == "1 2 of 2, k 8"
    assert (folder / "plain").read_text() == "@n@ 2"
    assert (folder / "in").read_text() == "@n@"  # a person's file stays as it is
    assert made.jobs == 6


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"a/notes": ""}, "folders with scripts"),
        ({"qsub.0": ""}, "folders with scripts"),
        ({"a/qsub.@n@": ""}, "@n@ needs iterations"),
        ({"a/qsub.1": "", "a/qsub.@k@": "", "template.toml": "[set]\nk = 1\n"}, "File exists"),
        ({"template.toml": "descripton = 'x'\n", "a/qsub.0": ""}, "'descripton'"),
        ({"template.toml": "main_file = 1\n", "a/qsub.0": ""}, "'main_file'"),
        ({"template.toml": "[set]\nk = 0\n", "a/qsub.0": ""}, "k = 0"),
        ({"template.toml": "[set]\nk = true\n", "a/qsub.0": ""}, "k = True"),
        ({"template.toml": "[set]\nn = 1\n", "a/qsub.0": ""}, "n = 1"),
        ({"template.toml": "[set\n", "a/qsub.0": ""}, "cannot be read"),
        ({"template.toml": f"a = 1e{'9' * 30}", "a/qsub.0": ""}, "cannot be read"),
    ],
)
def test_a_template_that_cannot_be_is_refused(
    tmp_path: Path, files: dict[str, str], complaint: str
) -> None:
    mine = own(tmp_path / "mine", files)
    error = refused(tmp_path, mine, each=None)
    assert complaint in error.what
    assert not (tmp_path / "L" / "init").exists()
    if "template.toml" in files and "File" not in complaint:
        assert error.where == str(mine / "template.toml")


def test_a_template_is_not_copied_into_itself(tmp_path: Path) -> None:
    own(tmp_path, {"a/qsub.0": ""})
    assert "inside the template" in refused(tmp_path, tmp_path, each=None).what

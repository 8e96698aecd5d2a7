"""Service files and job folders: what may be in them, and what a mistake is called."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulator import SERVICE
from stepping import folder, grid
from trees import make

from jobauto.cli.main import main
from jobauto.errors import JobautoError, UserError
from jobauto.steps.folders import folders, natural, read_folder
from jobauto.steps.making import script
from jobauto.steps.planning import plan
from jobauto.steps.reading import read_service

GOOD = SERVICE.format(address="http://127.0.0.1:9")


def read(tmp: Path, text: str = GOOD) -> object:
    make(tmp, {"service.toml": text})
    return read_service(tmp / "service.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("repeatable = true\n[steps.galaxy2]", "repeatible = true\n[steps.galaxy2]",
         "service.toml:9: unknown key steps.galaxy1.repeatible\n  -> did you mean repeatable?"),
        ("timeout = 0.5", "timeout = 0", "service.toml:2: timeout: "),
        ("timeout = 0.5", 'timeout = "soon"', "service.toml:2: timeout: give it as"),
        ("timeout = 0.5", "time = 5", "did you mean timeout?"),
        ("for = 20", "four = 20", "service.toml:4: unknown key retry.four\n  -> did you mean for?"),
        ('after = ["merge"]', 'after = ["merged"]', "after 'merged': did you mean merge?"),
        ('after = ["merge"]', 'after = ["plot*"]', "which leaves nothing in the service"),
        ('[steps.galaxy1]', '[steps.galaxy1]\nafter = ["interact"]', "wait for one another"),
        ("http://127.0.0.1:9", "ftp://x", "service.toml:1: address: http:// or https://"),
        ("http://127.0.0.1:9", "http://me:pass@x", "no password"),
        ("{model}/merge", "{modell}/merge", "{modell} is not known here"),
        ("{model}/merge", "{answer.id}/merge", "{answer.id} is not known here"),
        ('to = "{step}.png"', 'to = "../{step}.png"', "a plain name"),
        ('to = "{step}.png"', 'to = "a.png"', "{step} must be in each `to`"),
        ('to = "{step}.png"', 'to = "qsub.{step}"', "a plain name"),
        ('type = "png"', 'type = "pgn"', "type: "),
        ('type = "png"', 'sha256 = "x"', "header:NAME"),
        ("[retry]", '[headers]\nAuthorization = "Bearer abc"\n[retry]', "a secret does not belong"),
        ("[steps.merge]", '[steps."me.rge"]', "letters, digits, _ and -"),
        ("[steps.merge]", "[steps.inputs]", "letters, digits, _ and -"),
        ("[steps.merge]", "[steps.merge", "service.toml:13: not valid TOML"),
        ('value = "done", ', "", "steps.interact.done.value is missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(JobautoError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"merge.json": None, "merg.json": "{}"}, "merge.json is missing\n  -> did you mean merg."),
        ({"plott.json": "{}", "polt1.json": "{}"}, "reads it\n  -> did you mean plot*.json?"),
        ({"merge.json": "[1]"}, "not an object"),
        ({"merge.json": "{"}, "not valid JSON"),
        ({"merge.json": '{"a": NaN}'}, "NaN is no number of JSON"),
        ({"merge.json": '{"a": 1e999}'}, "not valid JSON"),
        ({"plot a.json": "{}"}, "make the name of a step"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_folder_is_said(
    tmp_path: Path, changes: dict[str, str | None], said: str
) -> None:
    service = read(tmp_path)
    make(tmp_path, folder("jobs/a", grid(1, 1)["0-0-0"]))
    for name, text in changes.items():
        file = tmp_path / "jobs/a" / name
        file.unlink() if text is None else file.write_text(text)
    with pytest.raises(JobautoError) as caught:
        folders(service, tmp_path / "jobs")  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_plots_are_in_natural_order(tmp_path: Path) -> None:
    service = read(tmp_path)
    make(tmp_path, folder("a", grid(1, 1)["0-0-0"], plots=11))
    found = read_folder(service, tmp_path / "a")  # type: ignore[arg-type]
    assert list(found.steps)[-3:] == ["plot9", "plot10", "plot11"]
    assert natural("a2b") < natural("a10b") < natural("b1")


def test_a_download_that_would_replace_a_json_file_is_refused(tmp_path: Path) -> None:
    service = read(tmp_path, GOOD.replace("{step}.png", "{step}.json"))
    make(tmp_path, folder("a", grid(1, 1)["0-0-0"]))
    with pytest.raises(UserError, match=r"plot1 would write plot1\.json"):
        read_folder(service, tmp_path / "a")  # type: ignore[arg-type]


def test_keys_are_of_parameters_and_not_of_how_they_are_written(tmp_path: Path) -> None:
    service = read(tmp_path)
    same = folder("a", grid(1, 1)["0-0-0"]) | folder("b", grid(1, 1)["0-0-0"])
    make(tmp_path, same | {"b/merge.json": ' {"q": 2,\n"p": 0}', "a/merge.json": '{"p":0,"q":2}'})
    a, b = (read_folder(service, tmp_path / name) for name in "ab")  # type: ignore[arg-type]
    assert [todo.key for todo in a.steps.values()] == [todo.key for todo in b.steps.values()]
    (tmp_path / "b/merge.json").write_text('{"p": 0, "q": 3}')
    b = read_folder(service, tmp_path / "b")  # type: ignore[arg-type]
    other = [name for name in a.steps if a.steps[name].key != b.steps[name].key]
    assert other == ["merge", "interact", "plot1", "plot2"]


def test_the_tree_is_that_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = "it's $(x) __y__"
    make(tmp_path, {"service.toml": GOOD, **folder(f"jobs/{odd}", grid(1, 1)["0-0-0"])})
    words = ["steps", "--jobs", str(tmp_path / "jobs"), "--service", str(tmp_path / "service.toml")]
    words += ["--models", "7"]
    assert main([*words, "--dry-run"]) == 0
    assert "1 folders on 1 model: 6 steps, 0 need not run" in capsys.readouterr().out
    assert not (tmp_path / "L").exists()
    assert main([*words, "--ldir", str(tmp_path / "L")]) == 0
    place = tmp_path / "L/init/7" / f"1-{odd}"
    read_of = {name: (place / f"qsub.{name}").read_text() for name in (
        *("dependency.merge", "dependency.plot2", "inputs.plot2", "outputs.plot2"),
        *("outputs.merge", "resources.merge"),
    )}  # fmt: skip
    assert read_of == {
        "dependency.merge": "qsub.finished.galaxy1\nqsub.finished.galaxy2\n",
        "dependency.plot2": "qsub.finished.interact\n",
        "inputs.plot2": "plot2.json\n../../service.toml\n",
        "outputs.plot2": "plot2.png\n",
        "outputs.merge": "",
        "resources.merge": read_of["resources.merge"],
    }
    assert read_of["resources.merge"].startswith("keep = model:")
    assert read_of["resources.merge"].endswith("-7\n")
    assert main(["steps"]) == 2
    assert main([*words, "--ldir", str(tmp_path / "L")]) == 2
    assert "there already" in capsys.readouterr().err
    assert 'scheduler = "local"' in (tmp_path / "L/jobmon.toml").read_text()


def test_no_two_jobs_have_the_same_script(tmp_path: Path) -> None:
    service = read(tmp_path)
    files = [folder(name, grid(1, 1)["0-0-0"]) for name in ("jobs/a", "jobs/b")]
    make(tmp_path, files[0] | files[1])
    found = plan(service, folders(service, tmp_path / "jobs"), ["1"])  # type: ignore[arg-type]
    scripts = [
        script(turn.folder, todo, True) for _, turn in found.turns
        for todo in turn.folder.steps.values()
    ]  # fmt: skip
    assert len(set(scripts)) == len(scripts) == 12
    assert found.spared == 4


@pytest.mark.parametrize("models", [["1", "1"], ["../x"], ["a b"]])
def test_odd_models_are_refused(
    tmp_path: Path, models: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, {"service.toml": GOOD, **folder("jobs/a", grid(1, 1)["0-0-0"])})
    words = ["--jobs", str(tmp_path / "jobs"), "--service", str(tmp_path / "service.toml")]
    assert main(["steps", *words, "--dry-run", "--models", *models]) == 2
    assert "--models" in capsys.readouterr().err

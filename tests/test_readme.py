"""The README tells the truth: its first screen runs, its options and links exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from jobauto.claims import Database, Holder, Task
from jobauto.cli.commands import parser as jobauto_parser
from jobauto.cli.jobmon import parser as jobmon_parser
from jobauto.cli.main import main as jobauto

README = (ROOT / "README.md").read_text()
SCHEDULERS = {"sbatch", "squeue", "qsub", "qstat"}


@pytest.fixture
def plain_machine(tmp_path: Path) -> dict[str, str]:
    """An environment without any scheduler, where the commands of this checkout are found."""
    few = tmp_path / "bin"
    few.mkdir()
    for folder in ("/bin", "/usr/bin"):
        for program in Path(folder).iterdir():
            if program.name not in SCHEDULERS and not (few / program.name).exists():
                (few / program.name).symlink_to(program)
    for name, module in (("jobmon.py", "jobauto.cli.jobmon"), ("jobauto", "jobauto.cli.main")):
        script = few / name
        script.unlink(missing_ok=True)
        call = f"import sys; from {module} import main; sys.exit(main())"
        script.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{call}' \"$@\"\n")
        script.chmod(0o755)
    return {**os.environ, "PATH": str(few), "PYTHONPATH": str(ROOT)}


def test_the_first_screen_runs_as_it_stands(tmp_path: Path, plain_machine: dict[str, str]) -> None:
    screen = README.split("```console")[1].split("```")[0]
    typed = [line[2:] for line in screen.splitlines() if line.startswith("$ ")]
    assert len(typed) == 3
    script = "set -e\n" + "\n".join(typed).replace("20261120_231500", "*")
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=plain_machine, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "13 finished" in done.stdout
    assert "try/init: 5 folders, 13 jobs" in done.stdout
    assert re.search(r"^carbon/qsub.0 started@\S+ finished@\S+$", done.stdout, re.MULTILINE)


def commands() -> list[list[str]]:
    """Every line of the README that calls our programs, as words."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", README, re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ")
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    inline = re.findall(r"`([^`]+)`", prose.replace("\n", " "))
    lines = [line.removeprefix("$ ") for line in [*text.splitlines(), *inline]]
    wanted = re.compile(r"(nohup )?(jobmon\.py|jobauto) [-a-z]")
    return [shlex.split(line.split("#")[0].rstrip("& ")) for line in lines if wanted.match(line)]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_of_the_readme_is_understood(command: list[str]) -> None:
    words = command[1:] if command[0] == "nohup" else command
    parser = jobmon_parser() if words[0] == "jobmon.py" else jobauto_parser()
    parser.parse([word for word in words[1:] if word != "…"])


def test_the_commands_for_tasks_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBMON_DB", f"sqlite:///{tmp_path}/tasks.db")
    database = Database(f"sqlite:///{tmp_path}/tasks.db")
    database.prepare()
    shared = Task(database, "si", Holder(database.person, "cluster-b", "run"))
    shared.register([("a/qsub.0", "a"), ("b/qsub.0", "b")])
    shared.take(1)
    typed = [command[1:] for command in commands() if command[1] == "task"]
    assert {words[1] for words in typed} == {"list", "status", "release", "export"}
    for words in typed:
        assert jobauto(words + ["--yes"] * ("release" in words)) == 0, words
    assert "released 1 job(s)" in capsys.readouterr().out
    assert (tmp_path / "si.csv").read_text().count("\n") == 3


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 8


@pytest.mark.parametrize("file", ["README.md", "DESIGN.md", "init_templates/README.md"])
def test_links_lead_somewhere(file: str) -> None:
    text = (ROOT / file).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert ((ROOT / file).parent / target).exists(), target


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"\bmake (\w+)", README)) - {"s"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target

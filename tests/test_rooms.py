"""The rooms of the package: imports go one way, and each effect lives in one room.

A room is a module or a folder directly below `jobauto`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import jobauto

ROOT = Path(jobauto.__file__).parent

# Each room imports only rooms above it. A new room gets the highest place it can have.
ORDER = [
    "errors",
    "quoting",
    "model",
    "needs",
    "placeholders",
    "clock",
    "garbage",
    "claims",
    "resources",
    "services",
    "schedulers",
    "asking",
    "settings",
    "sources",
    "options",
    "templates",
    "sweep",
    "analysis",
    "graph",
    "tree",
    "copying",
    "watching",
    "runlist",
    "ledger",
    "ordering",
    "states",
    "conditions",
    "sharing",
    "limits",
    "strange",
    "orders",
    "judge",
    "remote",
    "missing",
    "host",
    "reuse",
    "run",
    "registry",
    "steps",
    "lock",
    "fetching",
    "noticing",
    "looking",
    "tokens",
    "admitting",
    "around",
    "reusing",
    "ahead",
    "submitting",
    "obeying",
    "monitor",
    "loop",
    "meeting",
    "start",
    "actions",
    "telling",
    "batches",
    "inbox",
    "report",
    "web",
    "cli",
    "__main__",
]

STARTS_PROCESSES = {"sh", "subprocess", "multiprocessing", "pty", "pexpect"}
STARTING = ("system", "popen", "exec", "spawn", "fork", "posix_spawn", "Popen", "create_sub")
EFFECTS = {
    *("os", "pathlib", "shutil", "tempfile", "glob", "io", "sqlite3", "socket", "ssl", "urllib"),
    *("http", "logging", "time", "datetime", "threading", "signal", "sys", "random", "secrets"),
}


@cache
def parsed(folder: Path = ROOT) -> dict[Path, ast.Module]:
    """Every module below `folder`, by its path inside the package."""
    return {
        path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.py"))
    }


def room(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


ROOMS = {room(path) for path in parsed()} - {"__init__"}


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all that is imported, anywhere in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def foreign(tree: ast.AST) -> set[str]:
    """Packages that are imported."""
    return {name.split(".")[0] for name in imports(tree)} - {"jobauto", "__future__"}


def rooms_of(tree: ast.AST) -> set[str]:
    """Rooms that are imported."""
    ours = [name.split(".") for name in imports(tree)]
    return {parts[1] for parts in ours if parts[0] == "jobauto" and parts[1:]} & ROOMS


def starters(tree: ast.AST) -> list[str]:
    """Ways in which a module could start a process."""
    used = [name.rpartition(".")[::2] for name in imports(tree)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.append((node.value.id, node.attr))
    return sorted(foreign(tree) & STARTS_PROCESSES) + [
        f"{owner}.{name}"
        for owner, name in used
        if owner in ("os", "psutil", "asyncio") and name.startswith(STARTING)
    ]


def printers(tree: ast.AST) -> list[str]:
    """Ways in which a module could use the terminal."""
    found = sorted(foreign(tree) & {"rich", "curses", "getpass"})
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found += [node.func.id] if node.func.id in ("print", "input") else []
        elif isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr", "stdin"):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            found += [f"sys.{node.attr}"] if owner == "sys" else []
    return found


def test_every_room_has_its_place_in_the_order() -> None:
    assert sorted(ORDER) == sorted(ROOMS), "put a new room into ORDER, take an old one out"


@pytest.mark.parametrize("name", ORDER)
def test_a_room_imports_only_rooms_above_it(name: str) -> None:
    above = set(ORDER[: ORDER.index(name)])
    below = {
        str(path): sorted(rooms_of(tree) - above - {name})
        for path, tree in parsed().items()
        if room(path) == name
    }
    assert {path: names for path, names in below.items() if names} == {}


def test_the_package_itself_imports_nothing() -> None:
    assert list(imports(parsed()[Path("__init__.py")])) in ([], ["__future__.annotations"])


def test_only_the_host_starts_processes() -> None:
    found = {(room(path), way) for path, tree in parsed().items() for way in starters(tree)}
    # subprocess for the shell that stays: threads of sh would wake ten times a second all along
    assert found == {("host", "sh"), ("host", "subprocess")}


def test_only_the_command_lines_print() -> None:
    assert {room(path) for path, tree in parsed().items() if printers(tree)} == {"cli"}


def test_dialects_have_no_effects() -> None:
    for path, tree in parsed(ROOT / "schedulers").items():
        assert foreign(tree) & (EFFECTS | STARTS_PROCESSES) == set(), path
        calls = [
            n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) if hasattr(n.func, "id")
        ]
        assert not {"open", "print", "exec", "eval"} & set(calls), path
        assert rooms_of(tree) <= {"model", "quoting", "resources", "schedulers"}, path


@pytest.mark.parametrize(
    "name",
    [
        *("judge", "graph", "model", "placeholders", "quoting", "telling/causes"),
        *("sweep/numbers", "sweep/points", "sweep/naming"),
        *("runlist/naming", "runlist/reducing", "steps/order", "steps/cutting", "steps/keys"),
    ],
)
def test_what_decides_touches_nothing(name: str) -> None:
    tree = parsed()[Path(f"{name}.py")]
    assert foreign(tree) & (EFFECTS | STARTS_PROCESSES) <= ({"time"} if name == "model" else set())


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess",
        "from subprocess import run",
        "def f():\n    import sh",
        "import os\nos.system('x')",
        "from os import path, execvp",
        "import asyncio\nasyncio.create_subprocess_exec",
        "import os\nos.posix_spawn",
        "import psutil\npsutil.Popen",
    ],
)
def test_a_hidden_start_of_a_process_would_be_seen(code: str) -> None:
    assert starters(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    ["print(1)", "from rich.text import Text", "import sys\nsys.stdout.write('')", "input()"],
)
def test_a_hidden_print_would_be_seen(code: str) -> None:
    assert printers(ast.parse(code))


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("from jobauto import tree, run", {"tree", "run"}),
        ("from jobauto.host.ssh import SshHost", {"host"}),
        ("import jobauto.ledger.files", {"ledger"}),
        ("def f():\n    from jobauto.cli import show", {"cli"}),
        ("from jobauto import __version__", set()),
        ("import json", set()),
    ],
)
def test_an_import_in_any_form_would_be_seen(code: str, names: set[str]) -> None:
    assert rooms_of(ast.parse(code)) == names

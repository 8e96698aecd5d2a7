"""Job folders for the simulator, and walking through a tree of steps without a monitor."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator import Simulator, service
from trees import make

from jobauto.cli.main import main
from jobauto.clock import Clock
from jobauto.errors import JobautoError
from jobauto.steps.doing import Doing
from jobauto.steps.folders import read_folder
from jobauto.steps.link import Link
from jobauto.steps.reading import read_service

Chain = Mapping[str, Any]


def folder(name: str, chain: Chain, plots: int = 2) -> dict[str, str]:
    """The files of a job folder: parameters by step, and so many plots."""
    files = {f"{name}/{step}.json": json.dumps({"p": value}) for step, value in chain.items()}
    more = {f"{name}/plot{n}.json": json.dumps({"view": n}) for n in range(1, plots + 1)}
    return files | more


def grid(galaxies1: int, galaxies2: int, interacts: int = 1) -> dict[str, Chain]:
    """Folders of all combinations, in an order that is a bad one."""
    found: dict[str, Chain] = {}
    for c in range(interacts):
        for b in range(galaxies2):
            for a in range(galaxies1):
                chain = {"galaxy1": a, "galaxy2": b, "merge": 0, "interact": c}
                found[f"{c}-{b}-{a}"] = chain
    return found


def planted(
    tmp: Path, chains: Mapping[str, Chain], simulator: Simulator, plots: int = 2, **more: Any
) -> Path:
    """A service file and job folders in `tmp`."""
    for name, chain in chains.items():
        make(tmp / "jobs", folder(name, chain, plots))
    make(tmp, {"service.toml": service(simulator, **more)})
    return tmp


def typed(tmp: Path, ldir: str, *options: str, models: str = "1 2") -> int:
    """Type `jobauto steps`; the exit code."""
    words = ["--jobs", str(tmp / "jobs"), "--service", str(tmp / "service.toml")]
    return main(["steps", *words, "--models", *models.split(), "--ldir", str(tmp / ldir), *options])


def places(init: Path, model: str) -> list[Path]:
    """The job folders of a model, in order."""
    return sorted(place for place in (init / model).iterdir() if place.is_dir())


def one(
    init: Path, place: Path, step: str, skip: bool = True, link: Link | None = None
) -> list[str]:
    """Do one step as its job would; what it said."""
    described = link.service if link else read_service(init / "service.toml")
    asking, said = link or Link(described), list[str]()
    try:
        found = read_folder(described, place, made=True)
        model = place.parent.name
        Doing(described, model, place, found, asking, Clock(), said.append, skip).do(step)
    finally:
        if not link:
            asking.close()
    return said


def walk(init: Path, skip: bool = True) -> list[str]:
    """Do all steps of a tree, each model in a thread of its own; what went wrong."""
    wrong: list[str] = []
    described = read_service(init / "service.toml")

    def of_model(model: str) -> None:
        link = Link(described)
        for place in places(init, model):
            for step in read_folder(described, place, made=True).steps:
                try:
                    one(init, place, step, skip, link)
                except JobautoError as error:
                    wrong.append(f"{place.name}/{step}: {error}")
        link.close()

    models = [place.name for place in init.iterdir() if place.is_dir()]
    threads = [threading.Thread(target=of_model, args=[model]) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def results(init: Path) -> dict[str, str]:
    """What was downloaded, by job folder (without its number) and name, as hashes."""
    found = {}
    for file in init.rglob("*.png"):
        name = file.parent.name.partition("-")[2]
        found[f"{name}/{file.name}"] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found

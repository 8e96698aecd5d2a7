"""How often the remote is asked for results, however many jobs there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from test_monitor import World

from jobauto.errors import DONE
from jobauto.remote.reusing import SumOutputs, TakeOver

NUMBER = 40


def world(tmp_path: Path) -> World:
    tree = {}
    for n in range(NUMBER):
        files = {"qsub.0": f"# {n}", "qsub.dependency.0": "", "qsub.inputs.0": "", "k": ""}
        tree |= {f"m{n}/{name}": text for name, text in files.items()}
        tree[f"m{n}/qsub.outputs.0"] = "out\n"
    return World(tmp_path / "L", tree, maxqsub=NUMBER)


def counted(w: World) -> list[Any]:
    """The requests for results of a run to its end, answered as if all files were there."""
    asked, ask = [], w.host.ask

    def answered(request: Any) -> Any:
        if isinstance(request, SumOutputs):
            asked.append(request)
            return dict.fromkeys(request.files, "0" * 64)
        if isinstance(request, TakeOver):
            asked.append(request)
            return [True] * len(request.jobs)
        return ask(request)

    w.host.ask = answered  # type: ignore[method-assign]
    assert w.finish() == DONE
    return asked


def test_one_question_for_all_that_finished_and_one_for_all_that_is_taken(tmp_path: Path) -> None:
    first = world(tmp_path)
    [summed] = counted(first)
    assert isinstance(summed, SumOutputs)
    assert len(summed.files) == NUMBER
    first.clock.sleep(60)
    second = World(tmp_path / "L", {}, maxqsub=NUMBER)
    [taken] = counted(second)
    assert isinstance(taken, TakeOver)
    assert len(taken.jobs) == NUMBER
    assert second.cluster.submitted() == []


def test_a_run_without_lists_asks_for_no_results(tmp_path: Path) -> None:
    tree = {"a/qsub.0": "", "a/qsub.dependency.0": ""}
    assert counted(World(tmp_path / "L", tree)) == []

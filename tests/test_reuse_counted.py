"""How often the remote is asked for results, however many jobs there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_monitor import World

from jobauto.errors import DONE, CouldNotAsk
from jobauto.monitor import Monitor
from jobauto.remote.reusing import SumOutputs, TakeOver
from jobauto.reuse import memory

NUMBER = 40


def world(tmp_path: Path) -> World:
    tree: dict[str, str] = {}
    for n in range(NUMBER):
        files = {"qsub.0": f"# {n}", "qsub.dependency.0": "", "qsub.inputs.0": "", "k": ""}
        tree |= {f"m{n}/{name}": text for name, text in files.items()}
        tree[f"m{n}/qsub.outputs.0"] = "out\n"
    return World(tmp_path / "L", tree, maxqsub=NUMBER)


class Answers:
    """Answers requests for results as if all files were there; `lost`: answers that get lost."""

    def __init__(self, w: World, lost: int = 0) -> None:
        self.asked: list[Any] = []
        self.lost, self._ask = lost, w.host.ask
        w.host.ask = self.ask  # type: ignore[method-assign]

    def ask(self, request: Any) -> Any:
        if not isinstance(request, SumOutputs | TakeOver):
            return self._ask(request)
        self.asked.append(request)
        if len(self.asked) <= self.lost:
            raise CouldNotAsk("the answer is lost")
        if isinstance(request, SumOutputs):
            return dict.fromkeys(request.files, "0" * 64)
        return [True] * len(request.jobs)


def counted(w: World) -> list[Any]:
    """The requests for results of a run to its end."""
    answers = Answers(w)
    assert w.finish() == DONE
    return answers.asked


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


def test_what_could_not_be_summed_is_summed_later_and_nothing_goes_on_before(
    tmp_path: Path,
) -> None:
    tree = {"a/qsub.0": "", "a/qsub.dependency.0": "", "a/qsub.inputs.0": ""}
    tree |= {"a/qsub.outputs.0": "out\n", "a/qsub.1": "", "a/qsub.dependency.1": "qsub.finished.0"}
    w = World(tmp_path / "L", tree)
    answers = Answers(w, lost=3)
    monitor = w.monitor()
    monitor.tick()
    for _ in range(3):
        w.clock.sleep(60)
        with pytest.raises(CouldNotAsk):
            monitor.tick()
    assert w.cluster.submitted() == ["a/qsub.0"]
    assert w.finish(monitor) == DONE
    assert [type(request) for request in answers.asked] == [SumOutputs] * 4
    assert [result.job for result in memory.read(w.run.private)] == ["a/qsub.0"]


def test_a_monitor_that_dies_when_outputs_were_taken_over_does_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(world(tmp_path))
    w = World(tmp_path / "L", {}, maxqsub=NUMBER)
    w.clock.sleep(60)
    answers = Answers(w)
    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "record", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            w.monitor().tick()
    assert w.finish() == DONE
    assert [len(request.jobs) for request in answers.asked] == [NUMBER] * 2
    assert w.cluster.submitted() == []
    assert set(w.last_words().values()) == {"skipped"}

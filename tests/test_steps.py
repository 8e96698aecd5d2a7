"""Steps of a web service: what is asked of it, and what comes of that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from places import wait_for
from simulator import SERVICE, Simulator, png, simulating
from stepping import grid, one, places, planted, results, typed, walk

from jobauto.cli.main import main
from jobauto.errors import UserError
from jobauto.steps import held, whole
from jobauto.steps.link import StepFailed
from jobauto.steps.reading import read_service

STATE = ("galaxy1", "galaxy2", "merge", "interact")


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with simulating() as made:
        yield made


def unavoidable(
    chains: Mapping[str, Mapping[str, Any]], models: int, plots: int = 2
) -> Counter[str]:
    """What no order can do without, by kind of step: counted from the folders alone.

    Each change of one galaxy is a request, so `pairs` of galaxies need one each, and one more on
    each model to begin with; every merge and interaction that is another one must be made once.
    """
    found = Counter({"plot": plots * len(chains)})
    pairs = {(c["galaxy1"], c["galaxy2"]) for c in chains.values()}
    found["galaxies"] = len(pairs) + models
    found["merge"] = len({(c["galaxy1"], c["galaxy2"], c["merge"]) for c in chains.values()})
    found["interact"] = len({tuple(c.values()) for c in chains.values()})
    return found


def counted(simulator: Simulator) -> Counter[str]:
    found = Counter(step for _, step, _ in simulator.work)
    found["galaxies"] = found.pop("galaxy1") + found.pop("galaxy2")
    return found


@pytest.mark.parametrize("models", ["1 2", "1 2 3"])
def test_of_40_folders_no_step_is_done_that_could_be_avoided(
    tmp_path: Path, simulator: Simulator, models: str
) -> None:
    chains = grid(4, 5, 2)
    assert len(chains) == 40
    assert typed(planted(tmp_path, chains, simulator), "L", models=models) == 0
    assert walk(tmp_path / "L/init") == []
    assert counted(simulator) == unavoidable(chains, len(models.split()))
    assert simulator.overlaps == 0
    found = results(tmp_path / "L/init")
    assert len(found) == 80
    simulator.work.clear()
    assert typed(tmp_path, "all", "--no-skip", models=models) == 0
    assert walk(tmp_path / "all/init", skip=False) == []
    assert len(simulator.work) == 40 * 6
    assert results(tmp_path / "all/init") == found


def test_whatever_the_service_does_results_are_the_same(tmp_path: Path) -> None:
    chains = grid(3, 4, 2)
    with simulating() as sound:
        assert typed(planted(tmp_path / "a", chains, sound), "L") == 0
        assert walk(tmp_path / "a/L/init") == []
    faults = {"early": 0.1, "late": 0.1, "hang": 0.08, "cut": 0.2, "page": 0.1}
    with simulating(faults=faults) as bad:
        assert typed(planted(tmp_path / "b", chains, bad), "L") == 0
        assert walk(tmp_path / "b/L/init") == []
        assert all(bad.struck[kind] for kind in faults), bad.struck
        work = unavoidable(chains, 2)
        assert sum(work.values()) < len(bad.work) <= sum(work.values()) + sum(bad.struck.values())
    found = results(tmp_path / "b/L/init")
    assert found == results(tmp_path / "a/L/init")
    for file in (tmp_path / "b/L/init").rglob("*.png"):
        assert whole.fault(file, "png") == ""
    assert not list((tmp_path / "b").rglob("*.part"))


def test_two_at_once_on_the_same_models_do_not_disturb_each_other(
    tmp_path: Path, simulator: Simulator
) -> None:
    chains = grid(2, 3)
    planted(tmp_path, chains, simulator)
    for ldir in ("one", "two"):
        assert typed(tmp_path, ldir) == 0
    wrong: list[str] = []
    threads = [
        threading.Thread(target=lambda d=ldir: wrong.extend(walk(tmp_path / d / "init")))
        for ldir in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert simulator.overlaps == 0
    assert len(results(tmp_path / "one/init")) == 12
    assert results(tmp_path / "one/init") == results(tmp_path / "two/init")


def tree(tmp_path: Path, simulator: Simulator, text: str = SERVICE, **faults: float) -> Path:
    """One folder on one model; its init."""
    simulator.faults = faults
    assert typed(planted(tmp_path, grid(1, 1), simulator, text=text), "L", models="1") == 0
    return tmp_path / "L/init"


def only(init: Path) -> Path:
    [place] = places(init, "1")
    return place


def steps_done(simulator: Simulator) -> list[str]:
    return [step for _, step, _ in simulator.work]


def test_a_step_makes_sure_of_all_before_it(tmp_path: Path, simulator: Simulator) -> None:
    init = tree(tmp_path, simulator)
    one(init, only(init), "plot2")
    assert steps_done(simulator) == [*STATE, "plot"]
    assert one(init, only(init), "merge") == ["merge: the service holds it already"]
    one(init, only(init), "plot1")
    assert steps_done(simulator) == [*STATE, "plot", "plot"]
    assert one(init, only(init), "plot1") == ["plot1: its files are there"]


def test_what_comes_after_a_step_is_done_anew_and_nothing_else(
    tmp_path: Path, simulator: Simulator
) -> None:
    init = tree(tmp_path, simulator)
    one(init, only(init), "interact")
    (only(init) / "galaxy2.json").write_text('{"p": "other"}')
    simulator.work.clear()
    one(init, only(init), "interact")
    assert steps_done(simulator) == ["galaxy2", "merge", "interact"]


def test_a_step_that_broke_off_is_not_taken_for_held(tmp_path: Path, simulator: Simulator) -> None:
    init = tree(tmp_path, simulator)
    one(init, only(init), "interact")
    before = (only(init) / "merge.json").read_text()
    (only(init) / "merge.json").write_text('{"p": "other"}')
    simulator.fails.add("merge")
    with pytest.raises(StepFailed, match=r"400 Bad Request: .*negative mass"):
        one(init, only(init), "merge")
    simulator.fails.clear()
    (only(init) / "merge.json").write_text(before)
    simulator.work.clear()
    one(init, only(init), "plot1")
    assert steps_done(simulator) == ["merge", "interact", "plot"]


def test_killed_in_mid_download_it_goes_on_after_the_last_good_step(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.stall = threading.Event()
    init = tree(tmp_path, simulator, SERVICE.replace("timeout = 0.5", "timeout = 60"))
    place = only(init)
    words = [sys.executable, "-m", "jobauto", "step", "--service", "../../service.toml", "plot1"]
    process = subprocess.Popen(words, cwd=place, stdout=subprocess.DEVNULL)
    try:
        part = place / ".plot1.png.part"
        wait_for(part.exists)
        assert not (place / "plot1.png").exists()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    simulator.stall.set()
    simulator.work.clear()
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert steps_done(simulator) == ["plot"]
    assert whole.fault(place / "plot1.png", "png") == ""
    assert not part.exists()


def test_a_restarted_service_is_noticed(tmp_path: Path, simulator: Simulator) -> None:
    stamp = '[state]\npath = "/model/{{model}}/stamp"\nfield = "stamp"\n'
    init = tree(tmp_path, simulator, SERVICE + stamp)
    one(init, only(init), "interact")
    assert one(init, only(init), "interact") == ["interact: the service holds it already"]
    simulator.held.clear()
    said = one(init, only(init), "plot1")
    assert said[0].startswith("the service was restarted, or used by others")
    assert steps_done(simulator) == [*STATE, *STATE, "plot"]


ONCE = SERVICE.replace('interact"\nrepeatable = true', 'interact"', 1)


def test_what_must_not_be_sent_twice_is_not(tmp_path: Path, simulator: Simulator) -> None:
    init = tree(tmp_path, simulator, ONCE)
    one(init, only(init), "merge")
    simulator.faults = {"late": 1}
    with pytest.raises(StepFailed, match="nobody knows whether the service did it"):
        one(init, only(init), "interact")
    assert simulator.asked["interact"] == 1
    simulator.faults = {}
    one(init, only(init), "plot1")  # a person's retry
    assert steps_done(simulator) == [*STATE, "interact", "plot"]


def test_a_step_of_which_the_service_says_that_it_runs_was_taken(
    tmp_path: Path, simulator: Simulator
) -> None:
    idle = ONCE.replace('value = "done"', 'value = "done", idle = "idle"')
    simulator.seconds = 0.1
    init = tree(tmp_path, simulator, idle.replace("timeout = 0.5", "timeout = 5"))
    one(init, only(init), "merge")
    simulator.faults = {"late": 1}
    one(init, only(init), "interact")
    assert simulator.asked["interact"] == 1


def test_what_was_surely_not_received_is_sent_again(tmp_path: Path, simulator: Simulator) -> None:
    text = SERVICE.replace("repeatable = true\n", "").replace("for = 20", "for = 0.3")
    init = tree(tmp_path, simulator, text)
    service = init / "service.toml"
    sound = service.read_text()
    service.write_text(sound.replace(simulator.address, "http://127.0.0.1:1"))
    with pytest.raises(StepFailed, match=r"given up after 0.3 s: POST .*ConnectError"):
        one(init, only(init), "galaxy1")


def test_a_service_that_says_no_is_not_asked_again(tmp_path: Path, simulator: Simulator) -> None:
    init = tree(tmp_path, simulator)
    simulator.fails.add("galaxy1")
    with pytest.raises(StepFailed):
        one(init, only(init), "galaxy1")
    assert simulator.asked["galaxy1"] == 1


def test_a_download_that_never_is_a_picture_fails(tmp_path: Path, simulator: Simulator) -> None:
    init = tree(tmp_path, simulator, SERVICE.replace("for = 20", "for = 0.3"), page=1)
    with pytest.raises(StepFailed, match=r"plot1.png: it is no whole png"):
        one(init, only(init), "plot1")
    assert not list(only(init).glob("*plot1.png*"))


def test_a_wrong_sha256_is_not_taken(tmp_path: Path, simulator: Simulator) -> None:
    sums = SERVICE.replace('type = "png"', 'sha256 = "field:sha256"')
    init = tree(tmp_path / "a", simulator, sums)
    one(init, only(init), "plot1")
    wrong = sums.replace("field:sha256", "field:id").replace("for = 20", "for = 0.3")
    init = tree(tmp_path / "b", simulator, wrong)
    with pytest.raises(StepFailed, match="another sha256"):
        one(init, only(init), "plot1")


def test_secrets_come_from_the_environment_and_stay_out_of_files_and_messages(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = '[headers]\nAuthorization = "Bearer env:GI_TOKEN"\n[retry]'
    init = tree(tmp_path, simulator, SERVICE.replace("[retry]", head))
    with pytest.raises(UserError, match="GI_TOKEN is not set"):
        one(init, only(init), "galaxy1")
    monkeypatch.setenv("GI_TOKEN", "hush-1234")
    one(init, only(init), "plot1")
    assert simulator.headers[-1]["authorization"] == "Bearer hush-1234"
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"hush-1234" not in file.read_bytes(), file
    monkeypatch.setenv("GI_TOKEN", "two\nlines")
    with pytest.raises(UserError, match="odd signs") as caught:
        one(init, only(init), "galaxy1")
    assert "lines" not in str(caught.value).replace("more than one line", "")


def test_headers_go_to_no_other_host(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GI_TOKEN", "hush-1234")
    with simulating() as other:
        head = '[headers]\nX-Key = "env:GI_TOKEN"\n[retry]'
        text = SERVICE.replace("[retry]", head).replace(
            "/model/{{model}}/status", f"/away?to={other.address}/model/x/status"
        )
        init = tree(tmp_path, simulator, text.replace('value = "done"', 'value = "idle"'))
        one(init, only(init), "interact")
        assert {said.get("x-key") for said in simulator.headers} == {"hush-1234"}
        assert {said.get("x-key") for said in other.headers} == {None}


def test_one_failure_never_stops_the_rest(tmp_path: Path, simulator: Simulator) -> None:
    simulator.fails.add("plot1")
    chains = grid(1, 3)
    assert typed(planted(tmp_path, chains, simulator), "L") == 0
    wrong = walk(tmp_path / "L/init")
    assert len(wrong) == 3
    assert all("plot1: " in one and "400" in one for one in wrong)
    assert len(results(tmp_path / "L/init")) == 3


def test_rubbish_in_the_file_about_a_model_means_that_nothing_is_held(
    tmp_path: Path, simulator: Simulator
) -> None:
    init = tree(tmp_path, simulator)
    one(init, only(init), "galaxy1")
    file = held.place(read_service(init / "service.toml"), "1")
    assert json.loads(file.read_text())["steps"].keys() == {"galaxy1"}
    for rubbish in ("", "{}", "[]", '{"steps": {"galaxy1": 3}}', "\0"):
        file.write_text(rubbish)
        assert one(init, only(init), "galaxy1") == ["galaxy1: done"]


def test_another_description_of_the_same_service_holds_nothing(
    tmp_path: Path, simulator: Simulator
) -> None:
    init = tree(tmp_path, simulator)
    one(init, only(init), "merge")
    file = init / "service.toml"
    file.write_text(file.read_text().replace('send = "json"', "") + "# a comment\n")
    assert one(init, only(init), "merge") == ["merge: the service holds it already"]
    file.write_text(file.read_text().replace("/merge", "/merge?fast=1"))
    assert one(init, only(init), "galaxy1") == ["galaxy1: done"]


def test_the_answer_itself_can_be_the_file(tmp_path: Path, simulator: Simulator) -> None:
    text = SERVICE.replace('path = "/picture/{{answer.id}}", ', "")
    text = text.replace("{{step}}.png", "{{step}}-out.json").replace("png", "json")
    init = tree(tmp_path, simulator, text, late=0.5)
    one(init, only(init), "plot2")
    assert json.loads((only(init) / "plot2-out.json").read_text())["id"]
    assert one(init, only(init), "plot2") == ["plot2: its files are there"]


@pytest.mark.parametrize("kind", ["png", "json"])
def test_half_a_file_is_never_whole(tmp_path: Path, kind: str) -> None:
    data = {"png": png("ab" * 32, 300), "json": b'{"a": [1, 2, {"b": "c"}]}'}[kind]
    file = tmp_path / "file"
    file.write_bytes(data)
    assert whole.fault(file, kind) == ""
    for end in range(len(data)):
        file.write_bytes(data[:end])
        assert whole.fault(file, kind), end


def test_step_says_what_is_wrong(
    tmp_path: Path,
    simulator: Simulator,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    init = tree(tmp_path, simulator)
    monkeypatch.chdir(only(init))
    assert main(["step", "--service", "../../service.toml", "plott1"]) == 2
    assert "did you mean plot1?" in capsys.readouterr().err
    simulator.fails.add("merge")
    assert main(["step", "--service", "../../service.toml", "merge"]) == 1

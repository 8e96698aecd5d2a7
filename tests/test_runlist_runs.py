"""`jobauto runlist` from its lists to its outputs, run by jobmon.py on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import Place, newest, words
from runlists import GOOD, plant, typed

from jobauto.sources import load

BAD = {
    "fails.root": "exit 3",
    "half.root": 'echo half >"$made"; kill -9 $$',
    "nothing.root": ":",
}
RUNS = {f"{name}.root": GOOD for name in ("a", "b", "c", "d")}
LISTS = {"ISS/p.txt": "a.root\nfails.root\nhalf.root\nb.root\nnothing.root\n"}
LISTS["C.1/el.txt"] = "c.root\nd.root\n"


def states(ldir: Path) -> dict[str, str]:
    return {name: said[-1].split("@")[0] for name, said in words(newest(ldir)).items()}


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_what_failed_is_made_by_the_next_tree_and_summed_with_what_was_there(
    place: Place, tmp_path: Path
) -> None:
    plant(tmp_path, LISTS, RUNS | BAD)
    options = ["--hadd", "--fan-in", "2", "-m", "9", "-am", "mc", "-ad", "data"]
    assert typed(tmp_path, *options, "--ldir", "one") == 0
    fast = ["--interval", "0.2", "--grace", "1", "--no-http"]
    done = place.jobmon(tmp_path / "one", *fast)
    assert done.returncode == 1, done.stderr
    found = states(tmp_path / "one")
    bad = ("fails", "half", "nothing")
    assert {found.pop(f"ISS/p/{name}/qsub.job") for name in bad} == {"failed"}
    assert set(found.values()) == {"finished"}
    assert "C.1/el/hadd/qsub.hadd" in found
    assert "ISS/p/hadd/qsub.hadd" not in found, "it waits for what failed"
    run = newest(tmp_path / "one")
    for name, option in (("ISS/p/a", "-data"), ("C.1/el/c", "-mc")):
        assert (run / name / "called").read_text().splitlines()[0] == option
    out = tmp_path / "out"
    assert (out / "C.1/el/hadd.root").read_text() == "of c.root\nof d.root\n"
    assert not [name for name in bad if (out / f"ISS/p/{name}.root").exists()]
    assert not list(out.rglob(".*")), "nothing hidden is left"

    for name in BAD:
        (tmp_path / "in" / name).write_text(GOOD)
    assert typed(tmp_path, *options, "--ldir", "two") == 0
    done = place.jobmon(tmp_path / "two", *fast)
    assert done.returncode == 0, done.stderr
    found = states(tmp_path / "two")
    assert sorted(name.split("/")[2] for name in found if name.endswith("job")) == sorted(bad)
    order = ("a", "fails", "half", "b", "nothing")
    total = "".join(f"of {name}.root\n" for name in order)
    assert (out / "ISS/p/hadd.root").read_text() == total
    said = next((newest(tmp_path / "two") / "C.1/el/hadd").glob("qsub.hadd.o*")).read_text()
    assert said.startswith("was there: ")


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_two_sites_with_the_same_outputs_make_each_once(place: Place, tmp_path: Path) -> None:
    runs = {f"{n}.root": 'echo "by $PWD" >"$made"' for n in range(6)}
    plant(tmp_path, {"A.txt": "\n".join(runs)}, runs)
    sites = [tmp_path / "one", tmp_path / "two"]
    for site in sites:
        assert typed(tmp_path, "--ldir", site.name, "--hadd", "-m", "6") == 0
    running = [place.start(site, "--interval", "0.2", "--no-http") for site in sites]
    for process in running:
        assert process.wait(timeout=120) == 0
    said = [file.read_text() for site in sites for file in newest(site).rglob("qsub.job.o*")]
    assert len(said) == 12
    second = [text for text in said if text.startswith(("was there: ", "same-as: "))]
    assert len(second) == 6
    made = [(tmp_path / f"out/A/{name}").read_text() for name in runs]
    assert (tmp_path / "out/A/hadd.root").read_text() == "".join(made)


def test_queue_and_maxjobs_are_options_of_the_run(tmp_path: Path) -> None:
    plant(tmp_path, {"A.txt": "r.root"})
    assert typed(tmp_path, "-q", "ams1nd", "-m", "200") == 0
    found = load({"ldir": tmp_path / "test"}, tmp_path / "test", {})
    assert (found.queue, found.maxqsub) == ("ams1nd", 200)

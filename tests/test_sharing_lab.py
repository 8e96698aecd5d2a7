"""One task on two real clusters, with claims in a real PostgreSQL."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import places
import pytest
from places import newest, words
from sqlalchemy.engine import make_url
from trees import job, make

from jobauto.claims import Database, progress

pytestmark = pytest.mark.usefixtures("lab")
JOBS = 60


def test_two_clusters_share_a_task_and_each_job_is_submitted_once(
    tmp_path: Path, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Database(postgresql).upgrade()
    url = make_url(postgresql)
    monkeypatch.setenv("PGPASSWORD", str(url.password))
    plain = f"postgresql://{url.username}@{url.host}:{url.port}/{url.database}"
    runs, ended = [], []
    with ExitStack() as stack:
        started = []
        for name in ("slurm", "sge"):
            at = stack.enter_context(places.place(name, tmp_path / name))
            ldir = tmp_path / name / "L"
            tree = {f"m{n:02}/qsub.0": job("sleep 0.2") for n in range(JOBS)}
            make(ldir / "init", tree | {f"m{n:02}/qsub.dependency.0": "" for n in range(JOBS)})
            options = ("--task", "both", "--db", plain, "--site", name, "--maxqsub", "8")
            started.append((at, ldir, at.start(ldir, *options, "--no-http")))
        for at, ldir, process in started:
            out, err = process.communicate(timeout=240)
            assert process.returncode == 0, out + err
            run = newest(ldir)
            runs.append(words(run))
            there = (at.there(run) / folder / "ran.0" for folder in sorted(tree_of(run)))
            ended.append(Counter(len(p.read_text().split()) for p in there if p.exists()))
    ours = [{n for n, w in one.items() if w == ["started", "finished"]} for one in runs]
    skipped = [{n for n, w in one.items() if w == ["skipped"]} for one in runs]
    assert ours[0] == skipped[1]
    assert ours[1] == skipped[0]
    assert len(ours[0] | ours[1]) == JOBS
    assert min(map(len, ours)) > 5
    # each script says itself that it ran: once, and nowhere else
    assert [set(one) for one in ended] == [{1}, {1}]
    assert sum(one[1] for one in ended) == JOBS
    found = Counter((t.site, t.state) for t in progress(Database(postgresql), "both"))
    assert set(found) == {("slurm", "finished"), ("sge", "finished")}


def tree_of(run: Path) -> list[str]:
    """The job folders of a run."""
    return [path.name for path in run.iterdir() if path.name.startswith("m")]

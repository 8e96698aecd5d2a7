"""1,000 jobs of one task on two clusters: 8 monitors of 4 people, killed at random, the database
stopped for a minute. Counts what the schedulers took. Writes its section of bench/RESULTS.md."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import cluster  # noqa: E402
import databases  # noqa: E402
import results  # noqa: E402
from filelock import FileLock  # noqa: E402
from places import LAB  # noqa: E402
from together import Member, Outcome, team, work  # noqa: E402

SITES = ("slurm", "sge")
HEAD = [
    *("database", "people", "monitors", "jobs", "killed and started again", "database stopped"),
    *("scripts ran", "accounted by the schedulers", "doubled", "lost", "wall time"),
]


def main() -> None:
    """Without faults, with them, and with a file of SQLite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--stopped", type=float, default=60.0, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    rows = [HEAD]
    with FileLock(LAB / "tests.lock", timeout=3600):
        for kills in (0, chosen.kills):
            rows.append(clusters(chosen, kills))
            print(rows[-1], flush=True)
    rows.append(one_machine(chosen))
    print(rows[-1], flush=True)
    results.put(
        "A team on one task",
        f"""{results.origin("make together")} Slurm, Grid Engine, sshd and PostgreSQL of the lab.

Each of 4 people has a monitor on each cluster, all with the same tree, which each may have done
whole; the last row are 4 monitors on this machine with a file. "scripts ran" is counted by the
scripts themselves, and then by the schedulers' own books.

{results.table(rows)}
""",
    )


def clusters(chosen: argparse.Namespace, kills: int) -> list[str]:
    """A row: on Slurm and Grid Engine, claims in PostgreSQL."""
    stopped = chosen.stopped if kills else 0.0
    tag = secrets.token_hex(3)

    def outage() -> None:
        with databases.stopped():
            time.sleep(stopped)

    with databases.fresh() as url, tempfile.TemporaryDirectory() as folder:
        members = team(url, SITES)
        faults = {"kills": kills, "outage": outage if kills else None, "seed": chosen.seed}
        found = work(members, chosen.jobs, Path(folder), tag, url, room=8, **faults)
    books = sum(cluster.accounted(site, tag) for site in SITES)
    return row("PostgreSQL", members, chosen.jobs, found, stopped, str(books))


def one_machine(chosen: argparse.Namespace) -> list[str]:
    """A row: four monitors here, claims in a file."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/tasks.db"
        members = [Member(f"m{n}", "local", url) for n in range(4)]
        faults = {"kills": chosen.kills, "seed": chosen.seed}
        found = work(members, chosen.jobs, Path(folder), "together", url, room=4, **faults)
    return row("SQLite", members, chosen.jobs, found, 0.0, "-")


def row(
    database: str,
    members: list[Member],
    jobs: int,
    found: Outcome,
    stopped: float,
    books: str,
) -> list[str]:
    """What was seen, as a row of the table."""
    often = Counter(found.ran.values())
    return [
        *(
            database,
            str(len({person for _, person, _ in found.rows})),
            str(len(members)),
            str(jobs),
        ),
        *(str(found.kills), f"{stopped:.0f} s", str(sum(found.ran.values())), books),
        *(str(sum(n for times, n in often.items() if times > 1)), str(jobs - len(found.ran))),
        f"{found.seconds:.0f} s",
    ]


if __name__ == "__main__":
    main()

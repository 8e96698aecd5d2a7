"""Claims a second in tasks of 10,000 to 1,000,000 jobs. Writes its section of bench/RESULTS.md."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import databases  # noqa: E402
import results  # noqa: E402
from tasks import names, task  # noqa: E402

from jobauto.claims import Database, progress  # noqa: E402

SIZES = (10_000, 100_000, 1_000_000)
ROOM = 50  # jobs that are taken, told of and ended together, as with `-m 50`
ROUNDS = 40


def main() -> None:
    """Each size on each database, in a database of its own."""
    head = ["database", "jobs", "registering", "take", "one by one", "whole way", "progress"]
    rows = [head]
    for where in (sqlite, postgresql):
        for size in SIZES:
            with where() as url:
                rows.append([where.__name__, f"{size:,}", *measured(Database(url), size)])
            print(rows[-1], flush=True)
    results.put(
        "Claims of a shared task",
        f"""{results.origin("make bench-claims")} PostgreSQL 15 on the same machine.

`jobauto.claims`, one process, disks flushed at each transaction. "take": jobs claimed a second,
{ROOM} wanted ones in a statement, as monitors do; median of {ROUNDS} statements. "one by one":
the same with one job a statement. "whole way": jobs a second that are taken, said to be submitted,
and finished, {ROOM} together. In the middle of the task, after half of it was finished.

{results.table(rows)}
""",
    )


def measured(database: Database, size: int) -> list[str]:
    """A row of the table, without its first two cells."""
    database.upgrade()
    ann = task(database)
    begun = time.perf_counter()
    ann.register((name, "") for name in names(size))
    registering = time.perf_counter() - begun
    left = size // 2
    while left:
        some = ann.take(1_000, names(min(left, 1_000), size // 2 - left))
        ann.ended(some, "finished")
        left -= len(some)

    late = iter(names(size - size // 2, size // 2))  # the free ones, as each is wanted once

    def some_free(number: int) -> list[str]:
        return [next(late) for _ in range(number)]

    def whole_way() -> None:
        held = ann.take(ROOM, some_free(ROOM))
        ann.submitting(held)
        ann.submitted(dict.fromkeys(held, "353143"))
        ann.ended(held, "finished")

    found = [
        f"{registering:.1f} s",
        f"{ROOM / median(lambda: ann.take(ROOM, some_free(ROOM))):,.0f}/s",
        f"{1 / median(lambda: ann.take(1, some_free(1))):,.0f}/s",
        f"{ROOM / median(whole_way):,.0f}/s",
        f"{median(lambda: progress(database, 'T'), 3):.2f} s",
    ]
    database.close()
    return found


def median(what: object, rounds: int = ROUNDS) -> float:
    """The median time of a call, in seconds."""
    assert callable(what)
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        what()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


@contextmanager
def sqlite() -> Iterator[str]:
    """The URL of a file that is not there yet."""
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/claims.db"


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a fresh database of the lab."""
    with databases.fresh() as url:
        yield url


if __name__ == "__main__":
    main()

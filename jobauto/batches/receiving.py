"""Bringing the outputs of a run home: packed there, fetched, verified, unpacked, removed there.

Each step may be done again, so that whatever was cut off goes on by doing all of them.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from jobauto.batches import outputs
from jobauto.batches.contents import Contents, of_run
from jobauto.batches.unpacking import check_room
from jobauto.clock import Clock
from jobauto.errors import CouldNotAsk, UserError
from jobauto.host import Host
from jobauto.ledger import files
from jobauto.quoting import shown
from jobauto.remote.packing import ARCHIVE, MEMBER, ListFiles, Listing, Pack, Packed, RemoveRun
from jobauto.run import PRIVATE, Run

log = logging.getLogger("jobauto")

NOTE = "received.json"
TABLES = ("sweep.csv", "sweep.toml", "sweep.json", MEMBER)
TRIES = 3  # a job that still writes makes what was packed old


@dataclass(frozen=True, slots=True)
class Received:
    """What is here of a run: where, how much, of which archive; whether the remote's folder is
    removed, or else why it was kept (empty: it is being removed). `odd`: files left there, for
    control characters in their names; `links`: symbolic links, which are not brought.
    """

    place: str
    date: str
    sha256: str
    files: int
    size: int
    odd: int = 0
    links: int = 0
    removed: bool = False
    kept: str = ""

    @property
    def going(self) -> bool:
        """All is here, and the remote's folder is, or may be, gone."""
        return self.removed or not self.kept


_NOTE = TypeAdapter(Received)


def received(folder: Path) -> Received | None:
    """What was received of a run; None if nothing was."""
    file = folder / PRIVATE / NOTE
    if not file.is_file():
        return None
    try:
        return _NOTE.validate_json(files.read(file))
    except ValueError as error:
        hint = "remove it, and receive again"
        raise UserError(f"cannot be read: {shown(str(error))}", str(file), hint) from None


def _note(run: Run, what: Received) -> Received:
    files.replace(run.private / NOTE, json.dumps(asdict(what), indent=1) + "\n")
    return what


def receive(run: Run, host: Host, place: Path, clock: Clock, keep: str) -> Received:
    """Bring home what is wanted of a run that is over, into `place`. The host is connected.

    `keep`: why the remote's folder is to stay; empty: it is removed in the end. CouldNotAsk,
    NoConnection, OSError: do it again later, nothing is lost.
    """
    contents = of_run(run.folder)
    if contents is None:
        raise UserError("not the run of a batch", str(run.folder), "its results are in it")
    before = received(run.folder)
    if before and before.removed:
        return before
    if before and before.going and not keep:
        with suppress(CouldNotAsk):
            if not host.ask(RemoveRun(run.rdir, before.sha256)):
                return _note(run, replace(before, removed=True))
    for left in reversed(range(TRIES)):
        listing = host.ask(ListFiles(run.rdir))
        if left < TRIES - 1:  # what is packed there was no good
            listing = replace(listing, packed=None)
        try:
            keep = keep or _cannot_go(run, listing)
            found = _bring(run, host, contents, listing, place, clock, keep)
        except outputs.Damaged as error:
            log.warning("%s", error)
            if not left:
                raise
            continue
        if keep:
            return found
        newer = host.ask(RemoveRun(run.rdir, found.sha256))
        if not newer:
            return _note(run, replace(found, removed=True))
        log.info("%s was written meanwhile; receiving again", shown(newer))
    return _note(run, replace(found, kept=f"{shown(newer)} is still being written"))


def _cannot_go(run: Run, listing: Listing) -> str:
    if not run.mirrored:
        return "the jobs ran here"
    odd = listing.odd
    return f"{odd} files have control characters in their names" if odd else ""


def _bring(
    run: Run,
    host: Host,
    contents: Contents,
    listing: Listing,
    place: Path,
    clock: Clock,
    keep: str,
) -> Received:
    """Pack, fetch and unpack what is not here yet, and note it."""
    names = contents.wanted(listing.files, listing.written)
    wanted = {path: listing.files[path] for path in names}
    place.parent.mkdir(parents=True, exist_ok=True)
    check_room(place.parent, sum(wanted.values()))
    packed = listing.packed or host.ask(Pack(run.rdir, list(wanted)))
    before = received(run.folder)
    same = before and (before.sha256, before.place) == (packed.sha256, str(place.resolve()))
    if before and same and all((place / path).is_file() for path in wanted):
        return _note(run, replace(before, kept=keep))
    archive = run.private / "outputs.tar.gz"
    _fetch(run, host, packed, archive)
    outputs.unpack(archive, place, wanted)
    for name in TABLES:
        kept = os.path.lexists(place / name)  # it may have been edited, or be an output
        if (run.folder / name).is_file() and not kept:
            shutil.copyfile(run.folder / name, place / name)
    archive.unlink()
    size = sum(wanted.values())
    where, date = str(place.resolve()), clock.date()
    log.info("received %d files in %s", len(wanted), where)
    found = Received(where, date, packed.sha256, len(wanted), size, listing.odd, listing.links)
    return _note(run, replace(found, kept=keep))


def _fetch(run: Run, host: Host, packed: Packed, archive: Path) -> None:
    if files.sha256(archive) == packed.sha256:
        return
    check_room(archive.parent, packed.size)
    host.fetch(f"{run.rdir}/{ARCHIVE}", archive)
    if files.sha256(archive) != packed.sha256:
        archive.unlink(missing_ok=True)
        raise outputs.Damaged("the archive of the outputs did not arrive as it was sent")


def remove(run: Run, host: Host) -> None:
    """Remove a run's folder on the remote with all that is in it, received or not."""
    if run.mirrored:
        newer = host.ask(RemoveRun(run.rdir, None))
        if newer:
            raise CouldNotAsk(f"{newer} is being written")

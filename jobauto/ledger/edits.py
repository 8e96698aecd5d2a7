"""What a person changed in quelist while a monitor has its own changes of it."""

from __future__ import annotations

from collections.abc import Mapping

from jobauto.ledger.entries import Entry
from jobauto.ledger.quelist_file import Words
from jobauto.model import Job


def take_over(
    entries: Mapping[str, Entry], base: Words, words: Words
) -> tuple[dict[str, Entry], set[str]]:
    """All entries in the order of `words`, with what was changed there since `base`, and the names
    of those that were, also if their line was deleted.

    Lines of jobs in flight stay as they are, and so do those to which something was added since.
    """
    found, edited = dict(entries), set()
    for name in base.keys() | words.keys():
        entry = found.get(name)
        ours = entry.words if entry and not entry.open else None
        if words.get(name) == base.get(name) or ours != base.get(name):
            continue
        edited.add(name)
        if name in words:
            found.setdefault(name, Entry(Job.from_name(name))).words = words[name]
        else:
            del found[name]
    order = {name: number for number, name in enumerate(words)}
    last = len(order)
    return dict(sorted(found.items(), key=lambda one: order.get(one[0], last))), edited

"""What every dialect promises of its queue: whole answers are read, all others refused."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial

from answers import Folder, Recorded, Said
from expect import COMPLAINT, FOREIGN, Checks, raises, same

from jobauto.errors import CouldNotAsk
from jobauto.model import Queued, Seen
from jobauto.remote.framing import Answer
from jobauto.remote.observation import Observe
from jobauto.schedulers import Dialect, Unreadable


def checks_of_queue(dialect: Dialect, folder: Folder) -> Checks:
    """Every check of `query` and `tokens`."""
    for part in (_listings, _foreign, _cuts, _states, _doubts, _tokens):
        yield from part(dialect, folder)


# --- what the queue answers -----------------------------------------------------------------------


def framed(observe: Observe, *sections: tuple[str, Said]) -> Answer:
    """These sections as they come through the frame; see `ask` in framing.py."""
    lines = [f"begin {observe.frame.nonce}"]
    for tag, said in sections:
        out = said.out.removesuffix("\n").split("\n") if said.out else []
        lines += [f"@{tag}", *(f"o {line}" for line in out), ""]
        lines += [f"e {line}" for line in said.err.split("\n")] + [f"r {said.exit_code}"]
    lines += [f"end {observe.frame.nonce}", ""]
    return Answer(0, "\n".join(lines), "")


def look(dialect: Dialect, queue: Said, tokens: Said | None = None, *jobids: str) -> Seen:
    """What one look at the remote sees, with these answers."""
    observe = Observe(dialect, "/run", jobids)
    more = [("tokens", tokens)] if tokens else []
    return observe.read(framed(observe, ("queue", queue), *more))


def _three(folder: Folder) -> str:
    return folder.listing(*((jobid, folder.code, f"ja1.x+y_z-{jobid}") for jobid in folder.jobids))


def _listings(dialect: Dialect, folder: Folder) -> Checks:
    for answer in folder.expecting("queue"):
        if answer.jobs is not None:
            yield f"{answer.name}: the queue", partial(_reads, dialect, answer)
        if ("unreadable",) in answer.of("queue"):
            yield f"{answer.name}: unreadable", partial(_unreadable, dialect, answer.out)
        if ("no", "answer") in answer.of("queue"):
            yield f"{answer.name}: no answer", partial(raises, CouldNotAsk, look, dialect, answer)
    yield "a listing of three", partial(_reads_three, dialect, folder)
    yield "a listing of none", lambda: same(dialect.parse(folder.listing()), [])
    yield "a listing of 1000", partial(_reads_many, dialect, folder)
    yield "a JOBID that the queue does not name", partial(_missing, dialect, folder)


def _reads(dialect: Dialect, answer: Recorded) -> None:
    same(dialect.parse(answer.out), answer.jobs)
    same(look(dialect, answer).queue, {job.jobid: job for job in answer.jobs or []})


def _reads_three(dialect: Dialect, folder: Folder) -> None:
    jobs = dialect.parse(_three(folder))
    same([(job.jobid, job.code) for job in jobs], [(jobid, folder.code) for jobid in folder.jobids])
    if dialect.lists_tokens and dialect.elsewhere:
        same([job.token for job in jobs], [f"ja1.x+y_z-{jobid}" for jobid in folder.jobids])


def _reads_many(dialect: Dialect, folder: Folder) -> None:
    jobids = [folder.numbered(1000 + n) for n in range(1000)]
    text = folder.listing(*((jobid, folder.code, f"tok-{jobid}") for jobid in jobids))
    same([job.jobid for job in dialect.parse(text)], jobids)


def _missing(dialect: Dialect, folder: Folder) -> None:
    seen = look(dialect, Said(_three(folder)), None, folder.numbered(999), *folder.jobids)
    same(list(seen.queue), folder.jobids)


def _unreadable(dialect: Dialect, text: str) -> None:
    raises(Unreadable, dialect.parse, text)
    raises(CouldNotAsk, look, dialect, Said(text))


def _foreign(dialect: Dialect, folder: Folder) -> Checks:
    good = folder.listing((folder.jobids[0], folder.code, "tok-7"))
    for what, text in FOREIGN.items():
        yield f"{what} is no listing", partial(_unreadable, dialect, text)
        if what != "an empty line":
            yield f"{what} before a listing", partial(_unreadable, dialect, text + good)
            yield f"{what} behind a listing", partial(_unreadable, dialect, good + text)


def _cuts(dialect: Dialect, folder: Folder) -> Checks:
    """Cut exactly behind a line, a listing with a line a job cannot be told from a whole one. There
    only the frame's sentinel and the exit status protect: see test_observation.py."""
    texts = {"a listing of three": _three(folder), "a listing of none": folder.listing()}
    texts |= {answer.name: answer.out for answer in folder.expecting("queue") if answer.jobs}
    for what, text in texts.items():
        yield f"{what}: cut at any byte", partial(_cut, dialect.parse, text, folder.line_by_line)


def _cut(parse: Callable[[str], object], text: str, line_by_line: bool) -> None:
    for n in range(len(text.rstrip())):
        cut = text[:n]
        if not (line_by_line and (not cut or cut.endswith("\n"))):
            raises(Unreadable, parse, cut)
        if not line_by_line:  # `ask` ends the last line
            raises(Unreadable, parse, f"{cut}\n")


def _states(dialect: Dialect, folder: Folder) -> Checks:
    for state, codes in folder.told["states"].items():
        wanted = None if state == "gone" else Queued(state)
        for code in shlex.split(codes):
            yield f"state {code!r}: {state}", partial(_state, dialect, folder, code, wanted)


def _state(dialect: Dialect, folder: Folder, code: str, wanted: Queued | None) -> None:
    """It is what it is, also between others, and harms none of them."""
    before, jobid, behind = folder.jobids
    good = folder.code
    said = folder.listing((before, good, "tok-1"), (jobid, code, "tok-2"), (behind, good, "tok-3"))
    queue = dict(look(dialect, Said(said)).queue)
    found = queue.pop(jobid, None)
    same((found.state, found.code) if found else None, (wanted, code) if wanted else None)
    same(list(queue), [before, behind])
    assert all(job.state is not Queued.UNKNOWN and job.code == good for job in queue.values())


# --- what cannot be asked -------------------------------------------------------------------------


def _doubts(dialect: Dialect, folder: Folder) -> Checks:
    texts = {"nothing": "", "three": _three(folder)}
    texts |= {answer.name: answer.out for answer in folder.expecting("queue") if answer.jobs}
    for what, text in texts.items():
        for said in (*(Said(text, "", n) for n in (1, 124, 127, 137)), Said(text, COMPLAINT)):
            why = "a complaint" if said.err else f"exit status {said.exit_code}"
            yield f"{what}, but {why}", partial(raises, CouldNotAsk, look, dialect, said)
    for lost in ("@queue", "r 0", "begin", "end"):
        yield f"the frame has lost its {lost}", partial(_frame, dialect, folder, lost)


def _frame(dialect: Dialect, folder: Folder, lost: str) -> None:
    observe = Observe(dialect, "/run")
    whole = framed(observe, ("queue", Said(folder.listing())))
    same(observe.read(whole).queue, {})
    kept = [line for line in whole.out.split("\n") if not line.startswith(lost)]
    if lost == "@queue":  # and all that stood below it
        kept = [line for line in kept if line[:2] not in ("o ", "e ", "r ")]
    raises(CouldNotAsk, observe.read, Answer(0, "\n".join(kept), ""))


# --- submissions found again by their tokens ------------------------------------------------------


def _tokens(dialect: Dialect, folder: Folder) -> Checks:
    if dialect.lists_tokens:
        return
    empty, unread = Said(folder.listing()), partial(raises, Unreadable, dialect.parse_tokens)
    doubt = partial(raises, CouldNotAsk, look, dialect, empty)
    for what, text in {"nothing": "", **FOREIGN}.items():
        yield f"no tokens in {what}", partial(unread, text)
    for answer in folder.expecting("tokens"):
        if answer.tokens is None:
            yield f"{answer.name}: no tokens", partial(unread, answer.out)
            yield f"{answer.name}: a look in doubt", partial(doubt, answer)
            continue
        cut = partial(_cut, dialect.parse_tokens, answer.out, False)
        failed, warned = Said(answer.out, "", 124), Said(answer.out, COMPLAINT)
        yield f"{answer.name}: tokens", partial(_found, dialect, empty, answer)
        yield f"{answer.name}: tokens cut at any byte", cut
        yield f"{answer.name}: tokens, then failure", partial(doubt, failed)
        yield f"{answer.name}: tokens and a complaint", partial(doubt, warned)


def _found(dialect: Dialect, empty: Said, answer: Recorded) -> None:
    same(dialect.parse_tokens(answer.out), answer.tokens)
    seen = look(dialect, empty, answer)
    same({token: seen.by_token(token) for token in answer.tokens or {}}, answer.tokens)
    same(set(seen.queue), set((answer.tokens or {}).values()))

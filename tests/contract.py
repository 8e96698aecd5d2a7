"""What every dialect promises: all checks of one dialect, made from its recorded answers alone.

CONTRIBUTING.md tells what lies in the folder, and what each expectation means.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from answers import Folder, Recorded, Said, read

from jobauto import quoting
from jobauto.errors import CouldNotAsk
from jobauto.judge import reason
from jobauto.model import Queued, Seen
from jobauto.remote.framing import Answer
from jobauto.remote.observation import Observe
from jobauto.resources import KEYS, Inexpressible, Resources, parse
from jobauto.schedulers import Dialect, Unreadable

Checks = Iterator[tuple[str, Callable[[], None]]]

MOTD = "Last login: Fri Nov 20\n** maintenance on Monday at 8 **\nyou have 3 jobs\n"
FOREIGN = {
    "a banner": MOTD,
    "an error": "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n",
    "a web page": "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>\n",
    "an empty line": "\n",
    "a number": "0\n",
    "json": '{"jobs": []}\n',
    "wrong bytes": "\udcff\udcfe\udc80\n",
    "zeros": "\x00\x00\x00\n",
}
COMPLAINT = "sh: 1: something: not found\n"
ASKED = {"queue": "long", "walltime": "1:30:00", "cores": "16", "memory": "8G", "account": "chem"}


def checks(dialect: Dialect, path: Path) -> Checks:
    """Every check of `dialect` with its name; `path` is its folder of recorded answers."""
    yield "it has recorded answers", partial(_has_answers, path)
    if not (path / "dialect.toml").is_file():
        return
    folder = Folder(path)
    for file in folder.files:
        yield f"{file.stem}: has its headers and an expectation", partial(_readable, file)
    parts = (_jobids, _listings, _foreign, _cuts, _states, _doubts, _refusals, _endings)
    for part in (*parts, _tokens, _commands, _resources, _kinds):
        yield from part(dialect, folder)


# --- how a check fails ----------------------------------------------------------------------------


def same(found: object, wanted: object) -> None:
    assert found == wanted, f"{found!r} instead of {wanted!r}"


def raises(error: type[Exception], call: Callable[..., Any], *args: Any) -> None:
    try:
        found = call(*args)
    except error:
        return
    raise AssertionError(f"{found!r} instead of {error.__name__} for {args!r}")


def _has_answers(path: Path) -> None:
    assert (path / "dialect.toml").is_file(), f"{path}/dialect.toml is missing"
    assert list(path.glob("*/*.txt")), f"{path} has no VERSION/WHAT.txt"


def _readable(file: Path) -> None:
    answer = read(file)
    for job in answer.jobs or []:
        quoting.plain(job.jobid)
    for token, jobid in (answer.tokens or {}).items():
        assert quoting.plain(token)
        assert quoting.plain(jobid)


# --- what submit answers --------------------------------------------------------------------------


def _jobids(dialect: Dialect, folder: Folder) -> Checks:
    def found(out: str, wanted: str | None) -> Callable[[], None]:
        return lambda: same(dialect.jobid(out), wanted)

    for what, text in {"nothing": "", **FOREIGN, "words": MOTD + COMPLAINT}.items():
        if what != "a number":
            yield f"no JOBID in {what}", found(text, None)
    for answer in folder.expecting("jobid"):
        [[jobid]], out = answer.of("jobid"), answer.out
        if jobid == "none":
            yield f"{answer.name}: no JOBID", found(out, None)
            continue
        assert quoting.plain(jobid)
        odd = "".join(f"  {line} \r\n" for line in out.splitlines())
        other = out.replace(jobid, folder.jobids[0])
        yield f"{answer.name}: JOBID", found(out, jobid)
        yield f"{answer.name}: JOBID, banner before", found(MOTD + out, jobid)
        yield f"{answer.name}: JOBID, banner behind", found(f"{out}{MOTD}", jobid)
        yield f"{answer.name}: JOBID, banners around", found(MOTD + out + MOTD, jobid)
        yield f"{answer.name}: JOBID, no last newline", found(out.rstrip("\n"), jobid)
        yield f"{answer.name}: JOBID, blanks and carriage returns", found(odd, jobid)
        yield f"{answer.name}: JOBID, wrong bytes before", found("\udcff\udcfe\n" + out, jobid)
        yield f"{answer.name}: JOBID, twice the same", found(out + out, jobid)
        if other != out:
            yield f"{answer.name}: JOBID, two: which one?", found(out + other, None)


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
        for code in codes.split():
            wanted = None if state == "gone" else Queued(state)
            shown = "" if code == "''" else code
            yield f"state {code}: {state}", partial(_state, dialect, folder, shown, wanted)


def _state(dialect: Dialect, folder: Folder, code: str, wanted: Queued | None) -> None:
    """It is what it is, also between others, and harms none of them."""
    before, jobid, behind = folder.jobids
    good = folder.code
    said = folder.listing((before, good, "tok-1"), (jobid, code, "tok-2"), (behind, good, "tok-3"))
    queue = look(dialect, Said(said)).queue
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


# --- not now, or never ----------------------------------------------------------------------------


def _refusals(dialect: Dialect, folder: Folder) -> Checks:
    said: dict[str, list[str]] = {"limit": [], "lost": [], "never": ["", MOTD, COMPLAINT]}
    said["never"].append("sh: 1: cd: can't cd to ./gone\n")
    for answer in folder.expecting("refused"):
        [[kind]] = answer.of("refused")
        said[kind].append(answer.err + answer.out)
        yield f"{answer.name}: {kind}", partial(_means, dialect, said[kind][-1], kind)
        yield f"{answer.name}: its words are no JOBID", partial(_no_jobid, dialect, answer.err)
    for text in said["never"][:4]:
        yield f"{text!r} is no reason to wait", partial(_means, dialect, text, "never")
    # the program may try again by itself after a limit, and lose the answer to that
    for n, (limit, lost) in enumerate(product(said["limit"], said["lost"])):
        yield (
            f"a loss counts more than a limit ({n})",
            partial(_means, dialect, limit + lost, "lost"),
        )


def _means(dialect: Dialect, said: str, wanted: str) -> None:
    for text in (said, MOTD + said, said + MOTD):
        limit = "limit" if dialect.limit.search(text) else "never"
        same("lost" if dialect.lost.search(text) else limit, wanted)


def _no_jobid(dialect: Dialect, said: str) -> None:
    same(dialect.jobid(said), None)


# --- how jobs ended, and submissions found again --------------------------------------------------


def _endings(dialect: Dialect, folder: Folder) -> Checks:
    for answer in folder.expecting("ending"):
        yield f"{answer.name}: how it ended", partial(_ended, dialect, answer)


def _ended(dialect: Dialect, answer: Recorded) -> None:
    found = dialect.ending(answer.out)
    same(found, answer.ending)
    same(reason(found), answer.word)


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


# --- commands and resources -----------------------------------------------------------------------


def _commands(dialect: Dialect, folder: Folder) -> Checks:
    told = folder.told["commands"]
    jobids = told.get("jobids", ["11", "12", "13"])
    for verb, more in {"kill": (), "hold": (), "release": (), "move": ("long",)}.items():
        call = partial(getattr(dialect, verb), jobids, *more)
        yield f"to {verb} many jobs", lambda call=call, verb=verb: same(call(), told.get(verb))
    yield "a shell reads all commands", partial(_shell, dialect, folder.jobids)


def _shell(dialect: Dialect, jobids: list[str]) -> None:
    submit = dialect.submit('"$script"', '"$token"', '"$@"')
    parts = [dialect.prelude, f"if {dialect.detect}\nthen :; fi", f"submit() {{\n{submit}\n}}"]
    parts += [dialect.query(n) for n in ([], jobids[:1], jobids)]
    parts += [verb(jobids) for verb in (dialect.kill, dialect.hold, dialect.release)]
    parts += [dialect.move(jobids, "long"), dialect.autopsy(jobids[0]), dialect.tokens() or ":"]
    parts += [f"for f in {dialect.outputs(jobids[0], 'qsub.0')}; do :; done"]
    for part in parts:
        done = subprocess.run(["sh", "-n"], input=part, text=True, capture_output=True, timeout=60)
        assert done.returncode == 0, f"{done.stderr} in {part}"


def _resources(dialect: Dialect, folder: Folder) -> Checks:
    asked, cannot = folder.told.get("asked"), folder.told["inexpressible"]
    values = ASKED | asked.get("resources", {}) if asked else {}
    values = {key: value for key, value in values.items() if value}
    yield "nothing asked for", lambda: same(dialect.options(Resources()), [])
    yield "every key is tried", lambda: same(set(KEYS) - {*values, *cannot}, set())
    for key, value in cannot.items():
        yield f"cannot express {key} = {value}", partial(_cannot, dialect, key, value)
    if asked:
        found = parse(values)
        yield "directives", lambda: same(dialect.header(found), asked["directives"])
        yield "options", lambda: same(sum(dialect.options(found), ()), tuple(asked["options"]))


def _cannot(dialect: Dialect, key: str, value: str) -> None:
    try:
        found = dialect.options(parse({key: value}))
    except Inexpressible as error:
        same(error.key, key)
    else:
        raise AssertionError(f"{found!r} instead of Inexpressible")


# --- the folder itself ----------------------------------------------------------------------------


def _kinds(dialect: Dialect, folder: Folder) -> Checks:
    """Where jobs run elsewhere there is a server, which refuses and forgets."""
    queue, ends = list(folder.expecting("queue")), list(folder.expecting("ending"))
    tokens = [answer.tokens for answer in folder.expecting("tokens")]
    refused = {answer.of("refused")[0][0] for answer in folder.expecting("refused")}
    there = {
        "a JOBID": any(a.of("jobid") != [("none",)] for a in folder.expecting("jobid")),
        "an empty queue": any(a.jobs == [] for a in queue),
        "a queue of three or more": any(len(a.jobs or []) >= 3 for a in queue),
        "an unreadable queue": any(("unreadable",) in a.of("queue") for a in queue),
        "a queue without an answer": any(("no", "answer") in a.of("queue") for a in queue),
        "an ending with an exit code": any(a.ending.exit_code is not None for a in ends),
    }
    if dialect.elsewhere:
        there |= {f"refused: {kind}": kind in refused for kind in ("limit", "lost", "never")}
        there["a forgotten ending"] = any(not a.ending.known for a in ends)
        there["an unknown state"] = bool(folder.told["states"].get("unknown"))
    if not dialect.lists_tokens:
        there |= {"tokens": any(tokens), "no tokens": {} in tokens, "bad tokens": None in tokens}
    for what, found in there.items():
        yield f"the folder shows {what}", partial(same, found, True)

"""What every dialect promises: all checks of one dialect, made from its recorded answers alone.

CONTRIBUTING.md tells what lies in the folder, and what each expectation means.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

from answers import REFUSALS, Folder, Recorded, read
from contract_queue import checks_of_queue
from expect import COMPLAINT, FOREIGN, MOTD, Checks, same

from jobauto import quoting
from jobauto.judge import reason
from jobauto.model import Ending
from jobauto.remote.observation import Observe
from jobauto.resources import KEYS, Inexpressible, Resources, parse
from jobauto.schedulers import Dialect

NO_FOLDER = "sh: 1: cd: can't cd to ./gone\n"
OTHER_DIGITS = {ord(str(n)): chr(0x660 + n) for n in range(10)}  # Arabic ones
ASKED = {"queue": "long", "walltime": "1:30:00", "cores": "16", "memory": "8G", "account": "chem"}


def checks(dialect: Dialect, path: Path) -> Checks:
    """Every check of `dialect` with its name; `path` is its folder of recorded answers."""
    yield "it has recorded answers", partial(_has_answers, path)
    folder = Folder(path)
    for file in folder.files:
        yield f"{file.parent.name}/{file.stem}: can be read", partial(_readable, file)
    parts = (_jobids, checks_of_queue, _refusals, _endings, _commands, _resources, _kinds)
    for part in parts:
        try:
            yield from part(dialect, folder)
        except (
            Exception
        ) as error:  # a fault of the folder fails here, not all tests of all dialects
            what = f"{error!r}: look into {path}/dialect.toml"
            yield f"{part.__name__.strip('_')}: the folder", partial(same, what, "a whole folder")


def _has_answers(path: Path) -> None:
    assert (path / "dialect.toml").is_file(), f"{path}/dialect.toml is missing"
    assert list(path.glob("*/*.txt")), f"{path} has no VERSION/WHAT.txt"


def _readable(file: Path) -> None:
    answer = read(file)
    jobids = [job.jobid for job in (answer.of("queue") and answer.jobs) or []]
    jobids += [jobid for [jobid] in answer.of("jobid")]
    if answer.of("tokens") and answer.tokens:
        jobids += [*answer.tokens, *answer.tokens.values()]
    for jobid in jobids:  # they stand in scripts as they are
        same(quoting.plain(jobid), jobid)


# --- what submit answers --------------------------------------------------------------------------


def _jobids(dialect: Dialect, folder: Folder) -> Checks:
    def found(out: str, wanted: str | None) -> Callable[[], None]:
        return lambda: same(dialect.jobid(out), wanted)

    for what, text in {"nothing": "", **FOREIGN, "words": MOTD + COMPLAINT}.items():
        if what != "a number":
            yield f"no JOBID in {what}", found(text, None)
    for answer in folder.expecting("jobid"):
        jobid, out = answer.jobid, answer.out
        if not jobid:
            yield f"{answer.name}: no JOBID", found(out, None)
            continue
        odd = "".join(f"  {line} \r\n" for line in out.splitlines())
        other = out.replace(jobid, folder.jobids[0])
        yield f"{answer.name}: JOBID", found(out, jobid)
        yield f"{answer.name}: JOBID, banner before", found(MOTD + out, jobid)
        yield f"{answer.name}: JOBID, banner behind", found(f"{out}{MOTD}", jobid)
        yield f"{answer.name}: JOBID, banners around", found(MOTD + out + MOTD, jobid)
        yield f"{answer.name}: JOBID, no last newline", found(out.rstrip("\n"), jobid)
        yield f"{answer.name}: JOBID, blanks and carriage returns", found(odd, jobid)
        yield f"{answer.name}: JOBID, wrong bytes before", found("\udcff\udcfe\n" + out, jobid)
        yield f"{answer.name}: JOBID, other digits", found(out.translate(OTHER_DIGITS), None)
        yield f"{answer.name}: JOBID, twice the same", found(out + out, jobid)
        if other != out:
            yield f"{answer.name}: JOBID, two: which one?", found(out + other, None)


# --- not now, or never ----------------------------------------------------------------------------


def _refusals(dialect: Dialect, folder: Folder) -> Checks:
    said: dict[str, list[str]] = {kind: [] for kind in REFUSALS}
    for answer in folder.expecting("refused"):
        text, kind = answer.err + answer.out, answer.refusal
        said[kind].append(text)
        yield f"{answer.name}: {kind}", partial(_means, dialect, text, kind)
        yield f"{answer.name}: its words are no JOBID", partial(_no_jobid, dialect, answer.err)
    for text in ("", MOTD, COMPLAINT, NO_FOLDER):
        yield f"{text!r} is no reason to wait", partial(_means, dialect, text, "never")
    # the program may try again by itself after a limit, and lose the answer to that
    for n, pair in enumerate(product(said["limit"], said["lost"])):
        yield f"limit, then loss, {n}", partial(_means, dialect, "".join(pair), "lost")


def _means(dialect: Dialect, said: str, wanted: str) -> None:
    for text in (said, MOTD + said, said + MOTD):
        limit = "limit" if dialect.limit.search(text) else "never"
        same("lost" if dialect.lost.search(text) else limit, wanted)


def _no_jobid(dialect: Dialect, said: str) -> None:
    same(dialect.jobid(said), None)


# --- how jobs ended -------------------------------------------------------------------------------


def _endings(dialect: Dialect, folder: Folder) -> Checks:
    for answer in folder.expecting("ending"):
        yield f"{answer.name}: how it ended", partial(_ended, dialect, answer)


def _ended(dialect: Dialect, answer: Recorded) -> None:
    ending, word = answer.ending
    same(dialect.ending(answer.out), ending)
    same(reason(ending), word)


# --- commands and resources -----------------------------------------------------------------------


def _commands(dialect: Dialect, folder: Folder) -> Checks:
    told = folder.told["commands"]
    jobids = told.get("jobids", ["11", "12", "13"])
    for verb, more in {"kill": (), "hold": (), "release": (), "move": ("long",)}.items():
        call = partial(getattr(dialect, verb), jobids, *more)
        yield f"to {verb} many jobs", partial(_as_told, call, told.get(verb))
    yield "a shell reads all commands", partial(_shell, dialect, folder.jobids)


def _as_told(call: Callable[[], object], expected: object) -> None:
    same(call(), expected)


def _shell(dialect: Dialect, jobids: list[str]) -> None:
    submit = dialect.submit('"$script"', '"$token"', '"$@"')
    if dialect.elsewhere:
        assert all(f'"${word}"' in submit for word in ("script", "token", "@")), submit
    parts = [dialect.prelude, f"if {dialect.detect}\nthen :; fi", f"submit() {{\n{submit}\n}}"]
    parts += [dialect.query(n) for n in ([], jobids[:1], jobids)]
    parts += [verb(jobids) for verb in (dialect.kill, dialect.hold, dialect.release)]
    parts += [dialect.move(jobids, "long"), dialect.autopsy(jobids[0]), dialect.tokens() or ":"]
    parts += [f"for f in {dialect.outputs(jobids[0], 'qsub.0')}; do :; done"]
    parts += [Observe(dialect, "/run", jobids, verify=True).script()]
    for part in parts:
        done = subprocess.run(["sh", "-n"], input=part, text=True, capture_output=True, timeout=60)
        assert done.returncode == 0, f"{done.stderr} in {part}"


def _resources(dialect: Dialect, folder: Folder) -> Checks:
    asked, cannot = folder.told.get("asked"), folder.told.get("inexpressible", {})
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
    queue, said = folder.expecting("queue"), [kind for a in folder.answers for kind in a.expected]
    endings = [answer.ending[0] for answer in folder.expecting("ending")]
    tokens = [answer.tokens for answer in folder.expecting("tokens")]
    there = {
        "a JOBID": any(answer.jobid for answer in folder.expecting("jobid")),
        "an empty queue": any(answer.jobs == [] for answer in queue),
        "a queue of three or more": any(len(answer.jobs or []) >= 3 for answer in queue),
        "an unreadable queue": ("queue", ("unreadable",)) in said,
        "a queue without an answer": ("queue", ("no", "answer")) in said,
        "an ending with an exit code": any(ending.exit_code is not None for ending in endings),
    }
    if dialect.elsewhere:
        there |= {f"refused: {kind}": ("refused", (kind,)) in said for kind in REFUSALS}
        there["a forgotten ending"] = Ending() in endings
        there["an unknown state"] = bool(folder.told["states"].get("unknown"))
    if not dialect.lists_tokens:
        there |= {"tokens": any(tokens), "no tokens": {} in tokens, "bad tokens": None in tokens}
    for what, found in there.items():
        yield f"the folder shows {what}", partial(same, found, True)

"""The login node's shell, as far as our scripts need it: it walks the text of a real script.

Definitions of functions are not run, but read: which steps `attempt` takes, and whether its claim
guards, is what the text says. The calls are run line by line, their words split as a shell does.
So the order of queue and files, the quoting, the frame and the claim of the real scripts count.
Between two steps a Shell yields the seconds that pass; others go on meanwhile.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from fake import FakeCluster

T = TypeVar("T")
Steps = Generator[float, None, T]

# Outside of quotes a shell would do something with any other character.
_HARMLESS = re.compile(r"[A-Za-z0-9_@%+=:,./ -]*")
_QUOTED = re.compile(r"'[^']*'|\"[^\"`\\]*\"")
_TAIL = "; true"
_PASSED_OVER = ("", "{", "}", "LC_ALL=C;", "exec", "unset", "refused=0", "eval", "if", ":", "#")


class Misquoted(AssertionError):
    """A part of a name would be run or split by the shell."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a program says."""

    code: int = 0
    out: str = ""
    err: str = ""


@dataclass(slots=True)
class Claim:
    """The folder `.jobauto/claims/<token>`: what is None is not there yet."""

    begun: int | None = None
    out: str = ""
    err: str = ""
    code: int | None = None
    fate: bool | None = None  # whether the job begins


@lru_cache(8192)
def words(line: str) -> tuple[str, ...]:
    """The words of a line as a shell splits them; Misquoted if it would do more than that."""
    if not _HARMLESS.fullmatch(_QUOTED.sub("", line)):
        raise Misquoted(f"a shell would not take this as plain words: {line}")
    return tuple(shlex.split(line))


@lru_cache(8192)
def _complete(script: str) -> bool:
    """Whether the script is one compound command of which nothing is missing."""
    return script.endswith("\nexit 0\n}\n") or not script.startswith("{\n")


def _without(script: str, prelude: str) -> str:
    """A script, perhaps cut short, without the text of a prelude."""
    before, there, behind = script.partition(prelude[:40]) if prelude else (script, "", "")
    return before + (there + behind)[len(prelude) :]


class Shell:
    """One process that runs one script. `out` is what it wrote to its stdout so far."""

    def __init__(
        self, cluster: FakeCluster, script: str, pid: int = 1, node: str = "login"
    ) -> None:
        self.cluster, self.pid, self.node = cluster, pid, node
        self.prelude = cluster.speech.dialect.prelude  # its functions are tried elsewhere
        self.script = _without(script, self.prelude)
        self.out: list[str] = []
        self.functions: dict[str, str] = {}
        self.limited = False
        self.pauses: list[float] = []
        self.refused = self.allowed = 0
        self.outlives_connection = "\ntrap '' HUP PIPE" in script
        self.claim = ""  # the token in $claim
        self.after: list[str] = []  # JOBIDs for which the next attempt waits; '' is one not taken
        self.needs: list[str] = []  # files that it needs
        self.doing = ""  # the token of the attempt that it is in the middle of
        self.over = False
        self.steps = self._run()

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.out)

    def _run(self) -> Steps[None]:
        if not _complete(self.script):
            return  # a shell reads a compound command to its end before it runs any of it
        for line in self._lines():
            yield from self._do(line)
            if line == "exit 0" or self.over:
                return

    def _do(self, line: str) -> Steps[None]:
        verb = line.partition(" ")[0]
        if verb in _PASSED_OVER:
            return
        yield 0.0
        step = getattr(self, f"_{verb}", None)
        if step:
            yield from step(line) or ()
        elif not self._assign(line):
            raise AssertionError(f"the fake shell does not know this line: {line}")

    def _lines(self) -> Iterator[str]:
        """The lines outside of functions; those inside go to `functions`."""
        lines = iter(self.script.split("\n"))
        for line in lines:
            if line.endswith("='"):  # a text of several lines
                while next(lines) != "'":
                    pass
                continue
            name, brackets, rest = line.partition("() {")
            if not brackets or not name.isidentifier():
                yield line
                continue
            body = [rest]
            if not rest.partition(" #")[0].endswith("}"):
                for inner in lines:
                    if inner == "}":
                        break
                    body.append(inner)
            self.functions[name] = "\n".join(body)

    def _assign(self, line: str) -> bool:
        if line.startswith("limit="):
            self.limited = "timeout 60" in line
        if line.startswith("pauses="):
            self.pauses = [float(pause) for pause in words(line)[0].partition("=")[2].split()]
        if line.startswith("claim="):
            self.claim = line.rstrip('"').rpartition("/")[2]
        known = ("root=", "claim=", "me=", "limit=", "trap ", "pauses=", "there=")
        return line.startswith(known)

    def _exit(self, line: str) -> None:
        pass

    def _cd(self, line: str) -> None:
        enter = line.partition(" 2>/dev/null || ")[0]
        if self.cluster.root not in (None, words(enter)[-1]):
            raise AssertionError(f"there is no such folder: {line}")

    def _ls(self, line: str) -> None:
        words(line.removesuffix(" >/dev/null 2>&1"))

    def _folders(self, line: str) -> None:
        words(line)
        text = self.functions["folders"]
        assert 'set -- "$@" "$claims/$token"' in text, text
        assert 'mkdir -p "$@"' in text, text
        assert "\nroot=$PWD claims=.jobauto/claims\n" in self.script

    def _echo(self, line: str) -> None:
        self.out.append(" ".join(words(line)[1:]))

    def _t(self, line: str) -> None:
        _, number, path = words(line)
        if self.cluster.exists(posixpath.normpath(path)):
            self.out.append(f"@t {number}")

    def _look_at_files(self, line: str) -> Steps[None]:
        for test in self.functions[line].split("\n"):
            if test.startswith("t "):
                yield 0.0
                self._t(test)

    def _await(self, line: str) -> Steps[None]:
        text = self.functions["await"]
        assert text.index("sleep") < text.index("[ -e ") < text.index("early"), text
        for pause in self.pauses:
            yield pause
            for word in words(line)[1:]:
                there = self.cluster.exists(posixpath.normpath(word[1:]))
                if there == (word[0] == "+"):
                    self._echo("echo @early")
                    yield from self._look_at_files("look_at_files")
                    self._echo(self.functions["early"].split("; ")[2])
                    self.over = True
                    return

    def _ask(self, line: str) -> Steps[None]:
        _, command = words(line)
        reply = yield from self._program(command)
        self.out += [f"o {said}" for said in reply.out.splitlines()]
        self.out += [f"e {said}" for said in reply.err.splitlines()] + [f"r {reply.code}"]

    def _program(self, command: str) -> Steps[Reply]:
        limited = self._limited(command)
        kind, jobids = self.cluster.speech.about(command)
        if kind in ("queue", "tokens"):
            return (yield from self.cluster.look(kind == "tokens", limited))
        if kind == "autopsy":
            return (yield from self.cluster.autopsy(*jobids))
        if kind == "kill":
            return (yield from self.cluster.end(jobids))
        program = command.partition(" ")[0]
        if program == "find":
            found = [f for f in sorted(self.cluster.files) if "qsub.finished." in f]
            there = [f for f in found if self.cluster.exists(f)]
            return Reply(out="".join(f"./{name}\n" for name in there))
        if program == "cd" and command.endswith(_TAIL):
            folder = words(command.partition(" && { for f in ")[0])[1]
            return Reply(out="it broke\n") if self._enter(folder) else Reply(0, "", "cd: no\n")
        raise AssertionError(f"the fake shell does not know this program: {command}")

    def _limited(self, command: str) -> bool:
        """Whether what hangs in it is ended after a while."""
        return self.limited and "$limit " in command + self.prelude

    def _enter(self, folder: str) -> bool:
        """Whether `cd FOLDER` works; one that begins with a dash is an option."""
        return not folder.startswith("-") and self.cluster.is_folder(posixpath.normpath(folder))

    def _attempts(self, line: str) -> Steps[None]:
        for call in self.functions[line].split("\n"):
            yield from self._do(call)

    def _attempt(self, line: str) -> Steps[None]:
        _, token, *job = words(line)
        if len(job) < 3 or any(not word.startswith("-") for word in job[3:]):
            raise Misquoted(f"attempt gets {len(job)} words behind its token: {line}")
        text = self.functions["attempt"]
        self.allowed = int(re.findall(r"allowed=(\d+)", self.script)[0])
        guards = 'take "$claim"' in text and "set -C" in self.functions["take"]
        if self.refused < self.allowed and not (guards and token in self.cluster.claims):
            self.doing = token
            claim = self.cluster.claims[token] = Claim()
            yield 0.0
            yield from self._submit(claim, token, *job[:3])
            self.doing = ""

    def _submit(
        self, claim: Claim, token: str, folder: str, script: str, marker: str
    ) -> Steps[None]:
        text, code = self.functions["attempt"], 1
        path = posixpath.normpath(posixpath.join(folder, script))
        hand_in, begun = text.index('hand_in "$@"'), text.index('>"$claim/begun"')
        if not self._enter(folder):
            claim.err = f"cd: can't cd to {folder}\n"
        else:
            if 0 <= text.find('rm -f "$4"') < min(hand_in, begun):
                self.cluster.remove(posixpath.normpath(posixpath.join(folder, marker)))
            yield 0.0
            if self.cluster.disk_is_full():  # the claim is given back
                self.cluster.claims.pop(token, None)
                self.refused += 1
                return
            claim.begun = self.pid
            yield 0.0
            code = yield from self._hand_in(claim, path, token)
        yield 0.0
        if not self.cluster.disk_is_full(token):
            claim.code = code
        self.refused = self.refused + 1 if code else 0

    def _hand_in(self, claim: Claim, path: str, token: str) -> Steps[int]:
        command = self.functions["hand_in"]
        told = "$token" in command
        limited = self._limited(command)
        if self.needs:
            if "" in self.after and '[ -z "$untaken" ]' in command:
                reply = Reply(1, "", "what it waits for was not taken\n")
                claim.err = reply.err
                return reply.code
            guards = 'guarded "$script"' in command and "turned-back" in self.script
            held = (tuple(self.after), tuple(self.needs) if guards else ())
        else:
            held = ((), ())
        reply = yield from self.cluster.hand_in(path, token if told else "", limited, held)
        claim.out, claim.err = reply.out, reply.err
        return reply.code

    def _ahead(self, line: str) -> None:
        _, *said = words(line)
        middle = said.index("--")
        self.needs = said[middle + 1 :]
        self.after = [s[1:] if s[0] == "=" else self._taken(s) for s in said[:middle]]

    def _taken(self, token: str) -> str:
        """The JOBID in an earlier attempt's claim."""
        claim = self.cluster.claims.get(token)
        first = claim.out.partition("\n")[0] if claim and claim.code == 0 else ""
        return self.cluster.speech.dialect.jobid(first) or ""

    def _fate(self, line: str) -> None:
        assert self.functions["fate"].index("mkdir") < self.functions["fate"].index("echo")
        began = self.cluster.decide(self.claim, begins=False)
        self.out.append(f"@{'began' if began else 'unbegun'} {words(line)[1]}")

    def _report(self, line: str) -> Steps[None]:
        yield from self._tell(words(line)[1])

    def _tell(self, token: str) -> Steps[None]:
        """What `report` prints: the exit status is read before what belongs to it."""
        claim = self.cluster.claims.get(token)
        self.out.append(f"@claim {token}" if claim else f"@noclaim {token}")
        if not claim:
            return
        code = claim.code
        yield 0.0
        self.out += [f"o {said}" for said in claim.out.splitlines()]
        self.out += [f"e {said}" for said in claim.err.splitlines()]
        self.out += [f"r {code}"] if code is not None else []
        yield 0.0
        if claim.begun is not None:
            self.out.append(f"@begun {token}")
            alive = self.cluster.is_alive(claim.begun, self.node)
            if alive and code is None:
                self.out.append(f"@alive {token}")
            elif alive is False and claim.code is None:
                self.out.append(f"@dead {token}")

    def _void(self, line: str) -> Steps[None]:
        token = words(line)[1]
        if 'take "$c"' in self.functions["void"] and token not in self.cluster.claims:
            self.cluster.claims[token] = Claim(err="killed before it was submitted\n", code=1)
            self.cluster.note("void", token)
        yield from self._tell(token)

"""Another machine, by the system's ssh and the person's own ~/.ssh/config.

One master connection is opened for the whole run; a shell that stays and rsync go through its
socket. They are told to make no connection of their own (`ProxyCommand=false`): when the socket is
dead they fail at once, instead of logging in again each time behind the person's back.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from jobauto.errors import NeedsLogin, NoConnection
from jobauto.host import transfer
from jobauto.host.process import Beside, Runner
from jobauto.host.pulling import Over, Pull, Rsync
from jobauto.host.session import Session
from jobauto.quoting import shown
from jobauto.remote.framing import Answer, Request
from jobauto.remote.probe import SUMS

T = TypeVar("T")
SSH_FAILED = 255
SYNC_TIMEOUT = 24 * 3600.0
LOGIN_TIMEOUT = 90.0
_MASTER = [
    *("-f", "-N", "-M"),
    "-oControlMaster=yes",
    "-oControlPersist=no",
    "-oConnectTimeout=30",
    "-oClearAllForwardings=yes",
]
_PATIENCE = ["-oServerAliveInterval=15", "-oServerAliveCountMax=4"]
# what ssh says where sshd has `MaxSessions 1`: nothing goes on beside the shell
_ONE_AT_A_TIME = "Session open refused by peer"
_NO_OWN_LOGIN = ["-oControlMaster=no", "-oProxyCommand=false", "-oBatchMode=yes"]


class SshHost:
    """A destination of ssh. `socket` is where the master connection listens."""

    mirrored = True

    def __init__(self, destination: str, socket: Path, runner: Runner) -> None:
        self.name = destination
        self.socket = socket
        self.runner = runner
        argv = ["ssh", "-S", str(socket), *_NO_OWN_LOGIN, "--", destination, "sh -s"]
        self._shell = Session(runner, argv)
        self._knocking: Beside | None = None
        self._sums: list[str] = []
        self._alone = False  # rsync needs the only session that may be open

    def knock(self) -> None:
        if self._knocking or self.connected():
            return
        self._make_room()
        options = [*self._master(), "-oBatchMode=yes"]
        self._knocking = self.runner.beside(self._argv(options), timeout=LOGIN_TIMEOUT)

    def open(self) -> None:
        self.knock()
        knocking, self._knocking = self._knocking, None
        answer = knocking.finish() if knocking else None
        if answer and answer.exit_code != 0:
            raise explain(self.name, answer.err)

    def connected(self) -> bool:
        return self.socket.exists() and self._ssh(["-O", "check"], 10.0).exit_code == 0

    def login(self) -> None:
        if self.connected():
            return
        self._make_room()
        status = self.runner.talk(self._argv(self._master()))
        if status != 0:
            raise NeedsLogin(f"could not log in to {self.name}", hint=f"try: ssh {self.name} true")

    def _master(self) -> list[str]:
        """Options of the connection. When a silent one is given up is the person's to say; ssh
        itself would wait for ever (0), and a command line would win over its configuration."""
        said = self.runner.run(["ssh", "-G", "--", self.name], timeout=30.0).out
        own = re.search(r"^serveraliveinterval [1-9]", said, re.MULTILINE)
        return _MASTER if own else [*_MASTER, *_PATIENCE]

    def _make_room(self) -> None:
        self.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)

    def close(self) -> None:
        self.runner.end_beside()
        if self.socket.exists():
            self._ssh(["-O", "exit"], 10.0)
        self._shell.close()  # it has ended with the connection: to ask it to takes a round trip

    def _ssh(self, options: Sequence[str], timeout: float) -> Answer:
        return self.runner.run(self._argv(options), timeout=timeout)

    def _argv(self, options: Sequence[str]) -> list[str]:
        return ["ssh", "-S", str(self.socket), *options, "--", self.name]

    def ask(self, request: Request[T]) -> T:
        answer = self._shell.ask(request.script(), request.timeout)
        if answer.exit_code == SSH_FAILED and not self.connected():
            raise NoConnection(f"the connection to {self.name} is gone", hint=_last(answer.err))
        return self._shell.read(request, answer)

    def check_tools(self, has_sums: bool) -> None:
        transfer.check_tools()
        if has_sums and SUMS in self.runner.run(["rsync", "--version"]).out.split():
            self._sums = [f"--checksum-choice={SUMS}"]

    def push(self, run: Path, folder: str, only: Sequence[str] = ()) -> None:
        target = f"{self.name}:{folder}"
        self._rsync(transfer.push_command(run, target, self._via(), only), only)

    def pull(self, folder: str, run: Path, patterns: Sequence[str], only: Sequence[str]) -> Pull:
        source = f"{self.name}:{folder}"
        command = transfer.pull_command(source, run, self._via(), patterns, only)
        # beside a shell that is open only: where there may be one session, it is not the shell
        # that will be refused
        if self._alone or not self._shell.is_open():
            self._rsync(command, only)
            return Over()
        process = self.runner.beside(command, transfer.folders_list(only), SYNC_TIMEOUT)
        return Rsync(process, lambda answer: self._check(answer, command, only))

    def fetch(self, file: str, target: Path) -> None:
        command = transfer.fetch_command(f"{self.name}:{file}", target, self._via())
        self._rsync(command, ())

    def _via(self) -> list[str]:
        # -s: the remote's shell never sees the path
        shell = shlex.join(["ssh", "-S", str(self.socket), *_NO_OWN_LOGIN])
        return [*self._sums, "-s", "-e", shell]

    def _rsync(self, command: list[str], only: Sequence[str]) -> None:
        if self._alone:
            self._shell.close()
        answer = self.runner.run(command, transfer.folders_list(only), SYNC_TIMEOUT)
        self._check(answer, command, only)

    def _check(self, answer: Answer, command: list[str], only: Sequence[str]) -> None:
        """RemoteError unless rsync did it all; it is run again if it could not begin."""
        if _ONE_AT_A_TIME in answer.err and not self._alone:
            self._alone = True
            self._rsync(command, only)
            return
        if answer.exit_code != 0:
            self._sums = []  # behind one name there may be several machines
            if not self.connected():
                raise NoConnection(f"the connection to {self.name} is gone", hint=_last(answer.err))
        transfer.check(answer)


def _last(text: str) -> str | None:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return shown(lines[-1]) if lines else None


# what ssh says, what it means, what to do about it; a person is needed for all of them
_WAITING = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key of {name} is not the one that was known; somebody may be listening",
        "ask its administrators, then: ssh-keygen -R HOST, and: ssh {name}",
    ),
    (
        "Host key verification failed",
        "the host key of {name} is not known yet",
        "look at the fingerprint and accept it once by hand: ssh {name}",
    ),
    (
        "Permission denied",
        "{name} does not let us in without a question",
        "make this work without a password: ssh -o BatchMode=yes {name} true; if a code is wanted "
        "each time, begin at a terminal with --initonly (see README)",
    ),
    (
        "Too many authentication failures",
        "{name} does not let us in without a question",
        "offer the right key: IdentityFile and IdentitiesOnly in ~/.ssh/config",
    ),
)


def explain(name: str, err: str) -> NoConnection:
    """One clear line for what ssh said when it could not log in."""
    for sign, what, hint in _WAITING:
        if sign in err:
            return NeedsLogin(what.format(name=name), _last(err), hint.format(name=name))
    if "Could not resolve hostname" in err:
        return NoConnection(f"there is no host called {name}", _last(err), "check --remote")
    return NoConnection(f"cannot reach {name}", _last(err), f"try: ssh {name} true")

"""One step of one folder on one model, and before it all that it rests on and that is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import networkx as nx

from jobauto.clock import Clock
from jobauto.errors import UserError, near
from jobauto.steps import holes
from jobauto.steps.downloads import Wanted, keep
from jobauto.steps.folders import Folder, Todo
from jobauto.steps.held import Held, held
from jobauto.steps.link import Doubt, Link, NotTaken, StepFailed, as_json
from jobauto.steps.service import Done, Service


@dataclass(slots=True)
class Doing:
    """Doing steps of a folder. `say` gets a line for each; `skip` False: what the service holds is
    sent all the same."""

    service: Service
    model: str
    place: Path
    folder: Folder
    link: Link
    clock: Clock
    say: Callable[[str], None]
    skip: bool = True

    def do(self, ident: str) -> None:
        """Do one step; StepFailed if that cannot be, UserError for what a person must mend."""
        todo = self.folder.steps.get(ident)
        if todo is None:
            what = f"there is no step {ident!r} in this folder"
            raise UserError(what, hint=near(ident, self.folder.steps))
        wanted = Wanted(self.place, todo, self.service.steps[todo.step].download)
        if self.skip and wanted.downloads and wanted.there():
            self.say(f"{ident}: its files are there")
            return
        with held(self.service, self.model) as state:
            try:
                self._do(todo, wanted, state)
            except holes.Missing as error:
                raise StepFailed(str(error), ident) from None
            except Doubt as error:
                hint = "look what the service holds; jobauto retry sends it again"
                what = f"nobody knows whether the service did it: {error}"
                raise StepFailed(what, ident, hint) from None

    def _do(self, todo: Todo, wanted: Wanted, state: Held) -> None:
        self._compare(state)
        before = nx.ancestors(self.service.graph, todo.step)
        for name in self.service.order:
            if name in before and not state.holds(name, self.folder.steps[name].key):
                self._renew(self.folder.steps[name], state, None)
        wanted.clear()
        if not self.service.holds(todo.step):
            answer = self._send(todo, wanted)
            self.say(f"{todo.id}: done")
        elif self.skip and self._held(todo, wanted, state):
            self.say(f"{todo.id}: the service holds it already")
            answer = state.answer(todo.step)
        else:
            answer = self._renew(todo, state, wanted)
        self._fetch(todo, wanted, answer)

    def _held(self, todo: Todo, wanted: Wanted, state: Held) -> bool:
        """Whether the service holds it, and no file is to be had only by asking anew."""
        body = self.service.steps[todo.step].body
        return state.holds(todo.step, todo.key) and body not in wanted.downloads

    def _compare(self, state: Held) -> None:
        stamp = self._stamp()
        if state.steps and stamp != state.stamp:
            self.say("the service was restarted, or used by others: it holds nothing of ours")
            state.forget_all(stamp)

    def _renew(self, todo: Todo, state: Held, wanted: Wanted | None) -> Any:
        state.forget(todo.step)
        answer = self._send(todo, wanted)
        kept = answer if self.service.steps[todo.step].download else None
        state.note(todo.step, todo.key, kept, self._stamp())
        self.say(f"{todo.id}: done")
        return answer

    def _send(self, todo: Todo, wanted: Wanted | None) -> Any:
        """Ask for a step until it is done; its answer. `wanted`: where an answer that is a file is
        kept."""
        step = self.service.steps[todo.step]
        url, sent = self.request(todo)
        body = step.body if wanted else None

        def take(response: Any) -> Any:
            if body is None or wanted is None:
                return as_json(response)
            return keep(response, body, self.place / wanted.name(body), None)

        def ask() -> Any:
            try:
                return self.link.ask(step.method, url, take, **sent)
            except Doubt as error:
                if not step.repeatable and self._idle(todo, step.done):
                    raise NotTaken(str(error)) from None
                raise

        answer = None
        try:
            answer = self.link.patiently(ask, step.repeatable)
        except Doubt:
            if not self._runs(todo, step.done):
                raise
        if step.done:
            self._await(todo, step.done, answer)
        return answer

    def request(self, todo: Todo) -> tuple[str, dict[str, Any]]:
        """The address of a step, and what is sent there in the words of httpx."""
        step = self.service.steps[todo.step]
        known = {"model": self.model, "step": todo.id}
        data = {**todo.parameters, **holes.filled(step.fields, known)}
        url = self.link.url(holes.path(step.path, known, None))
        if step.send == "json":
            return url, {"json": data}
        texts = {key: _text(value) for key, value in data.items()}
        return url, {"params" if step.send == "query" else "data": texts}

    def _idle(self, todo: Todo, done: Done | None) -> bool:
        """Whether the service says that it was never asked."""
        return bool(done and done.idle and self._status(todo, done, None) in done.idle)

    def _runs(self, todo: Todo, done: Done | None) -> bool:
        """Whether the service says that it is at work, so must have been asked."""
        if not (done and done.idle):
            return False
        ended = (*done.idle, *done.value, *done.failed)
        return self._status(todo, done, None) not in ended

    def _await(self, todo: Todo, done: Done, answer: Any) -> None:
        end = self.clock.elapsed() + done.timeout
        while (said := self._status(todo, done, answer)) not in done.value:
            if said in done.failed:
                raise StepFailed(f"the service says that it failed: {done.field} is {said!r}")
            if self.clock.elapsed() > end:
                what = f"not done after {done.timeout:g} s: {done.field} is {said!r}"
                raise StepFailed(what, todo.id, "give it more time: done.timeout")
            self.clock.sleep(done.every)

    def _status(self, todo: Todo, done: Done, answer: Any) -> Any:
        return self._get(todo, done.path, answer, partial(_field, done.field))

    def _stamp(self) -> Any:
        stamp = self.service.state
        if stamp is None:
            return None
        url = self.link.url(holes.path(stamp.path, {"model": self.model, "step": ""}, None))
        take = partial(_field, stamp.field)
        return self.link.patiently(lambda: self.link.ask("GET", url, take), True)

    def _fetch(self, todo: Todo, wanted: Wanted, answer: Any) -> None:
        for one in wanted.downloads:
            target = self.place / wanted.name(one)
            if one.path:

                def take(response: Any, one: Any = one, target: Path = target) -> Any:
                    return keep(response, one, target, answer)

                self._get(todo, one.path, answer, take)
            self.say(f"{todo.id}: {target.name}")
        if wanted.downloads:
            wanted.note()

    def _get(self, todo: Todo, path: str, answer: Any, take: Callable[[Any], Any]) -> Any:
        known = {"model": self.model, "step": todo.id}
        url = self.link.url(holes.path(path, known, answer))
        return self.link.patiently(lambda: self.link.ask("GET", url, take), True)


def _field(key: str, response: httpx.Response) -> Any:
    try:
        return holes.look(as_json(response), key)
    except holes.Missing as error:  # a page of a server that starts up, perhaps
        raise Doubt(f"{response.url.path}: {error}") from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

"""`generate` of the menu: questions whose answers become a sweep's file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from jobauto import templates
from jobauto.cli.dialogue import Back, Dialogue, several, whole
from jobauto.cli.draft import SAMPLES, Draft, list_of, number_of, value_of
from jobauto.errors import UserError
from jobauto.sweep.numbers import LARGEST
from jobauto.sweep.planning import Plan
from jobauto.sweep.variables import Variable
from jobauto.sweep.writing import write
from jobauto.templates import Template

MOST, MANY = 10, 3  # variables that vary; from where on a remark is made
HOW = (
    "a list of values",
    "from start to end, in steps",
    "from start to end, so many values",
    "the same, evenly in the logarithm",
    "random",
    "random, evenly spread (Latin hypercube)",
)
LIST, STEP, NUMBER, LOG, RANDOM, LATIN = range(1, 7)
HEADS = ("variable", "value", "unit", "type", "allowed")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,59}")


def generate(dialogue: Dialogue) -> str:
    """Ask for all, and write NAME.toml in the current folder; NAME. Back: nothing was made."""
    asked = _Questions(dialogue)
    at = 0
    while at < len(steps := list(asked.steps())):
        try:
            steps[at]()
            at += 1
        except (Back, UserError) as error:
            if at == 0:
                raise
            if isinstance(error, UserError):
                dialogue.problem(error)
            at -= 1
    return asked.name


class _Questions:
    """What is asked, step by step. An answer only changes which steps follow its own."""

    def __init__(self, dialogue: Dialogue) -> None:
        self.dialogue = dialogue
        self.draft = Draft("", Template("", Path()))
        self.name = ""

    def steps(self) -> Iterator[Callable[[], None]]:
        """The questions in order, as far as the answers up to now tell."""
        draft = self.draft
        yield self.template
        if draft.template.main_file:
            yield self.main_file
        yield self.varied
        for name in draft.varied:
            yield partial(self.how, name)
            yield partial(self.values, name)
        for sample in draft.sampled():
            yield partial(self.sample, sample)
        if draft.of_equal_length():
            yield self.together
        yield self.repeats
        if draft.repeat and draft.countable():
            yield self.repeated
        if draft.constants():
            yield self.constants
        yield self.finish

    def template(self) -> None:
        """Which template: one that comes with jobauto, or a folder."""
        known = [one for one in templates.list_templates() if one.variables]
        self.dialogue.title("template")
        self.dialogue.table(("template", "what it makes"), [(t.name, t.description) for t in known])

        def read(line: str) -> Draft:
            if line.isdecimal():
                line = known[whole(line, 1, len(known)) - 1].name
            return Draft.of(line)

        self.draft = self.dialogue.ask("its number, or a folder of your own", read)

    def main_file(self) -> None:
        """The file that a template with a main_file needs."""
        wanted = self.draft.template.main_file
        self.dialogue.say(
            f"\nEach job gets a {wanted}; @NAME@ of a variable may stand in its name."
        )
        self.draft.main_file = self.dialogue.ask(f"file, such as {wanted}.mine", str)

    def varied(self) -> None:
        """Which variables vary."""
        draft = self.draft
        self.dialogue.title(f"variables of {draft.template.name}")
        names = list(draft.known)
        self._variables(names)
        chosen = self.dialogue.numbers(
            'numbers of those that vary, such as "1 2"; 0: none', len(names), MOST
        )
        if len(chosen) > MANY:
            self.dialogue.say(f"More than {MANY} make very many jobs, and are hard to look at.")
        draft.vary([names[number - 1] for number in chosen])

    def _variables(self, names: Iterable[str]) -> None:
        self.dialogue.table(HEADS, [self.draft.row(name) for name in names])

    def how(self, name: str) -> None:
        """In which way a variable varies."""
        variable = self.draft.known[name]
        self.dialogue.title(_said(variable))
        if variable.help:
            self.dialogue.say(variable.help)
        self.dialogue.choices(HOW)

        def read(line: str) -> int:
            how = whole(line, 1, len(HOW))
            if how in (STEP, NUMBER, LOG) and variable.type in ("text", "bool"):
                raise UserError(f"{name} has no range: it is of type {variable.type}")
            if how in SAMPLES and name in ("sample", "number", "seed"):
                raise UserError(f"a variable called {name} cannot be sampled")
            return how

        self.draft.how[name] = self.dialogue.ask("how it varies", read)

    def values(self, name: str) -> None:
        """The values of a variable, or their range."""
        variable, how = self.draft.known[name], self.draft.how[name]
        log = how == LOG
        if how in SAMPLES and variable.type in ("int", "float"):
            self.dialogue.choices(("one of a list", "from start to end", HOW[LOG - 1]))
            kind = self.dialogue.number("drawn", 1, 3)
            how, log = (LIST if kind == 1 else how), kind == 3
        elif how in SAMPLES:
            how = LIST
        if how == LIST:

            def read(line: str) -> None:
                self.draft.take(name, list_of(variable, line))

            return self.dialogue.ask("values, with commas between", read)
        while True:
            try:
                return self.draft.take(name, self._range(variable, how, log))
            except UserError as error:
                self.dialogue.problem(error)

    def _range(self, variable: Variable, how: int, log: bool) -> dict[str, Any]:
        ask, allowed = self.dialogue.ask, partial(value_of, variable)
        axis: dict[str, Any] = {"start": ask("start", allowed)}
        # steps need not lead to the end
        axis["end"] = ask("end", number_of if how == STEP else allowed)
        if how == STEP:
            axis["step"] = ask("step", number_of)
        elif how in (NUMBER, LOG):
            axis["number"] = self.dialogue.number("how many values", 1, LARGEST)
        return {**axis, "scale": "log"} if log else axis

    def sample(self, sample: str) -> None:
        """How many points of a sample, and its seed."""
        names = ", ".join(self.draft.sampled()[sample])
        self.dialogue.title(f"points of {names}")
        while True:
            number = self.dialogue.number("how many points", 1, LARGEST)
            seed = self.dialogue.number("seed (the same one draws the same points)", 0, 999_999)
            try:
                return self.draft.draw(sample, number, seed)
            except UserError as error:
                self.dialogue.problem(error)

    def together(self) -> None:
        """Which variables vary together instead of in all combinations."""
        draft, names = self.draft, self.draft.of_equal_length()
        self.dialogue.title("together or combined")
        rows = [(name, str(draft.lengths[name])) for name in names]
        self.dialogue.table(("variable", "values"), rows)

        def read(line: str) -> None:
            parts = [] if line == "0" else line.split(";")
            numbers = [several(part, len(names), MOST) for part in parts]
            draft.join([[names[number - 1] for number in group] for group in numbers])

        self.dialogue.say('"1 2": the first goes with the first, ...; "1 2; 3 4": two such groups')
        self.dialogue.ask("numbers of those that vary together; 0: all combinations", read)

    def repeats(self) -> None:
        """How often each point is repeated."""
        self.dialogue.title("repeats")
        self.draft.repeat_each(1)
        self.dialogue.say(f"{self.draft.points()} points")

        def read(line: str) -> None:
            self.draft.repeat_each(whole(line, 1, LARGEST))

        self.dialogue.ask("how many jobs for each; 1: no repeats", read)

    def repeated(self) -> None:
        """The variable that gets another value in each repeat."""
        names = self.draft.countable()
        self.dialogue.title("what counts the repeats")
        self.dialogue.table(HEADS, [self.draft.row(name) for name in names])
        prompt = "its number, such as that of a seed; 0: none"
        number = self.dialogue.number(prompt, 0, len(names))
        if number == 0:
            return self.draft.count_with("", 1)
        name = names[number - 1]

        def read(line: str) -> None:
            self.draft.count_with(name, int(value_of(self.draft.known[name], line)))

        return self.dialogue.ask(f"{name} of the first", read)

    def constants(self) -> None:
        """Other values for variables that do not vary."""
        draft = self.draft
        while True:
            names = draft.constants()
            self.dialogue.title("constants")
            self._variables(names)
            chosen = self.dialogue.numbers("numbers to change; 0: go on", len(names), len(names))
            missing = [name for name in names if draft.value(name) is None]
            if not chosen and not missing:
                return
            if not chosen:
                self.dialogue.problem(UserError(f"{missing[0]} has no value"))
            for number in chosen:
                self._constant(names[number - 1])

    def _constant(self, name: str) -> None:
        variable = self.draft.known[name]
        try:
            self.draft.fixed[name] = self.dialogue.ask(_said(variable), partial(value_of, variable))
        except Back:
            return

    def finish(self) -> None:
        """The name; the file is written and planned."""
        self.dialogue.title("name")
        self.name, made = self.dialogue.ask("name of the batch", self._written)
        self.dialogue.say(f"{self.name}.toml: {len(made.folders)} job folders, {made.jobs} jobs")

    def _written(self, line: str) -> tuple[str, Plan]:
        name = line.removesuffix(".toml")
        if not _NAME.fullmatch(name):
            what = "a name has up to 60 letters, digits and _ . + -, first a letter or digit"
            raise UserError(what)
        try:
            return name, write(self.draft.text(name), Path(f"{name}.toml"))
        except UserError as error:
            said = f"{error}\nnothing was written; b leads back to the answers"
            raise UserError(said) from None


def _said(variable: Variable) -> str:
    return f"{variable.name} ({variable.unit})" if variable.unit else variable.name

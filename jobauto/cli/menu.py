"""`jobauto menu`: the verbs for batches by numbers, for those who prefer that.

It does nothing of its own: each choice becomes a command line, which is shown and then run.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from jobauto.cli.batching import HEADS
from jobauto.cli.dialogue import Back, Dialogue, Lines
from jobauto.cli.generating import generate
from jobauto.errors import DONE, STOPPED, JobautoError, UserError
from jobauto.quoting import word

Run = Callable[[list[str]], int]
Batches = Callable[[], list[tuple[str, ...]]]
FOR_BATCHES = ("submit", "status", "receive", "analyse", "cancel", "delete")
CHOICES = (
    *("generate a batch", "submit a batch", "status of a batch", "receive results"),
    *("analyse results", "cancel a batch", "delete a batch", "web page of all runs, until Ctrl-C"),
)


def menu(lines: Lines, console: Console, run: Run, batches: Batches) -> int:
    """Ask what to do until `0`, an empty line or the end of all lines (0), or Ctrl-C (3).

    `run` does a command line of `jobauto` and prints its errors; `batches` gives rows for `HEADS`.
    """
    dialogue = Dialogue(lines, console)
    try:
        while _one(dialogue, run, batches):
            pass
    except EOFError:
        dialogue.say()
    except KeyboardInterrupt:
        dialogue.say()
        return STOPPED
    return DONE


def nobody() -> UserError:
    """The error without a terminal."""
    verbs = "|".join(("create", "list", *FOR_BATCHES))
    return UserError("the menu needs a terminal", hint=f"jobauto batch {verbs}; jobauto web")


def _one(dialogue: Dialogue, run: Run, batches: Batches) -> bool:
    """One choice of the main menu; whether there may be another one."""
    dialogue.title("jobauto")
    dialogue.choices(CHOICES)
    dialogue.say("  0 quit")
    try:
        number = dialogue.number("your choice", 0, len(CHOICES))
    except Back:
        return False
    try:
        if number:
            _do(dialogue, run, _command(dialogue, number, batches))
    except Back:
        pass
    except JobautoError as error:
        dialogue.problem(error)
    return number != 0


def _command(dialogue: Dialogue, number: int, batches: Batches) -> list[str]:
    """The command line of a choice, after all that it has to ask."""
    if number == 1:
        name = generate(dialogue)
        return ["batch", "create", f"{name}.toml", "-o", name]
    if number == len(CHOICES):
        return ["web"]
    rows = batches()
    if not rows:
        raise UserError("there are no batches yet", hint="1 generates one")
    verb = FOR_BATCHES[number - 2]
    dialogue.title(CHOICES[number - 1])
    dialogue.table(HEADS, rows)
    chosen = dialogue.number("its number; b goes back", 1, len(rows))
    return ["batch", verb, rows[chosen - 1][0]]


def _do(dialogue: Dialogue, run: Run, command: list[str]) -> None:
    dialogue.say(f"\nthe same as: jobauto {' '.join(map(word, command))}")
    run(command)

"""Command lines made from the fields of `Settings`, with errors that name the nearest option."""

from __future__ import annotations

import argparse
import types
from collections.abc import Collection
from typing import Any, Literal, NoReturn, get_args, get_origin

from jobauto.errors import UserError, near
from jobauto.services import scheme
from jobauto.settings import Settings, option


class Parser(argparse.ArgumentParser):
    """argparse that raises UserError and knows near names; options are never abbreviated."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs["allow_abbrev"] = False
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        raise UserError(message, hint=f"see {self.prog} --help")

    def parse(self, argv: list[str]) -> argparse.Namespace:
        """Parse all of `argv`; an unknown option is an error with the nearest known one."""
        found, rest = self.parse_known_args(argv)
        for word in rest:
            name = word.split("=")[0]
            if name.startswith("-"):
                known = [s for s in self._option_string_actions if s.startswith("--")]
                raise UserError(f"unknown option {name}", hint=near(name, known))
            shown = scheme(word) or word  # a URL may hold a secret
            raise UserError(f"unexpected argument {shown!r}", hint=f"see {self.prog} --help")
        return found


def add_settings(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """One option a field of Settings; what is not given stays out of the namespace."""
    for name, field in Settings.model_fields.items():
        if name in without:
            continue
        default = field.get_default(call_default_factory=True) if not field.is_required() else None
        text = field.description or ""
        if default not in (None, False, [], {}):
            text += f" (default {default})"
        parser.add_argument(
            option(name),
            dest=name,
            default=argparse.SUPPRESS,
            help=text.replace("%", "%%"),
            **_kind(field.annotation),
        )


def add_pairs(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    """An option that takes `k=v` words; what is not given stays out of the namespace."""
    parser.add_argument(name, default=argparse.SUPPRESS, help=text, **_kind(dict[str, str]))


def _kind(annotation: Any) -> dict[str, Any]:
    if isinstance(annotation, types.UnionType):
        annotation = next(a for a in get_args(annotation) if a is not types.NoneType)
    if annotation is bool:
        return {"action": "store_true"}
    origin = get_origin(annotation)
    if origin is Literal:
        return {"choices": get_args(annotation)}
    if origin is list:
        return {"nargs": "+", "action": "extend", "metavar": "TEXT"}
    if origin is dict:
        return {"nargs": "+", "action": _Pairs, "metavar": "K=V"}
    return {"metavar": getattr(annotation, "__name__", "text").upper()}


class _Pairs(argparse.Action):
    """Collects `k=v` words into a dict, over repeated options."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        pairs = dict(getattr(namespace, self.dest, {}))
        for text in values:
            key, equals, value = text.partition("=")
            if not equals or not key:
                raise UserError(f"{option_string}: {text!r} is not of the form key=value")
            pairs[key] = value
        setattr(namespace, self.dest, pairs)

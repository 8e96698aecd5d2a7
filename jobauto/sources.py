"""Where options come from, and what is wrong with one, with its place.

The first that names an option wins: command line; what the run was started with (on restart);
`JOBMON_*`; `LDIR/jobmon.toml`; `jobmon.toml` in the person's config folder; the default. Only the
keys of `set` and `tokens` are put together from all of them.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_config_path
from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
    TomlConfigSettingsSource,
)

from jobauto.errors import UserError, near
from jobauto.quoting import shown
from jobauto.settings import FILE, PREFIX, SECRET, Settings, option


def load(
    given: dict[str, Any],
    ldir: Path | None,
    remembered: dict[str, Any],
    otherwise: dict[str, Any] | None = None,
) -> Settings:
    """Put the sources together. `given`: the command line; `remembered`: of the run, or empty;
    `otherwise`: over the defaults of the fields.

    Raises UserError for unknown names (file and line, nearest known name) and bad values.
    """
    files = [user_config_path("jobauto") / FILE] + ([ldir / FILE] if ldir else [])
    for file in files:
        _check_file(file)
    _check_environment()

    class Loaded(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            tomls = [TomlConfigSettingsSource(cls, f) for f in reversed(files) if f.is_file()]
            last = InitSettingsSource(cls, otherwise or {})
            return (init_settings, InitSettingsSource(cls, remembered), env_settings, *tomls, last)

    try:
        loaded = Loaded(**given)
    except ValidationError as error:
        raise _explained(error, given, files) from None
    except SettingsError as error:  # a variable whose field is a list or a dict
        name = re.findall(r'field "(\w+)"', str(error))[0]
        hint = """write it as JSON, such as '["*.png"]' or '{"k": "v"}'"""
        raise UserError(f"{option(name)}: not JSON", PREFIX + name.upper(), hint) from None
    chosen = Settings.model_construct(**{k: getattr(loaded, k) for k in Settings.model_fields})
    if not remembered:  # a run stays where it is
        chosen.remote = _remote(chosen, "remote" in loaded.model_fields_set)
    return chosen


def _remote(chosen: Settings, given: bool) -> str:
    remote = chosen.remote if given or not chosen.hostname else chosen.hostname
    named = "@" in remote or remote == "local" or not chosen.username
    return remote if named else f"{chosen.username}@{remote}"


def project_folder(given: dict[str, Any]) -> Path:
    """--ldir, JOBMON_LDIR, or `ldir` of the person's own file, whichever comes first."""
    value = given.get("ldir") or os.environ.get(PREFIX + "LDIR")
    file = user_config_path("jobauto") / FILE
    if value is None and file.is_file():
        value = _read(file).get("ldir")
        if not isinstance(value, str | None):
            raise UserError(f"--ldir: not a text (it was {value!r})", _where(file, "ldir"))
    if value is None:
        raise UserError("--ldir is missing", hint="name the project's folder: --ldir DIR")
    return Path(value).expanduser()


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (ValueError, RecursionError) as error:  # tomllib's own, and numbers of 5000 digits
        line = re.search(r"line (\d+)", str(error))
        where = f"{file}:{line[1]}" if line else str(file)
        raise UserError(f"not valid TOML: {error}", where, "correct or remove the line") from None


def _check_file(file: Path) -> None:
    if not file.is_file():
        return
    for key in _read(file):
        if key not in Settings.model_fields:
            raise UserError(
                f"unknown option {key!r}", _where(file, key), near(key, Settings.model_fields)
            )


def settle(ldir: Path, wanted: Mapping[str, str | int]) -> str:
    """Write options to LDIR/jobmon.toml; if there is one that lacks them, what is to be added."""
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in wanted.items())
    file = ldir / FILE
    if not wanted or wanted.items() <= _there(file).items():
        return ""
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        return f"{shown(str(file))} is there and was left as it is; add to it:\n{text}"
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", shown(str(file)), text) from None
    return ""


def _there(file: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or a person's mistake, which jobmon.py will name
        return {}


def _where(file: Path, key: str) -> str:
    lines = file.read_text().splitlines()
    found = (
        n for n, line in enumerate(lines, 1) if re.match(rf"\s*\[?\"?{re.escape(key)}\b", line)
    )
    return f"{file}:{next(found, 1)}"


def _check_environment() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known:
            raise UserError(f"unknown variable {name}", "environment", near(name, known))


def refused(error: ValidationError) -> tuple[str, str]:
    """The field of the first value that is wrong, and what is wrong with it."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    was = "" if name in SECRET | {"db"} else f" (it was {first['input']!r})"
    return name, f"{option(name)}: {first['msg']}{was}"


def _explained(error: ValidationError, given: dict[str, Any], files: list[Path]) -> UserError:
    name, what = refused(error)
    return UserError(what, next(_origins(name, given, files), None))


def _origins(name: str, given: dict[str, Any], files: list[Path]) -> Iterator[str]:
    if name in given:
        yield "command line"
    if PREFIX + name.upper() in os.environ:
        yield PREFIX + name.upper()
    for file in reversed(files):
        if file.is_file() and name in _read(file):
            yield _where(file, name)

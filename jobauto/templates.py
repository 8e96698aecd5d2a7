"""`jobauto init`: an init tree made from a template folder (rules: init_templates/README.md).

What `jobauto sweep` needs of it, too: `find`, `building`, `build`, `scripts`, `words`, `place`.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from jobauto.errors import UserError, near
from jobauto.quoting import decoded, shown

Texts = Mapping[str, str]
Change = Callable[[Path, str, Texts], str]
FILE = "template.toml"
_FIELDS = {
    **{"description": str, "main_file": str, "set": dict, "help": dict},
    **{"variables": dict, "shared": list, "outputs": list, "verb": str},
}
_IGNORED = (".git", ".DS_Store", "__pycache__")
WORD = re.compile(r"@(n-1|[A-Za-z_]\w*)@")


@dataclass(frozen=True, slots=True)
class Template:
    """A folder, and what its template.toml says; `settable` are whole numbers above 0.

    For sweeps: `variables` as they were declared, and the names of `shared` folders. For batches:
    patterns of the `outputs` to bring home. `verb`: the one of jobauto that alone can use it.
    """

    name: str
    folder: Path
    description: str = ""
    main_file: str = ""
    settable: Mapping[str, int] = field(default_factory=dict)
    help: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    verb: str = ""

    def entries(self) -> list[Path]:
        """What is copied: all in its folder but template.toml."""
        return _kept(entry for entry in self.folder.iterdir() if entry.name != FILE)


@dataclass(frozen=True, slots=True)
class Instantiated:
    """What was made: the init folder, the new folders in it, and how many jobs they hold."""

    init: Path
    folders: tuple[Path, ...]
    jobs: int


def list_templates() -> list[Template]:
    """The templates that come with jobauto, by name."""
    here, pattern = Path(__file__).resolve().parent, f"init_templates/*/{FILE}"
    files = sorted(here.glob(pattern)) or sorted(here.parent.glob(pattern))  # packaged, checkout
    return [_load(file.parent) for file in files]


def find(template: str | Path) -> Template:
    """A template by its name, or any folder; UserError when there is neither."""
    known = {t.name: t for t in list_templates()}
    if isinstance(template, str) and template in known:
        return known[template]
    folder = Path(os.path.expanduser(template))
    if folder.is_dir():
        return _load(folder)
    what = f"there is no template {str(template)!r}; there are: {', '.join(known)}"
    raise UserError(what, hint=near(str(template), known) + " (or name a folder of your own)")


def for_all(template: Template) -> None:
    """UserError for a template that only one verb can fill."""
    if template.verb:
        what = f"template {template.name} is for jobauto {template.verb}"
        raise UserError(what, str(template.folder), f"see: jobauto {template.verb} --help")


def instantiate(
    template: str | Path, ldir: Path, each: list[Path] | None, values: dict[str, str]
) -> Instantiated:
    """Make `ldir`/init, or add to it; `each` holds files or patterns. All, or a UserError."""
    found = find(template)
    if found.variables or found.shared:
        hint = "write a file for it: jobauto sweep SPEC.toml"
        raise UserError(f"template {found.name} is for sweeps", str(found.folder), hint)
    for_all(found)
    numbers, files = _numbers(found, values), _main_files(found, each)
    with building(found, ldir) as built:
        jobs = _build_all(found, files, built, numbers)
        return Instantiated(ldir / "init", place(built, ldir / "init"), jobs)


@contextmanager
def building(template: Template, ldir: Path) -> Iterator[Path]:
    """A new folder in `ldir` to build a tree in, gone at the end of the block.

    UserError if `ldir` is inside the template, or for an OSError of the block.
    """
    if ldir.resolve().is_relative_to(template.folder.resolve()):
        raise UserError(f"{ldir} is inside the template", hint="choose another --ldir")
    try:
        ldir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".init-", dir=ldir) as temporary:
            yield Path(temporary)
    except OSError as error:
        what = f"the init tree cannot be made: {error.strerror or error}"
        raise UserError(what, str(error.filename or ldir)) from error


def folder_name(file: Path, main_file: str) -> str:
    """The folder for a file: POSCAR.mp-149 gets mp-149, Si/POSCAR gets Si, Si.vasp gets Si."""
    name = file.name.removeprefix(main_file + ".")
    if file.name == main_file:
        name = Path(os.path.abspath(file)).parent.name
    elif name == file.name:
        name = file.stem
    if not name or name[0] in "-." or not name.isprintable():
        what = f"{name!r} cannot name a folder: it is empty, begins with - or ., or has odd signs"
        raise UserError(what, ascii(str(file)), "rename the file")
    return name


def _load(folder: Path) -> Template:
    file = folder / FILE
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        data = tomllib.loads(text, parse_float=Decimal)
    except (OSError, ValueError, ArithmeticError) as error:
        raise UserError(f"cannot be read: {error}", str(file)) from error
    for key, value in data.items():
        if not isinstance(value, _FIELDS.get(key, ())):
            raise UserError(f"{key!r}: unknown, or of a wrong kind", str(file), near(key, _FIELDS))
    settable, helps = data.pop("set", {}), data.pop("help", {})
    for key, value in settable.items():
        if key == "n" or not WORD.fullmatch(f"@{key}@") or type(value) is not int or value < 1:
            raise UserError(f"{key} = {value!r}: [set] is for numbers above 0, not n", str(file))
    for key in ("shared", "outputs"):
        data[key] = tuple(data.get(key, ()))
    return Template(folder.absolute().name, folder, settable=settable, help=helps, **data)


def _numbers(template: Template, values: Mapping[str, str]) -> dict[str, str]:
    numbers = {key: str(default) for key, default in template.settable.items()}
    for key, value in values.items():
        if key not in numbers:
            what = f"template {template.name} has no {key!r} to set"
            raise UserError(what, "--set", near(key, numbers) if numbers else "leave it out")
        if not re.fullmatch("[1-9][0-9]{0,5}", value):
            what = f"{key} must be a whole number from 1 to 999999, not {value!r}"
            raise UserError(what, "--set", f"for example: --set {key}={numbers[key]}")
        numbers[key] = value
    return numbers


def _main_files(template: Template, each: list[Path] | None) -> dict[str, Path]:
    main, folders = template.main_file, dict[str, Path]()
    if main and not each:
        hint = f"name the files: --each 'some/folder/{main}.*'"
        raise UserError(f"template {template.name} makes a folder for each {main}", hint=hint)
    if each and not main:
        what = f"template {template.name} is copied as it is: it takes no files"
        raise UserError(what, "--each", f"leave it out, or write main_file into its {FILE}")
    for pattern in each or []:
        path = os.path.expanduser(pattern)
        names = [path] if os.path.lexists(path) else sorted(glob.glob(path))
        files = [Path(name) for name in names if os.path.isfile(name)]
        if not files:
            raise UserError(f"no file matches {str(pattern)!r}", "--each", "look: ls PATTERN")
        for file in files:
            other = folders.setdefault(folder_name(file, main), file)
            if os.path.abspath(other) != os.path.abspath(file):
                raise UserError(f"{other} and {file} get the same folder", "--each", "rename one")
    return folders


def _build_all(template: Template, files: Mapping[str, Path], built: Path, numbers: Texts) -> int:
    top = template.entries()
    for name in files or [""]:
        (built / name).mkdir(exist_ok=True)
        build(top, built / name, numbers)
        if name:
            shutil.copyfile(files[name], built / name / template.main_file)
    jobs = [p for p in built.rglob("qsub.*") if p.is_file() and is_script(p.name)]
    if not jobs or any(job.parent == built for job in jobs):
        what = "a template needs folders with scripts qsub.<id> in them"
        raise UserError(what, str(template.folder), f"or main_file in its {FILE}, and --each")
    return len(jobs)


def is_script(name: str) -> bool:
    """Whether a file of this name is a job's script."""
    return name.startswith("qsub.") and name.count(".") == 1 and name[-1] != "~"


def build(
    entries: Iterable[Path], target: Path, texts: Texts, change: Change = lambda _, text, __: text
) -> None:
    """Copy entries of a template into `target` with all `@key@` replaced, in names and in texts.

    `change` gets each file of the template, its text with the values in it, and these; and gives
    the text to be written. OSError, and UserError for a name that a value makes unfit.
    """
    for entry in _kept(entries):
        for bound in _repeated(entry, texts):
            made = target / _made_name(entry, bound)
            if entry.is_dir():
                made.mkdir()
                build(entry.iterdir(), made, bound, change)
                continue
            text = decoded(entry.read_bytes())
            with made.open("x", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text if "\0" in text else change(entry, filled(text, bound), bound))
            shutil.copymode(entry, made)


def scripts(entries: Iterable[Path], texts: Texts) -> int:
    """How many job scripts `build` would make."""
    number = 0
    for entry in _kept(entries):
        for bound in _repeated(entry, texts):
            if entry.is_dir():
                number += scripts(entry.iterdir(), bound)
            else:
                number += is_script(filled(entry.name, bound))
    return number


def words(entry: Path) -> set[str]:
    """All `word` for which `@word@` stands in the name of this entry, in its text or below it."""
    found = set(WORD.findall(entry.name))
    if entry.is_dir():
        return found.union(*(words(below) for below in _kept(entry.iterdir())))
    text = decoded(entry.read_bytes())
    return found if "\0" in text else found.union(WORD.findall(text))


def filled(text: str, texts: Texts) -> str:
    """`text` with each `@key@` of `texts` replaced; any other `@word@` stays."""
    return WORD.sub(lambda found: texts.get(found[1], found[0]), text)


def _kept(entries: Iterable[Path]) -> list[Path]:
    return sorted(e for e in entries if e.name not in _IGNORED and e.name[-1] != "~")


def _made_name(entry: Path, texts: Texts) -> str:
    name = filled(entry.name, texts)
    if "/" in name or name in ("", ".", "..") or not name.isprintable():
        what = f"a value makes {shown(repr(name))} of this name, which cannot name a file"
        raise UserError(what, str(entry), "use this value in a file, not in a name")
    return name


def _repeated(entry: Path, texts: Texts) -> list[Texts]:
    if "n" in texts or not re.search("@n(-1)?@", entry.name):
        return [texts]
    if "iterations" not in texts:
        raise UserError(f"@n@ needs iterations under [set] in {FILE}", str(entry))
    rounds = range(1, int(texts["iterations"]) + 1)
    return [{**texts, "n": str(n), "n-1": str(n - 1)} for n in rounds]


def place(built: Path, init: Path) -> tuple[Path, ...]:
    """Move all that is in `built` into `init`, or nothing; the folders that are new there.

    UserError if anything of these names is there already.
    """
    names = sorted(entry.name for entry in built.iterdir())
    taken = [name for name in names if os.path.lexists(init / name)]
    if taken:
        what = f"there already: {', '.join(taken[:3])}" + " ..." * (len(taken) > 3)
        raise UserError(what, str(init), "nothing was changed; move these away, or change --ldir")
    init.mkdir(exist_ok=True)
    with ExitStack() as undo:
        for name in names:
            undo.callback((built / name).rename(init / name).rename, built / name)
        undo.pop_all()
    return tuple(init / name for name in names if (init / name).is_dir())

"""`jobauto db`: the tables of shared tasks, and who may come in."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from jobauto.claims import Database, accounts, pgpass, tables
from jobauto.claims.accounts import Account
from jobauto.cli import opening, show
from jobauto.errors import DONE, UserError
from jobauto.ledger import files

_EXAMPLES = """\
examples:
  jobauto db init --db postgresql://ann@db.example/tasks        once, by the owner of the database
  jobauto db adduser bob --db postgresql://ann@db.example/tasks >bob.pgpass
  jobauto db passwd --db postgresql://bob@db.example/tasks      bob's own, of his choice
"""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """The verbs of `db`, and their arguments."""
    verb.epilog = _EXAMPLES
    verb.formatter_class = argparse.RawDescriptionHelpFormatter
    verb.set_defaults(help=verb.format_help)
    verbs = verb.add_subparsers(dest="db_verb", metavar="VERB")
    init = verbs.add_parser("init", help="make the tables, or bring them up to date")
    text = "let a person in; prints their line for ~/.pgpass, once"
    adduser = verbs.add_parser("adduser", help=text)
    passwd = verbs.add_parser("passwd", help="change your password, or give another a new one")
    revoke = verbs.add_parser("revoke", help="let a person in no more; what they did stays")
    for one in (adduser, revoke):
        one.add_argument("name", metavar="NAME", help="of the person")
    passwd.add_argument("name", nargs="?", metavar="NAME", help="a person (default: yourself)")
    passwd.add_argument("--random", action="store_true", help="do not ask, make one up")
    for one in (init, adduser, passwd, revoke):
        opening.add_option(one)


def db(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto db VERB`; without a verb, its help."""
    if arguments.db_verb is None:
        print(arguments.help(), end="")
        return DONE
    database = opening.database(arguments)
    try:
        _VERBS[arguments.db_verb](arguments, database, console)
    finally:
        database.close()
    return DONE


def init(_arguments: argparse.Namespace, database: Database, console: Console) -> None:
    """`db init`."""
    found, ours = database.upgrade(), str(tables.VERSION)
    done = "made" if found is None else "ready" if found == ours else f"upgraded from {found}"
    console.print(escape(f"{database}: tables {done}, version {ours}"))
    accounts.renew_rights(database)
    people = accounts.people(database)
    if people:
        console.print(escape(f"people: {', '.join(people)}"))
    elif database.dialect == "postgresql":
        console.print("let people in with: jobauto db adduser NAME")


def adduser(arguments: argparse.Namespace, database: Database, _console: Console) -> None:
    """`db adduser NAME`."""
    _hand_over(accounts.add(database, arguments.name))


def passwd(arguments: argparse.Namespace, database: Database, console: Console) -> None:
    """`db passwd [NAME]`: another's is random, one's own is asked for."""
    if arguments.name not in (None, database.person):
        _hand_over(accounts.reset(database, arguments.name))
        return
    password = accounts.new_password() if arguments.random else _asked()
    account, used = accounts.change(database, password)
    file = _password_file(database)
    if _put(file, account, used):
        console.print(escape(f"{account.person}: the password is changed, in {file}, too"))
    elif arguments.random:
        _print_line(account)
    else:
        console.print(escape(f"{account.person}: the password is changed; {file} is as it was"))
    if os.environ.get("PGPASSWORD") == used:
        print("PGPASSWORD in your environment is the old one", file=sys.stderr)


def revoke(arguments: argparse.Namespace, database: Database, console: Console) -> None:
    """`db revoke NAME`."""
    done = accounts.revoke(database, arguments.name)
    name = arguments.name
    console.print(escape(f"{name}: revoked; {done.sessions} session(s) ended, all rows stay"))
    if done.claims:
        text = f"{name} still has {done.claims} job(s); free them with:"
        console.print(escape(f"{text} jobauto task release TASK --person {name}"))


def _asked() -> str:
    """A new password, typed twice."""
    if not show.person_there():
        raise UserError("a password is asked for at a terminal", hint="or made up by: --random")
    password = getpass.getpass("new password: ")
    if getpass.getpass("again: ") != password:
        raise UserError("these were not the same; nothing is changed")
    return password


def _hand_over(account: Account) -> None:
    """Print the line, and to whoever reads it what to do with it."""
    _print_line(account)
    url = f"postgresql://{account.person}@{account.host}:{account.port}/{account.database}"
    advice = (
        f"this line belongs into ~/.pgpass of {account.person} (chmod 600); it is shown only now\n"
        f"then {account.person} makes it a password of their own: jobauto db passwd --db {url}"
    )
    print(advice, file=sys.stderr)


def _print_line(account: Account) -> None:
    print(pgpass.line(account), flush=True)


def _password_file(database: Database) -> Path:
    """Where libpq looks."""
    named = database.url.query.get("passfile") or os.environ.get("PGPASSFILE")
    return Path(str(named)) if named else Path.home() / ".pgpass"


def _put(file: Path, account: Account, used: str) -> bool:
    """Put the password where the one stood that was used; whether it stood there."""
    try:
        text = pgpass.replaced(files.read(file), account, used)
        if text is not None:
            files.replace(file.resolve(), text, mode=0o600)
        return text is not None
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            print(f"{file}: {error.strerror}", file=sys.stderr)
        return False


_VERBS = {"init": init, "adduser": adduser, "passwd": passwd, "revoke": revoke}

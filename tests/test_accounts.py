"""`jobauto db adduser`, `passwd` and `revoke`: who comes in, and where passwords are not."""

from __future__ import annotations

import os
import pty
import select
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import databases
import psutil
import psycopg
import pytest
from places import LAB, ROOT
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from tasks import ANN, TAG, names
from trees import job, make

from jobauto.claims import Database, Holder, Task, accounts, pgpass
from jobauto.claims.accounts import Account
from jobauto.cli.main import main
from jobauto.errors import DatabaseRefused, UserError

BOB = f"bob_{TAG}"


@dataclass
class Owner:
    """Who made a database, and what they type."""

    url: URL
    home: Path

    def plain(self, person: str | None = None) -> str:
        """The URL without a password."""
        url = self.url._replace(password=None, drivername="postgresql")
        named = url.set(username=person) if person else url
        return named.render_as_string(hide_password=False)

    def environment(self, password: str = "") -> dict[str, str]:
        """Of a process: a home of its own, and the password if it is not in ~/.pgpass."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "JOBMON_"))}
        given = {"PGPASSWORD": password} if password else {}
        return {**kept, **given, "HOME": str(self.home), "COLUMNS": "200"}

    def type(
        self, *words: str, person: str | None = None, password: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """`jobauto db`, as the owner or as a person with ~/.pgpass or a password."""
        own = "" if person else str(self.url.password)
        return subprocess.run(
            [sys.executable, "-m", "jobauto", "db", *words, "--db", self.plain(person)],
            env=self.environment(password or own),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def enters(self, person: str, password: str) -> bool:
        """Whether this password lets them in."""
        database = Database(
            self.url.set(username=person, password=password).render_as_string(hide_password=False)
        )
        try:
            database.prepare()
        except DatabaseRefused:
            return False
        finally:
            database.close()
        return True


@pytest.fixture
def owner(postgresql: str, tmp_path: Path) -> Owner:
    database = Database(postgresql)
    database.upgrade()
    database.close()
    return Owner(make_url(postgresql), tmp_path)


@pytest.fixture
def database(owner: Owner) -> Iterator[Database]:
    made = Database(owner.url.render_as_string(hide_password=False))
    yield made
    made.close()


def test_a_person_is_let_in_with_the_printed_line(owner: Owner) -> None:
    done = owner.type("adduser", BOB)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    *place, password = line.split(":")
    assert place == ["127.0.0.1", str(owner.url.port), owner.url.database, BOB]
    assert len(password) >= 24
    assert password.isalnum()
    assert password not in done.stderr
    assert "chmod 600" in done.stderr
    assert f"jobauto db passwd --db {owner.plain(BOB)}" in done.stderr
    (owner.home / ".pgpass").write_text(done.stdout)
    (owner.home / ".pgpass").chmod(0o600)
    assert owner.type("init", person=BOB).stdout.endswith(f"people: {BOB}\n")


def test_passwords_differ(database: Database) -> None:
    found = {accounts.add(database, f"{BOB}{n}").password for n in range(3)}
    assert len(found | {accounts.reset(database, f"{BOB}0").password}) == 4


def test_a_person_is_a_role_without_any_other_right(database: Database) -> None:
    accounts.add(database, BOB)
    which = text(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication, rolcanlogin "
        "FROM pg_roles WHERE rolname = :name"
    )
    with database.transaction() as connection:
        assert tuple(connection.execute(which, {"name": BOB}).one()) == (*[False] * 5, True)
        group = {"name": f"jobauto_{database.url.database}"}
        assert not connection.execute(which, group).one().rolcanlogin


@pytest.mark.parametrize(
    "name", ["", "a b", "1a", "pg_x", "public", "none", "a;b", 'a"b', "a:b", "-x", "é", "a" * 64]
)
def test_bad_names_are_refused(database: Database, name: str) -> None:
    for verb in (accounts.add, accounts.reset, accounts.revoke):
        with pytest.raises(UserError, match="no name for a person"):
            verb(database, name)
    assert accounts.people(database) == []


@pytest.mark.parametrize("name", [f"o.d-d_{TAG}", f"_Odd_{TAG}", f"{'a' * 50}_{TAG}"])
def test_odd_names_are_good(owner: Owner, database: Database, name: str) -> None:
    assert owner.enters(name, accounts.add(database, name).password)
    accounts.revoke(database, name)


def test_roles_of_others_are_not_touched(owner: Owner, database: Database) -> None:
    with databases.fresh() as url:
        other = Database(url)
        other.upgrade()
        stranger = accounts.add(other, f"eve_{TAG}")
        for name in (stranger.person, str(other.url.username), "postgres"):
            with pytest.raises(UserError, match="not of this database"):
                accounts.add(database, name)
            for verb in (accounts.reset, accounts.revoke):
                with pytest.raises(UserError, match="no person of this database"):
                    verb(database, name)
        there = make_url(url).set(username=stranger.person, password=stranger.password)
        assert Owner(there, owner.home).enters(stranger.person, stranger.password)
        other.close()


def test_a_person_is_not_added_twice(owner: Owner, database: Database) -> None:
    password = accounts.add(database, BOB).password
    done = owner.type("adduser", BOB)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"jobauto db passwd {BOB}" in done.stderr
    assert owner.enters(BOB, password)


def test_only_who_may_make_roles_changes_accounts(owner: Owner, database: Database) -> None:
    accounts.add(database, BOB)
    role = sql.Identifier(str(owner.url.username))
    databases.as_superuser(sql.SQL("ALTER ROLE {} NOCREATEROLE").format(role))
    for words in (("adduser", f"{BOB}x"), ("passwd", BOB), ("revoke", BOB)):
        done = owner.type(*words)
        assert done.returncode == 4
        assert "you may not make or change accounts\n  -> " in done.stderr
        assert "CREATEROLE" in done.stderr


def test_a_member_changes_nobodys_account(owner: Owner, database: Database) -> None:
    password = accounts.add(database, BOB).password
    accounts.add(database, ANN.person)
    for words in (("adduser", f"{BOB}x"), ("passwd", ANN.person), ("revoke", ANN.person)):
        done = owner.type(*words, person=BOB, password=password)
        assert done.returncode == 4
        assert "you may not make or change accounts" in done.stderr
    assert accounts.people(database) == sorted([ANN.person, BOB])


def test_who_is_revoked_is_out_at_once(owner: Owner, database: Database) -> None:
    password = accounts.add(database, BOB).password
    url = owner.url.set(username=BOB, password=password).render_as_string(hide_password=False)
    there = Database(url)
    mine = Task(there, "T", Holder(BOB, "here", "run"))
    mine.register([(name, "") for name in names(3)])
    held = mine.take(2)
    mine.submitting(held[:1])
    there.close()
    with psycopg.connect(url.replace("+psycopg", "")) as session:
        done = owner.type("revoke", BOB)
        assert done.returncode == 0, done.stderr
        assert "revoked; 1 session(s) ended" in done.stdout
        assert f"{BOB} still has 2 job(s)" in done.stdout
        with pytest.raises(psycopg.errors.AdminShutdown):
            session.execute("SELECT 1")
    assert not owner.enters(BOB, password)
    with database.transaction() as connection:
        kept = connection.scalars(text("SELECT person FROM job ORDER BY id")).all()
        joined = text(
            "SELECT count(*) FROM pg_auth_members JOIN pg_roles r ON r.oid = member "
            "WHERE r.rolname IN (:bob, current_user)"
        )
        assert connection.scalar(joined, {"bob": BOB}) == 0
        login = text("SELECT rolcanlogin FROM pg_roles WHERE rolname = :bob")
        assert connection.scalar(login, {"bob": BOB}) is False
    assert kept == [BOB, BOB, ""]
    assert accounts.people(database) == []
    with pytest.raises(UserError, match="its people: nobody"):
        accounts.reset(database, BOB)


def test_who_was_revoked_may_come_back(owner: Owner, database: Database) -> None:
    old = accounts.add(database, BOB).password
    accounts.revoke(database, BOB)
    new = accounts.add(database, BOB).password
    assert [owner.enters(BOB, password) for password in (old, new)] == [False, True]


def test_nobody_revokes_themselves(owner: Owner) -> None:
    done = owner.type("revoke", str(owner.url.username))
    assert (done.returncode, done.stdout) == (2, "")
    assert "nobody can revoke themselves" in done.stderr
    assert owner.enters(str(owner.url.username), str(owner.url.password))


def test_the_owner_gives_a_new_password(owner: Owner, database: Database) -> None:
    old = accounts.add(database, BOB).password
    done = owner.type("passwd", BOB)
    new = done.stdout.strip().split(":")[-1]
    assert [owner.enters(BOB, password) for password in (old, new)] == [False, True]


def test_an_own_password_needs_a_terminal(owner: Owner, database: Database) -> None:
    password = accounts.add(database, BOB).password
    done = owner.type("passwd", person=BOB, password=password)
    assert done.returncode == 2
    assert "--random" in done.stderr
    done = owner.type("passwd", "--random", person=BOB, password=password)
    new = done.stdout.strip().split(":")[-1]
    assert "PGPASSWORD in your environment is the old one" in done.stderr
    assert [owner.enters(BOB, one) for one in (password, new)] == [False, True]


def typed(owner: Owner, *answers: str) -> tuple[int, str]:
    """`jobauto db passwd` of bob at a terminal; the exit code, and all that stood there."""
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover
        words = ["-m", "jobauto", "db", "passwd", "--db", owner.plain(BOB)]
        os.chdir(ROOT)
        os.execve(sys.executable, [sys.executable, *words], owner.environment())
    said = b""
    left = list(answers)
    while True:
        assert select.select([terminal], [], [], 60)[0], said
        try:
            some = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not some:
            break
        said += some
        if left and said.endswith((b"new password: ", b"again: ")):
            os.write(terminal, left.pop(0).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


def test_a_person_chooses_a_password_and_the_file_has_it(owner: Owner, database: Database) -> None:
    account = accounts.add(database, BOB)
    file = owner.home / ".pgpass"
    others = "# mine\nother:5432:*:ann:x\\:y\n"
    file.write_text(f"{others}{pgpass.line(account)}\n*:*:*:eve:z\n")
    file.chmod(0o600)
    code, said = typed(owner, "correct: horse\\", "correct: horse\\")
    assert code == 0, said
    assert "horse" not in said
    assert f"{BOB}: the password is changed, in {file}, too" in said
    line = pgpass.line(account).removesuffix(account.password) + "correct\\: horse\\\\"
    assert file.read_text() == f"{others}{line}\n*:*:*:eve:z\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert owner.enters(BOB, "correct: horse\\")
    assert owner.type("init", person=BOB).returncode == 0  # libpq reads it as we wrote it


@pytest.mark.parametrize(
    ("answers", "why"),
    [(("long enough", "long enoush"), "not the same"), (("short", "short"), "at least 10")],
)
def test_a_password_that_will_not_do(
    owner: Owner, database: Database, answers: tuple[str, str], why: str
) -> None:
    account = accounts.add(database, BOB)
    file = owner.home / ".pgpass"
    file.write_text(pgpass.line(account))
    file.chmod(0o600)
    code, said = typed(owner, *answers)
    assert code == 2
    assert why in said
    assert owner.enters(BOB, account.password)
    assert file.read_text() == pgpass.line(account)


BOBS = Account("h", 5432, "d", "bob", "new:\\")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("h:5432:d:bob:old", "h:5432:d:bob:new\\:\\\\"),
        ("*:*:*:bob:old\r\nx", "*:*:*:bob:new\\:\\\\\r\nx"),
        ("#h:5432:d:bob:old\nh:5432:d:ann:old\nh:5432:*:bob:old\n", ...),
        ("h:5432:d:bob:other\nh:5432:d:bob:old\n", None),
        ("h:5433:d:bob:old\n", None),
        ("h:5432:d:bob\n", None),
        ("", None),
    ],
)
def test_the_line_that_gave_the_old_password_is_replaced(before: str, after: object) -> None:
    if after is ...:
        after = "#h:5432:d:bob:old\nh:5432:d:ann:old\nh:5432:*:bob:new\\:\\\\\n"
    assert pgpass.replaced(before, BOBS, "old") == after


def test_a_line_reads_as_it_was_written() -> None:
    odd = Account("fe80::1", 1, "a:b\\", "bob", "x")
    text = pgpass.line(odd) + "\n"
    assert text == "fe80\\:\\:1:1:a\\:b\\\\:bob:x\n"
    assert pgpass.replaced(text, odd, "x") == text


def test_a_file_that_cannot_be_written_is_told(
    owner: Owner,
    database: Database,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = accounts.add(database, BOB)
    file = owner.home / "pgpass"
    file.write_text(pgpass.line(account))
    file.chmod(0o600)
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(file))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jobauto.ledger.files.replace", full)
    assert main(["db", "passwd", "--random", "--db", owner.plain(BOB)]) == 0
    said = capsys.readouterr()
    assert f"{file}: No space left on device" in said.err
    assert owner.enters(BOB, said.out.strip().split(":")[-1])  # so it is not lost


def test_on_sqlite_there_are_no_accounts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/new/tasks.db"
    assert main(["db", "init", "--db", url]) == 0
    assert capsys.readouterr().out == f"{url}: tables made, version 2\n"
    for words in (["adduser", "bob"], ["passwd", "bob"], ["passwd", "--random"], ["revoke", "bob"]):
        assert main(["db", *words, "--db", url]) == 2
        assert "accounts need PostgreSQL" in capsys.readouterr().err


def test_without_a_verb_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db"]) == 0
    assert "adduser" in capsys.readouterr().out


class Watcher:
    """Every command line that was seen on this machine while it watched."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._end.is_set():
            for process in psutil.process_iter(["cmdline"]):
                self.seen.add("\0".join(process.info["cmdline"] or []))

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def test_passwords_are_nowhere_but_where_they_belong(
    owner: Owner, database: Database, tmp_path: Path
) -> None:
    """Made, changed, used by a monitor whose jobs show their environment, and refused."""
    log = LAB / "log" / "postgresql.log"
    before = log.stat().st_size
    role = sql.Identifier(str(owner.url.username))
    databases.as_superuser(sql.SQL("ALTER ROLE {} SET log_statement = 'all'").format(role))
    with Watcher() as watcher:
        first = owner.type("adduser", BOB)
        password = first.stdout.strip().split(":")[-1]
        databases.as_superuser(
            sql.SQL("ALTER ROLE {} SET log_statement = 'all'").format(sql.Identifier(BOB))
        )
        second = owner.type("passwd", "--random", person=BOB, password=password)
        changed = second.stdout.strip().split(":")[-1]
        ldir = tmp_path / "L"
        tree = {"a/qsub.0": job("env; set"), "a/qsub.dependency.0": ""}
        make(ldir / "init", tree)
        words = ["--ldir", str(ldir), "--scheduler", "local", "--interval", "0.2", "--task", "T"]
        ran = subprocess.run(
            [sys.executable, "jobmon.py", *words, "--no-http", "--db", owner.plain(BOB)],
            env=owner.environment(changed),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        accounts.revoke(database, BOB)
        refused = owner.type("passwd", "--random", person=BOB, password=changed)
    assert refused.returncode == 4
    assert any(f"adduser\0{BOB}" in line for line in watcher.seen), "it did not watch"
    assert any("jobmon.py" in line and str(ldir) in line for line in watcher.seen)
    with open(log, errors="replace") as server:
        server.seek(before)
        logged = server.read()
    assert f'ALTER ROLE "{BOB}" PASSWORD \'SCRAM-SHA-256$' in logged
    files = [path for path in ldir.rglob("*") if path.is_file()]
    assert {"qsub.log", "jobmon.log", "run.json"} <= {path.name for path in files}
    outputs = [path.read_text(errors="replace") for path in files]
    assert any(f"HOME={owner.home}" in text for text in outputs), "no job showed its environment"
    said = [first.stderr, second.stderr, ran.stdout, ran.stderr, refused.stdout, refused.stderr]
    for secret in (password, changed):
        assert len(secret) >= 24
        for text_of in (*outputs, *said, *watcher.seen, logged):
            assert secret not in text_of

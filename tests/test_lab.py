"""The lab's scripts are at least shell; what they start is tried by `lab/up` itself."""

import subprocess
from pathlib import Path

import databases
import psycopg
import pytest
from psycopg import sql

LAB = Path(__file__).parent.parent / "lab"
SCRIPTS = sorted(path for path in LAB.iterdir() if path.is_file())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_valid_sh(script: Path) -> None:
    done = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_person_runs_is_executable() -> None:
    assert [
        name for name in ("up", "down", "status") if not (LAB / name).stat().st_mode & 0o100
    ] == []


def test_an_odd_state_folder_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(LAB / "status")],
        env={"JOBAUTO_LAB": f"{tmp_path}/a b"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "JOBAUTO_LAB must be an absolute path" in done.stderr


def plain(url: str) -> str:
    return url.replace("+psycopg", "")


def test_a_test_has_a_database_to_itself(postgresql: str) -> None:
    with psycopg.connect(plain(postgresql)) as connection:
        connection.execute("CREATE TABLE t ()")
        found = connection.execute("SELECT current_user = current_database()").fetchone()
    assert found == (True,)


def test_nothing_is_left_of_a_database(postgresql: str) -> None:
    with databases.fresh() as url:
        name = url.rpartition("/")[2]
        left = psycopg.connect(plain(url))  # a client that does not leave
    assert (
        databases.as_superuser(
            sql.SQL(
                "SELECT FROM pg_roles WHERE rolname = {0} UNION ALL "
                "SELECT FROM pg_database WHERE datname = {0}"
            ).format(sql.Literal(name))
        )
        == []
    )
    left.close()


def test_the_lab_lets_nobody_in_without_a_password(postgresql: str) -> None:
    user, _, rest = plain(postgresql).removeprefix("postgresql://").partition(":")
    _, _, place = rest.partition("@")
    for who in ("postgres", user):
        for password in ("", ":wrong"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(f"postgresql://{who}{password}@{place}")


def test_the_lab_listens_on_loopback_only(postgresql: str) -> None:
    rows = databases.as_superuser(sql.SQL("SELECT current_setting('listen_addresses')"))
    assert rows == [("127.0.0.1",)]

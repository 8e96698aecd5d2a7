"""What a member of a shared database can do by hand: read all, and change what is theirs.

By psql, as a person would try it; and as the verbs of `Task`, which must not fail by it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import databases
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import make_url
from tasks import ANN, BOB, TAG, Shared, names, task

from jobauto.claims import Database, Held, Lost, Task, tables
from jobauto.errors import DatabaseRefused

JOBS = names(8)
#: the jobs in the order of their states, as ann leaves them
FREE, CLAIMED, PASSED, SUBMITTING, SUBMITTED, FINISHED, FAILED, UNSURE = JOBS
NOT_BOBS = (CLAIMED, SUBMITTING, SUBMITTED, FINISHED, UNSURE)
REFUSED = "permission denied"
POLICY = "new row violates row-level security policy"


@pytest.fixture
def database(postgresql: str) -> Iterator[Shared]:
    """Ann's jobs are in all states, bob has one that is submitted."""
    made = Shared(postgresql)
    made.upgrade()
    made.let_in(ANN, BOB)
    ann = task(made, ANN)
    ann.register([(name, "") for name in [*JOBS, "bobs"]])
    held = {one.name: one for one in ann.take(len(JOBS) - 1, JOBS[1:])}
    in_queue = [held[name] for name in (SUBMITTED, FINISHED, FAILED, UNSURE)]
    ann.submitting([held[SUBMITTING], *in_queue])
    ann.submitted({one: f"j-{one.name}" for one in in_queue})
    for name, verdict in ((FINISHED, "finished"), (FAILED, "failed"), (UNSURE, "unsure")):
        ann.ended([held[name]], verdict)
    bob = task(made, BOB)
    bob.submitting(bob.take(1, ["bobs"]))
    with made.transaction() as connection:
        passed = tables.job.update().where(tables.job.c.name == PASSED).values(free_from=1.0)
        connection.execute(passed)
    yield made
    made.close()


def psql(database: Shared, statement: str, who: str = BOB.person) -> tuple[int, str]:
    """The exit code, and what psql said."""
    url = database.people[who].url
    place = ["-h", str(url.host), "-p", str(url.port), "-U", str(url.username)]
    done = subprocess.run(
        ["psql", "-X", "-v", "ON_ERROR_STOP=1", *place, str(url.database), "-c", statement],
        env={**os.environ, "PGPASSWORD": str(url.password)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def rows(database: Shared) -> dict[str, list[tuple[object, ...]]]:
    """All of it, as the owner sees it."""
    with database.transaction(writes=False) as connection:
        return {
            name: [tuple(row) for row in connection.execute(text(f"TABLE {name}")).all()]
            for name in ("jobauto_version", "task", "job", "attempt")
        }


def names_in(database: Shared, where: str) -> set[str]:
    with database.transaction(writes=False) as connection:
        return set(connection.scalars(text(f"SELECT name FROM job WHERE {where}")))


def test_a_member_reads_all(database: Shared) -> None:
    for table, number in (("job", 9), ("attempt", 3), ("task", 1), ("jobauto_version", 1)):
        code, said = psql(database, f"SELECT 'number', count(*) FROM {table}")
        assert code == 0, said
        assert f"number   |     {number}" in said


SETS = {
    "taken over": f"state = 'claimed', person = '{BOB.person}', token = 'mine'",
    "finished": f"state = 'finished', person = '{BOB.person}'",
    "freed": "state = 'free', person = '', token = '', free_from = 0",
    "another JOBID": "jobid = '1'",
    "its time": "ended = 1",
}


@pytest.mark.parametrize("values", SETS.values(), ids=list(SETS))
def test_rows_of_another_do_not_change(database: Shared, values: str) -> None:
    before = rows(database)
    listed = ", ".join(f"'{name}'" for name in NOT_BOBS)
    code, said = psql(database, f"UPDATE job SET {values} WHERE name IN ({listed})")
    assert (code, said) == (0, "UPDATE 0\n")
    assert rows(database) == before


def test_a_change_of_all_rows_reaches_only_those_that_may_be_had(database: Shared) -> None:
    code, said = psql(database, f"UPDATE job SET {SETS['taken over']}, site = 'bobs'")
    assert (code, said) == (0, "UPDATE 4\n")
    assert names_in(database, "site = 'bobs'") == {FREE, PASSED, FAILED, "bobs"}
    assert names_in(database, f"person = '{ANN.person}'") == set(NOT_BOBS)


@pytest.mark.parametrize(
    "values",
    [
        f"state = 'claimed', person = '{ANN.person}'",
        "state = 'claimed', person = 'nobody we know'",
        "state = 'finished', person = ''",
        "state = 'free', person = '', free_from = NULL",
        "state = 'free', person = '', free_from = 4e9",
    ],
)
@pytest.mark.parametrize("name", [FREE, "bobs"])
def test_a_row_becomes_ours_or_free_and_nothing_else(
    database: Shared, values: str, name: str
) -> None:
    before = rows(database)
    code, said = psql(database, f"UPDATE job SET {values} WHERE name = '{name}'")
    assert code == 1
    assert POLICY in said
    assert rows(database) == before


def test_the_clock_of_the_server_says_when_a_lease_has_passed(database: Shared) -> None:
    with database.transaction() as connection:
        soon = text("UPDATE job SET free_from = extract(epoch FROM now()) + 100 WHERE name = :name")
        connection.execute(soon, {"name": PASSED})
    said = psql(database, f"UPDATE job SET {SETS['taken over']} WHERE name = '{PASSED}'")[1]
    assert said == "UPDATE 0\n"


NO_RIGHT = [
    "DELETE FROM job",
    "DELETE FROM attempt",
    "DELETE FROM task",
    "TRUNCATE job, attempt",
    "UPDATE job SET name = 'x'",
    "UPDATE job SET id = 99",
    "UPDATE job SET task_id = 1",
    "UPDATE job SET dataset = 'x'",
    "UPDATE attempt SET person = 'x'",
    "UPDATE attempt SET token = 'x'",
    "UPDATE attempt SET job_id = 1",
    "UPDATE task SET name = 'x'",
    "UPDATE jobauto_version SET version_num = '9'",
    "DELETE FROM jobauto_version",
    "INSERT INTO jobauto_version VALUES ('9')",
    f"INSERT INTO job (task_id, name, person) VALUES (1, 'x', '{BOB.person}')",
    "INSERT INTO job (task_id, name, state) VALUES (1, 'x', 'finished')",
    "INSERT INTO task (id, name) VALUES (9, 'x')",
    "SELECT setval('job_id_seq', 1)",
    f"ALTER ROLE ann_{TAG} PASSWORD 'x'",
    f"ALTER ROLE ann_{TAG} NOLOGIN",
    f"DROP ROLE ann_{TAG}",
    f"SET ROLE ann_{TAG}",
    f"SET SESSION AUTHORIZATION ann_{TAG}",
    "CREATE ROLE other",
    "ALTER ROLE CURRENT_USER BYPASSRLS",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER TABLE job DISABLE ROW LEVEL SECURITY",
    "DROP POLICY job_change ON job",
    "CREATE POLICY mine ON job FOR ALL USING (true)",
    "CREATE TRIGGER t BEFORE UPDATE ON job EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "DROP TABLE attempt",
    "GRANT ALL ON job TO PUBLIC",
]


@pytest.mark.parametrize("statement", NO_RIGHT)
def test_what_a_member_has_no_right_to(database: Shared, statement: str) -> None:
    before = rows(database)
    code, said = psql(database, statement)
    owner_only = ("must be owner", "must be superuser", "permission", "no privileges were granted")
    assert any(word in said for word in owner_only), said
    assert code == (0 if "GRANT" in statement else 1)  # which is a warning only
    assert rows(database) == before
    assert psql(database, f"UPDATE job SET site = 'x' WHERE name = '{CLAIMED}'")[1] == "UPDATE 0\n"
    assert psql(database, "SELECT 1", ANN.person)[0] == 0


def test_a_member_cannot_become_the_owner_or_the_group_of_others(database: Shared) -> None:
    owner = str(database.url.username)
    assert "permission denied to set role" in psql(database, f"SET ROLE {owner}")[1]
    group = f"jobauto_{database.url.database}"
    said = psql(database, f"GRANT {group} TO {owner}")[1]
    assert "must have admin option" in said or "permission denied" in said
    # in the group's name they are still only themselves
    taken = "state = 'claimed', person = '{}'"
    for person, allowed in ((group, False), (ANN.person, False), (BOB.person, True)):
        change = f"UPDATE job SET {taken.format(person)} WHERE name = '{FREE}'"
        code, said = psql(database, f"SET ROLE {group}; {change}")
        assert (code == 0, POLICY in said) == (allowed, not allowed), said
    assert names_in(database, f"person = '{group}'") == set()


ATTEMPT = "INSERT INTO attempt (token, job_id, number, state, person, site, run, jobid) "


def test_history_is_written_only_of_our_own_claims(database: Shared) -> None:
    with database.transaction(writes=False) as connection:
        found = connection.execute(tables.job.select()).all()
    jobs = {row.name: row for row in found}
    before = rows(database)
    for name, person in (
        (SUBMITTED, ANN.person),
        (SUBMITTED, BOB.person),
        ("bobs", ANN.person),
    ):
        values = f"'{jobs[name].token}', {jobs[name].id}, 1, 'failed', '{person}', '', '', ''"
        code, said = psql(database, f"{ATTEMPT} VALUES ({values})")
        assert (code, POLICY in said) == (1, True), said
    # the token of another, which would stand in the way of theirs
    values = (
        f"'{jobs[SUBMITTED].token}', {jobs['bobs'].id}, 1, 'failed', '{BOB.person}', '', '', ''"
    )
    assert POLICY in psql(database, f"{ATTEMPT} VALUES ({values})")[1]
    assert psql(database, "UPDATE attempt SET state = 'x'")[1] == "UPDATE 0\n"
    assert rows(database) == before
    values = f"'{jobs['bobs'].token}', {jobs['bobs'].id}, 1, 'failed', '{BOB.person}', '', '', ''"
    assert psql(database, f"{ATTEMPT} VALUES ({values})") == (0, "INSERT 0 1\n")
    assert psql(database, "UPDATE attempt SET state = 'finished'")[1] == "UPDATE 1\n"


def test_who_holds_the_token_of_another_changes_nothing_by_our_verbs(database: Shared) -> None:
    with database.transaction(writes=False) as connection:
        which = tables.job.select().where(tables.job.c.person == ANN.person)
        stolen = [Held(row.name, row.token) for row in connection.execute(which)]
    before = rows(database)
    bob = task(database, BOB)
    for call in (bob.submitting, bob.give_back, lambda held: bob.ended(held, "finished")):
        lost = {one.name for one in call([one for one in stolen if one.name in NOT_BOBS])}
        assert lost >= {CLAIMED}
    assert bob.release(ANN.person, list(JOBS)) == [PASSED]
    assert {row for row in rows(database)["job"] if PASSED not in row} == {
        row for row in before["job"] if PASSED not in row
    }


def test_who_would_pass_for_another_is_refused(database: Shared) -> None:
    with pytest.raises(DatabaseRefused, match="row-level security"):
        Task(database.people[BOB.person], "T", ANN).take(1, [FREE])


def test_who_comes_in_under_another_name_is_told_so_before_anything_is_done(
    database: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service of libpq may say who: then we do not know it."""
    url = database.people[BOB.person].url
    place = f"[lab]\nhost={url.host}\nport={url.port}\ndbname={url.database}\n"
    (tmp_path / "services").write_text(f"{place}user={url.username}\npassword={url.password}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGUSER", "eve")
    with pytest.raises(DatabaseRefused, match=f"knows you as {BOB.person}, not as eve"):
        Database("postgresql:///?service=lab").prepare()
    monkeypatch.setenv("PGUSER", BOB.person)
    Database("postgresql:///?service=lab").prepare()


@pytest.mark.parametrize("source", ["url", "query", "PGUSER", "login"])
def test_the_person_is_the_role_that_the_database_will_know(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGUSER", raising=False)
    urls = {"url": "postgresql://ann@h/d", "query": "postgresql://h/d?user=ann"}
    if source == "PGUSER":
        monkeypatch.setenv("PGUSER", "ann")
    if source != "login":
        assert Database(urls.get(source, "postgresql://h/d")).person == "ann"
        monkeypatch.setenv("PGUSER", "eve" if source in urls else "ann")
        assert Database(urls.get(source, "postgresql://h/d")).person == "ann"
    else:
        login = subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
        assert Database("postgresql://h/d").person == login
        assert Database("sqlite:////f.db").person == login


def test_the_owner_may_release_what_one_left_behind(database: Shared) -> None:
    owner = make_url(database.url).username
    assert owner not in database.people
    assert Task(database, "T", BOB).release(ANN.person, [SUBMITTED]) == [SUBMITTED]
    assert names_in(database, "state = 'free'") == {FREE, SUBMITTED}


def test_a_lost_claim_is_told_to_a_member(database: Shared) -> None:
    """Whose row it is not any more: nothing changes, and they learn who has it."""
    ann, bob = task(database, ANN), task(database, BOB)
    (held,) = [one.held for one in ann.mine() if one.held.name == PASSED]
    assert [one.name for one in bob.take(1, [PASSED])] == [PASSED]
    lost = [Lost(PASSED, "claimed", BOB.person, "cluster-b")]
    assert ann.renew([held]) == ann.submitting([held]) == ann.ended([held], "failed") == lost


def test_people_of_one_database_are_nobody_in_another(database: Shared) -> None:
    with databases.fresh() as url:
        other = Shared(url)
        other.upgrade()
        other.let_in(type(ANN)(f"eve_{TAG}", "", ""))
        bob = database.people[BOB.person].url
        there = bob.set(database=other.url.database).render_as_string(hide_password=False)
        with pytest.raises(DatabaseRefused, match="permission denied for table"):
            Database(there).prepare()
        other.close()


def test_the_plan_uses_the_index_as_for_the_owner(database: Shared) -> None:
    """Row-level security must not make a look at every job of each claim."""
    task(database, ANN).register([(name, "") for name in names(3000, 10)])
    name = str(database.url.database)
    databases.as_superuser(sql.SQL("VACUUM ANALYZE job"), database=name)
    which = """EXPLAIN SELECT id FROM job WHERE task_id = 1
        AND free_from <= CAST(extract(epoch FROM now()) AS double precision)
        ORDER BY free_from, id LIMIT 5 FOR UPDATE SKIP LOCKED"""
    assert "Index Scan using job_takeable" in psql(database, which)[1]
    which = "EXPLAIN UPDATE job SET site = '' WHERE task_id = 1 AND name IN ('x', 'y')"
    assert "job_task_id_name_key" in psql(database, which)[1]

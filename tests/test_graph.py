"""Dependency files and what follows: what may start, what cannot, and who is at fault."""

from __future__ import annotations

import posixpath
import random
from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobauto.errors import UserError
from jobauto.graph import Graph
from jobauto.model import Job
from jobauto.needs import Need, parse_needs

JOB = Job("mp-149", "1")


def files(text: str, job: Job = JOB) -> list[str]:
    """The needed files in `text`, which is without mistakes; `not` before those to be away."""
    needs, problems = parse_needs(job, text)
    assert problems == []
    return [f"not {n.file}" if n.absent else n.file for n in needs]


def mistake(text: str) -> str:
    needs, [problem] = parse_needs(JOB, text)
    assert needs == []
    return str(problem)


def graph(texts: Mapping[str, str | None]) -> Graph:
    """A graph of jobs and the texts of their dependency files (None: there is no file)."""
    made = Graph(Job.from_name(name) for name in texts)
    for name, text in texts.items():
        edit(made, name, text)
    return made


def edit(of: Graph, name: str, text: str | None) -> bool:
    """Write a job's dependency file anew, or remove it."""
    needs, problems = parse_needs(of.jobs[name], text) if text is not None else (None, [])
    assert problems == []
    return of.set_needs(name, needs)


def satisfied(of: Graph) -> list[str]:
    return sorted(name for name in of.jobs if of.satisfied(name))


CHAIN = {
    "a/qsub.0": "",
    "a/qsub.1": "qsub.finished.0",
    "a/qsub.2": "qsub.finished.1",
    "b/qsub.0": "../a/qsub.finished.1",
}


# Dependency files


def test_names_are_relative_to_the_jobs_folder() -> None:
    assert files("qsub.finished.0\n../other/qsub.finished.0\nsub/x\n") == [
        "mp-149/qsub.finished.0",
        "other/qsub.finished.0",
        "mp-149/sub/x",
    ]


def test_a_job_in_the_run_folder_itself_names_files_of_the_run() -> None:
    assert files("qsub.finished.0\na/x\n", Job("", "1")) == ["qsub.finished.0", "a/x"]


def test_comments_and_blank_lines_are_skipped_and_line_numbers_count_them() -> None:
    needs, problems = parse_needs(JOB, "# first\n\n  # second\nx\n \t\ny # no comment\n")
    assert problems == []
    assert needs == [Need("mp-149/x", 4), Need("mp-149/y # no comment", 6)]


@pytest.mark.parametrize("text", ["", "\n", "\n\n", "# nothing\n", " \t \n", "\r\n"])
def test_a_file_without_a_name_needs_nothing(text: str) -> None:
    assert files(text) == []


def test_the_last_line_may_lack_its_end() -> None:
    assert files("x\ny") == files("x\ny\n") == ["mp-149/x", "mp-149/y"]


def test_files_written_on_windows_are_read() -> None:
    assert files("x\r\n\r\n# c\r\nnot y\r\n") == ["mp-149/x", "not mp-149/y"]


def test_blanks_around_a_name_are_not_part_of_it() -> None:
    assert files("  two words \t\n") == ["mp-149/two words"]


@pytest.mark.parametrize("line", ["not stop", "not\tstop", "not   stop", " not stop "])
def test_not_asks_that_a_file_is_absent(line: str) -> None:
    assert files(line) == ["not mp-149/stop"]


@pytest.mark.parametrize("name", ["not", "nothing", "not-this", "./not stop"])
def test_a_name_that_begins_like_not_is_a_name(name: str) -> None:
    assert files(name) == ["mp-149/" + name.removeprefix("./")]


def test_a_name_that_begins_with_a_hash_can_be_written_with_a_dot() -> None:
    assert files("./#x#") == ["mp-149/#x#"]


@pytest.mark.parametrize(
    "name", ["../../x", "..//../x", "a/../../../x", "../..", "not ../../x", "../../mp-149/x"]
)
def test_a_name_that_leaves_the_run_folder_is_refused(name: str) -> None:
    said = mistake(f"\n{name}\n")
    assert said.startswith("mp-149/qsub.dependency.1:2: ")
    assert "leaves the run folder" in said
    assert "-> name files relative to the job's folder" in said


@pytest.mark.parametrize("name", ["/etc/passwd", "//x", "not /x", "/"])
def test_an_absolute_name_is_refused(name: str) -> None:
    assert "leaves the run folder" in mistake(name)


def test_a_name_may_go_up_as_far_as_the_run_folder() -> None:
    assert files("../x\n../mp-149/y\n") == ["x", "mp-149/y"]


@pytest.mark.parametrize("name", ["a\0b", "a\tb", "bell\x07", "old\rmac", "odd\udcff", "\ufeffx"])
def test_odd_characters_in_a_name_are_refused_and_shown_harmlessly(name: str) -> None:
    said = mistake(name)
    assert said.startswith("mp-149/qsub.dependency.1:1: odd characters in ")
    assert said.replace("\n  -> ", "").isprintable()


def test_bad_lines_do_not_hide_good_ones_nor_each_other() -> None:
    needs, problems = parse_needs(JOB, "/x\ny\n../../z\n")
    assert needs == [Need("mp-149/y", 2)]
    assert [p.where for p in problems] == [
        "mp-149/qsub.dependency.1:1",
        "mp-149/qsub.dependency.1:3",
    ]


parts = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=1)
relative = st.lists(parts | st.just("two words"), min_size=1, max_size=4).map("/".join)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), relative), max_size=8),
    st.sampled_from(["\n", "\r\n", "\n\n# comment\n", " \t\n"]),
    st.sampled_from(["", "deep/er"]),
)
def test_a_list_of_names_comes_back_as_it_was_written(
    wanted: list[tuple[bool, str]], end: str, folder: str
) -> None:
    normal = [(absent, posixpath.normpath(posixpath.join(folder, name))) for absent, name in wanted]
    inside = [not f.startswith("../") and f != ".." for _, f in normal]
    lines = [f"not ./{name}" if absent else f"./{name}" for absent, name in wanted]
    needs, problems = parse_needs(Job(folder, "1"), end.join(lines))
    assert [(n.absent, n.file) for n in needs] == [
        f for f, ok in zip(normal, inside, strict=True) if ok
    ]
    assert len(problems) == inside.count(False)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=80))
@example("not \nnot\t\n/\n..\n../..\n\udcff\n\0\n")
def test_no_text_whatever_makes_a_traceback(text: str) -> None:
    needs, problems = parse_needs(JOB, text)
    for need in needs:
        assert not need.file.startswith(("/", "../"))
        assert need.file.isprintable()
        assert need.file.strip()
    for problem in problems:
        assert problem.where
        assert str(problem)


# What may start


def test_an_empty_file_frees_a_job_and_no_file_holds_it() -> None:
    made = graph({"a/qsub.0": "", "a/qsub.1": None})
    assert satisfied(made) == ["a/qsub.0"]
    assert [made.held(n) for n in made.jobs] == [False, True]
    assert not made.free("a/qsub.1")


def test_an_arriving_marker_frees_its_users_and_nobody_else() -> None:
    made = graph(CHAIN)
    assert satisfied(made) == ["a/qsub.0"]
    assert made.arrived("a/qsub.finished.0") == ["a/qsub.1"]
    assert made.arrived("a/qsub.finished.1") == ["a/qsub.2", "b/qsub.0"]
    assert satisfied(made) == sorted(CHAIN)


def test_a_file_that_arrives_twice_frees_once() -> None:
    made = graph(CHAIN)
    made.arrived("a/qsub.finished.0")
    assert made.arrived("a/qsub.finished.0") == []


def test_all_of_several_files_must_arrive() -> None:
    made = graph({"a/qsub.x": "one\ntwo\none\n"})
    assert made.arrived("a/one") == []
    assert made.missing("a/qsub.x") == [Need("a/two", 2)]
    assert made.arrived("a/two") == ["a/qsub.x"]


def test_a_file_needs_to_be_no_marker() -> None:
    made = graph({"a/qsub.0": "", "a/qsub.1": "llmf.finished"})
    assert made.watched() == {"a/llmf.finished"}
    assert made.arrived("a/llmf.finished") == ["a/qsub.1"]


def test_several_jobs_of_a_folder_with_any_ids_are_kept_apart() -> None:
    made = graph(
        {"a/qsub.0": "", "a/qsub.lda": "qsub.finished.0", "a/qsub.10": "qsub.finished.lda"}
    )
    assert made.arrived("a/qsub.finished.1") == []
    assert made.arrived("a/qsub.finished.0") == ["a/qsub.lda"]
    assert made.arrived("a/qsub.finished.lda") == ["a/qsub.10"]


def test_a_marker_that_departs_makes_its_users_wait_again() -> None:
    made = graph(CHAIN)
    made.arrived("a/qsub.finished.0")
    made.departed("a/qsub.finished.0")
    assert satisfied(made) == ["a/qsub.0"]
    assert made.missing("a/qsub.1") == [Need("a/qsub.finished.0", 1)]
    assert made.arrived("a/qsub.finished.0") == ["a/qsub.1"]


def test_what_never_arrived_cannot_depart() -> None:
    made = graph(CHAIN)
    made.departed("a/qsub.finished.0")
    made.departed("who/knows")
    assert satisfied(made) == ["a/qsub.0"]


def test_a_file_that_was_there_before_the_job_counts() -> None:
    made = Graph([Job("a", "0")])
    made.arrived("a/input")
    assert edit(made, "a/qsub.0", "input")
    assert made.satisfied("a/qsub.0")


# `not FILE`


def test_a_file_that_must_be_absent_is_looked_for_first() -> None:
    made = graph({"a/qsub.0": "not stop"})
    assert not made.free("a/qsub.0")
    assert made.watched() == {"a/stop"}
    assert made.freed_by_absence([]) == []
    assert made.freed_by_absence(["a/stop"]) == ["a/qsub.0"]


def test_absence_frees_only_who_misses_nothing_else() -> None:
    made = graph(
        {"a/qsub.0": "", "a/qsub.1": "qsub.finished.0\nnot stop", "a/qsub.2": "x\nnot stop"},
    )
    assert made.watched() == {"a/x"}
    assert made.freed_by_absence(["a/stop"]) == []
    assert made.arrived("a/qsub.finished.0") == []
    assert made.watched() == {"a/x", "a/stop"}
    assert made.freed_by_absence(["a/stop"]) == ["a/qsub.1"]


def test_all_of_several_files_must_be_absent() -> None:
    made = graph({"a/qsub.0": "not p\nnot q"})
    assert made.freed_by_absence(["a/p"]) == []
    assert made.freed_by_absence(["a/p", "a/q", "a/r"]) == ["a/qsub.0"]


def test_a_file_that_is_in_the_way_is_what_the_job_misses() -> None:
    made = graph({"a/qsub.0": "not stop"})
    made.arrived("a/stop")
    assert not made.satisfied("a/qsub.0")
    assert made.missing("a/qsub.0") == [Need("a/stop", 1, absent=True)]
    made.departed("a/stop")
    assert made.satisfied("a/qsub.0")


def test_not_the_marker_of_a_job_makes_no_edge() -> None:
    made = graph({"a/qsub.0": "not qsub.finished.1", "a/qsub.1": "qsub.finished.0"})
    assert made.cycles() == []
    assert made.blocked_by(["a/qsub.1"]) == {}


# What is looked for


def test_only_the_frontier_is_watched() -> None:
    made = graph({"a/qsub.0": "input", "a/qsub.1": "qsub.finished.0\nearly", "b/qsub.0": ""})
    assert made.watched() == {"a/input"}
    made.arrived("a/input")
    assert made.watched() == set()
    made.arrived("a/qsub.finished.0")
    assert made.watched() == {"a/early"}


def test_markers_of_known_jobs_are_not_watched() -> None:
    assert graph(CHAIN).watched() == set()


def test_files_of_a_released_job_are_not_watched_any_more() -> None:
    made = graph({"a/qsub.0": "not stop", "a/qsub.1": "input"})
    made.released("a/qsub.0")
    assert made.watched() == {"a/input"}
    assert made.freed_by_absence(["a/stop"]) == []


# Edits


def test_edited_needs_replace_the_old_ones() -> None:
    made = graph(CHAIN)
    assert edit(made, "a/qsub.2", "other\n") is False
    assert made.arrived("a/qsub.finished.1") == ["b/qsub.0"]
    assert made.arrived("a/other") == ["a/qsub.2"]
    assert list(made.edges.predecessors("a/qsub.2")) == []


def test_needs_edited_away_free_the_job_at_once() -> None:
    made = graph(CHAIN)
    assert edit(made, "a/qsub.2", "# not any more\n") is True
    assert made.free("a/qsub.2")


def test_a_removed_file_holds_the_job_and_a_new_one_releases_it() -> None:
    made = graph(CHAIN)
    made.arrived("a/qsub.finished.0")
    edit(made, "a/qsub.1", None)
    assert made.held("a/qsub.1")
    assert made.watched() == set()
    assert edit(made, "a/qsub.1", "qsub.finished.0") is True


def test_a_held_job_blocks_nobody_and_is_freed_by_nothing() -> None:
    made = graph({**CHAIN, "a/qsub.1": None})
    assert made.arrived("a/qsub.finished.0") == []
    assert made.blocked_by(["a/qsub.0"]) == {}


def test_a_new_job_that_makes_an_awaited_file_becomes_its_maker() -> None:
    made = graph({"a/qsub.1": "qsub.finished.0\nqsub.finished.x"})
    assert made.watched() == {"a/qsub.finished.0", "a/qsub.finished.x"}
    assert [need.file for _, need in made.unknown()] == ["a/qsub.finished.0", "a/qsub.finished.x"]
    made.add(Job("a", "0"))
    assert made.unknown() == [(Job("a", "1"), Need("a/qsub.finished.x", 2))]
    assert list(made.edges.successors("a/qsub.0")) == ["a/qsub.1"]
    assert made.watched() == set(), "the job waits for a marker first"
    assert made.blocked_by(["a/qsub.0"]) == {"a/qsub.1": "a/qsub.0"}
    made.arrived("a/qsub.finished.x")
    assert made.arrived("a/qsub.finished.0") == ["a/qsub.1"]


def test_a_new_job_is_on_hold_until_its_needs_are_known() -> None:
    made = graph({})
    made.add(Job("new", "0"))
    assert made.held("new/qsub.0")
    assert edit(made, "new/qsub.0", "") is True


# What nobody makes


def test_files_that_no_job_makes_are_unknown_until_they_exist() -> None:
    made = graph({"a/qsub.0": "", "a/qsub.1": "qsub.finished.0\n\ninput\nnot stop\n"})
    assert made.unknown() == [(Job("a", "1"), Need("a/input", 3))]
    made.arrived("a/input")
    assert made.unknown() == []


# Cycles


def only_cycle(of: Graph) -> UserError:
    [problem] = of.cycles()
    return problem


def test_two_jobs_that_wait_for_each_other_are_named_with_their_lines() -> None:
    made = graph({"a/qsub.0": "\n../b/qsub.finished.1", "b/qsub.1": "../a/qsub.finished.0"})
    problem = only_cycle(made)
    assert problem.where == "a/qsub.dependency.0:2"
    assert problem.what == (
        "cycle: a/qsub.0 needs b/qsub.1 (a/qsub.dependency.0:2), "
        "b/qsub.1 needs a/qsub.0 (b/qsub.dependency.1:1)"
    )
    assert problem.hint == "remove one of these lines; none of them can start"


def test_a_job_that_waits_for_itself_is_a_cycle() -> None:
    problem = only_cycle(graph({"a/qsub.0": "# me\nqsub.finished.0"}))
    assert problem.what == "cycle: a/qsub.0 needs a/qsub.0 (a/qsub.dependency.0:2)"


def test_a_long_cycle_is_named_in_full_and_nothing_but_the_cycle() -> None:
    number = 500
    texts = {f"a/qsub.{n}": f"qsub.finished.{(n + 1) % number}" for n in range(number)}
    texts["a/qsub.after"] = "qsub.finished.7"
    texts["a/qsub.before"] = ""
    texts["a/qsub.0"] += "\nqsub.finished.before"
    problem = only_cycle(graph(texts))
    for n in range(number):
        link = f"a/qsub.{n} needs a/qsub.{(n + 1) % number} (a/qsub.dependency.{n}:1)"
        assert link in problem.what
    assert problem.what.count(" needs ") == number


def test_each_knot_is_named_once() -> None:
    texts = {"a/qsub.0": "qsub.finished.1", "a/qsub.1": "qsub.finished.0\nqsub.finished.1"}
    made = graph({**texts, "z/qsub.9": "qsub.finished.9"})
    assert len(made.cycles()) == 2


def test_a_cycle_is_found_where_it_is_not_hit_at_once() -> None:
    # c and d go round; the least name of the knot is on another way round
    made = graph(
        {
            "a/qsub.0": "qsub.finished.1",
            "a/qsub.1": "qsub.finished.2\nqsub.finished.0",
            "a/qsub.2": "qsub.finished.1",
        }
    )
    said = only_cycle(made).what
    assert said.count(" needs ") == 2
    assert "a/qsub.1 needs" in said


def test_the_line_of_a_cycle_is_the_one_that_needs_not_the_one_that_forbids() -> None:
    made = graph({"a/qsub.0": "not qsub.finished.0\nqsub.finished.0"})
    assert only_cycle(made).where == "a/qsub.dependency.0:2"


def test_a_bracket_in_a_name_does_not_confuse_the_place() -> None:
    made = graph({"a/qsub.0 (copy)": "qsub.finished.0 (copy)"})
    assert only_cycle(made).where == "a/qsub.dependency.0 (copy):1"


def test_a_cycle_through_a_finished_job_is_no_error() -> None:
    made = graph({"a/qsub.0": "qsub.finished.1", "a/qsub.1": "qsub.finished.0"})
    assert made.cycles()
    made.arrived("a/qsub.finished.1")
    assert made.cycles() == []


def test_a_chain_and_a_diamond_are_no_cycle() -> None:
    assert graph(CHAIN).cycles() == []
    both = "qsub.finished.1\nqsub.finished.2"
    one = "qsub.finished.0"
    diamond = {"a/qsub.0": "", "a/qsub.1": one, "a/qsub.2": one, "a/qsub.3": both}
    assert graph(diamond).cycles() == []


# Who is at fault


def test_all_generations_after_a_failed_job_are_blocked_by_it() -> None:
    made = graph({**CHAIN, "c/qsub.0": "../b/qsub.finished.0", "d/qsub.0": ""})
    made.arrived("a/qsub.finished.0")
    assert made.blocked_by(["a/qsub.1"]) == {
        "a/qsub.2": "a/qsub.1",
        "b/qsub.0": "a/qsub.1",
        "c/qsub.0": "a/qsub.1",
    }


def test_the_nearest_of_several_culprits_is_named() -> None:
    made = graph(
        {**CHAIN, "c/qsub.0": "../b/qsub.finished.0\n../x/qsub.finished.0", "x/qsub.0": ""}
    )
    assert made.blocked_by(["a/qsub.0", "x/qsub.0"])["c/qsub.0"] == "x/qsub.0"


def test_who_has_the_marker_already_is_not_blocked() -> None:
    made = graph(CHAIN)
    made.arrived("a/qsub.finished.1")
    assert made.blocked_by(["a/qsub.1"]) == {}


def test_blocking_ends_in_a_cycle_too() -> None:
    made = graph({"a/qsub.0": "qsub.finished.1", "a/qsub.1": "qsub.finished.0"})
    assert set(made.blocked_by(["a/qsub.0"])) == {"a/qsub.0", "a/qsub.1"}


# The incremental graph against one that forgets nothing and computes all anew


class Naive:
    """What the sets of a Graph must be, computed from scratch each time."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.needs: dict[str, list[Need]] = {}
        self.present: set[str] = set()

    def makers(self) -> dict[str, str]:
        return {job.marker: name for name, job in self.jobs.items()}

    def missing(self, name: str) -> set[str]:
        return {n.file for n in self.needs[name] if not n.absent} - self.present

    def absent(self, name: str) -> list[str]:
        return [n.file for n in self.needs[name] if n.absent]

    def satisfied(self, name: str) -> bool:
        held = name not in self.needs
        return not (held or self.missing(name) or set(self.absent(name)) & self.present)

    def complete(self, name: str) -> bool:
        """Nothing is missing, and nothing has to be looked up."""
        return name in self.needs and not self.missing(name) and not self.absent(name)

    def frontier(self) -> list[str]:
        return [n for n in self.needs if not self.missing(n) & self.makers().keys()]

    def watched(self) -> set[str]:
        return set().union(*(self.missing(n) or self.absent(n) for n in self.frontier()))

    def freed_by_absence(self, gone: set[str]) -> list[str]:
        return sorted(
            n
            for n in self.frontier()
            if self.absent(n) and not self.missing(n) and set(self.absent(n)) <= gone
        )

    def edges(self) -> set[tuple[str, str]]:
        makers = self.makers()
        return {
            (makers[n.file], name)
            for name, needs in self.needs.items()
            for n in needs
            if not n.absent and n.file in makers
        }

    def blocked(self, stuck: set[str]) -> set[str]:
        found, before = set[str](), None
        while before != found:
            before = set(found)
            found |= {
                user
                for maker, user in self.edges()
                if maker in stuck | found and self.jobs[maker].marker in self.missing(user)
            }
        return found


def same(of: Graph, naive: Naive, dice: random.Random) -> None:
    assert satisfied(of) == sorted(filter(naive.satisfied, naive.jobs))
    assert [n for n in of.jobs if of.free(n)] == list(filter(naive.complete, naive.jobs))
    assert of.watched() == naive.watched()
    gone = set(dice.sample(FILES, 4))
    assert of.freed_by_absence(gone) == naive.freed_by_absence(gone)
    assert set(of.edges.edges) == naive.edges()
    for name in naive.needs:
        lacking = [n.file for n in of.missing(name) if not n.absent]
        assert set(lacking) == naive.missing(name)
    stuck = set(dice.sample(sorted(naive.jobs), min(2, len(naive.jobs))))
    assert set(of.blocked_by(stuck)) == naive.blocked(stuck)


ALL_JOBS = [Job("a", str(n)) for n in range(6)]
FILES = [job.marker for job in ALL_JOBS] + [f"a/file{n}" for n in range(4)]


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32))
def test_the_graph_kept_up_to_date_equals_one_computed_anew(seed: int) -> None:
    dice = random.Random(seed)
    of, naive = Graph(), Naive()
    for _ in range(25):
        step = dice.choice(["add", "needs", "needs", "arrived", "arrived", "departed"])
        if step == "add" or not of.jobs:
            job = dice.choice(ALL_JOBS)
            if job.name in of.jobs:
                continue
            of.add(job)
            naive.jobs[job.name] = job
        elif step == "needs":
            name = dice.choice(sorted(of.jobs))
            needs: list[Need] | None = [
                Need(file, line, dice.random() < 0.25)
                for line, file in enumerate(dice.choices(FILES, k=dice.randrange(4)))
            ]
            if dice.random() < 0.15:
                needs = None
                naive.needs.pop(name, None)
            else:
                naive.needs[name] = needs or []
            assert of.set_needs(name, needs) is naive.complete(name)
        elif step == "arrived":
            file = dice.choice(FILES)
            before = set(filter(naive.complete, naive.jobs))
            naive.present.add(file)
            now_free = set(filter(naive.complete, naive.jobs)) - before
            assert of.arrived(file) == sorted(now_free)
        else:
            file = dice.choice(FILES)
            naive.present.discard(file)
            of.departed(file)
        same(of, naive, dice)


def test_an_arrival_costs_only_its_users() -> None:
    number = 2000
    made = graph({f"a/qsub.{n}": f"qsub.finished.{n - 1}" if n else "" for n in range(number)})
    looked = []
    sort_in = made._sort_in

    def noted(name: str) -> bool:
        looked.append(name)
        return sort_in(name)

    made._sort_in = noted  # type: ignore[method-assign]
    assert made.arrived("a/qsub.finished.0") == ["a/qsub.1"]
    assert looked == ["a/qsub.1"]

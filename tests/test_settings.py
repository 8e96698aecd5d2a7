"""Options and where they come from: command line, memory, environment, files, defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from trees import make

from jobauto import run as runs
from jobauto.errors import UserError, near
from jobauto.options import Parser, add_pairs, add_settings
from jobauto.settings import OF_THE_CALL, Settings, option
from jobauto.sources import load, project_folder
from jobauto.start import read_options


@pytest.fixture(autouse=True)
def _nobodys_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the person who runs the tests is seen."""
    for name in [n for n in os.environ if n.startswith("JOBMON_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def ldir(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def users_file(ldir: Path, text: str) -> Path:
    return make(ldir.parent, {"config/jobauto/jobmon.toml": text}) / "config/jobauto/jobmon.toml"


def projects_file(ldir: Path, text: str) -> Path:
    return make(ldir, {"jobmon.toml": text}) / "jobmon.toml"


def parsed(*argv: str) -> dict[str, Any]:
    """What a command line gives."""
    parser = Parser(prog="jobmon.py")
    add_settings(parser)
    return vars(parser.parse(list(argv)))


def loaded(ldir: Path, *argv: str, **remembered: object) -> Settings:
    return load({**parsed(*argv), "ldir": ldir}, ldir, remembered)


def refused(ldir: Path, *argv: str) -> str:
    with pytest.raises(UserError) as error:
        loaded(ldir, *argv)
    assert error.value.exit_code == 2
    return str(error.value)


# Who wins


def test_defaults_are_those_of_the_design(ldir: Path) -> None:
    found = loaded(ldir)
    assert (found.remote, found.scheduler) == ("local", "auto")
    assert (found.maxqsub, found.maxcore, found.interval, found.retries) == (4, 16, 10, 0)
    assert (found.set, found.keep, found.results) == ({}, [], [])
    assert (found.once, found.dry_run, found.initonly) == (False, False, False)
    assert (found.rdir, found.binpath, found.pythonpath, found.qsubheader) == (None,) * 4


def test_each_place_gives_way_to_the_one_before(
    ldir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loaded(ldir).maxqsub == 4
    users_file(ldir, "maxqsub = 10")
    assert loaded(ldir).maxqsub == 10
    projects_file(ldir, "maxqsub = 20")
    assert loaded(ldir).maxqsub == 20
    monkeypatch.setenv("JOBMON_MAXQSUB", "30")
    assert loaded(ldir).maxqsub == 30
    assert loaded(ldir, maxqsub=40).maxqsub == 40
    assert loaded(ldir, "--maxqsub", "50", maxqsub=40).maxqsub == 50


def test_each_name_is_looked_up_by_itself(ldir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users_file(ldir, "maxqsub = 10\nmaxcore = 11\ninterval = 12\nretries = 13")
    projects_file(ldir, "maxcore = 21\ninterval = 22\nretries = 23")
    monkeypatch.setenv("JOBMON_INTERVAL", "32")
    found = loaded(ldir, "--retries", "43")
    assert (found.maxqsub, found.maxcore, found.interval, found.retries) == (10, 21, 32, 43)


def test_a_list_is_taken_whole_from_the_first_place(ldir: Path) -> None:
    projects_file(ldir, 'results = ["*.png", "*.dat"]\nkeep = ["A"]')
    found = loaded(ldir, "--results", "x")
    assert (found.results, found.keep) == (["x"], ["A"])


def test_one_value_for_scripts_is_overridden_by_itself(ldir: Path) -> None:
    projects_file(ldir, '[set]\nnk = "4"\nband = "yes"')
    assert loaded(ldir, "--set", "nk=8").set["nk"] == "8"


def test_what_looks_like_a_number_stays_the_text_that_was_typed(ldir: Path) -> None:
    assert loaded(ldir, "--binpath", "007", "--set", "nk=08").set == {"nk": "08"}


def test_a_file_says_everything_that_the_command_line_says(ldir: Path) -> None:
    projects_file(
        ldir,
        """\
rdir = "/work/si"
remote = "me@cluster"
binpath = "/opt"
pythonpath = "python3"
maxqsub = 1
maxcore = 2
interval = 0.5
initonly = true
scheduler = "slurm"
qsubheader = "head"
keep = ["Q"]
results = ["*.png"]
retries = 3
once = true
[set]
k = "v"
""",
    )
    by_file = loaded(ldir)
    (ldir / "jobmon.toml").unlink()
    options = """--rdir /work/si --remote me@cluster --binpath /opt --pythonpath python3
        --maxqsub 1 --maxcore 2 --interval 0.5 --initonly --scheduler slurm --qsubheader head
        --keep Q --results *.png --retries 3 --once --set k=v"""
    by_hand = loaded(ldir, *options.split())
    assert by_file == by_hand


def test_the_environment_can_hold_everything_too(
    ldir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBMON_REMOTE", "me@cluster")
    monkeypatch.setenv("JOBMON_ONCE", "true")
    monkeypatch.setenv("JOBMON_RESULTS", '["*.png"]')
    monkeypatch.setenv("JOBMON_SET", '{"k": "v"}')
    found = loaded(ldir)
    assert (found.remote, found.once) == ("me@cluster", True)
    assert (found.results, found.set) == (["*.png"], {"k": "v"})


# Unknown names


def test_an_unknown_option_gets_the_nearest_known_one() -> None:
    with pytest.raises(UserError) as error:
        parsed("--maxqsubs", "3")
    assert str(error.value) == "unknown option --maxqsubs\n  -> did you mean --maxqsub?"


def test_an_unknown_option_with_its_value_attached_is_named_alone() -> None:
    with pytest.raises(UserError, match=r"^unknown option --remot\n  -> did you mean --remote\?$"):
        parsed("--remot=me@cluster")


def test_a_stray_word_is_refused() -> None:
    with pytest.raises(UserError, match="unexpected argument 'si'"):
        parsed("si")


def test_an_unknown_name_in_a_file_is_shown_with_its_line(ldir: Path) -> None:
    file = projects_file(ldir, "# mine\n\nmaxcore = 2\nmaxqsubs = 3\n")
    assert refused(ldir) == f"{file}:4: unknown option 'maxqsubs'\n  -> did you mean maxqsub?"


def test_the_users_file_is_checked_too(ldir: Path) -> None:
    file = users_file(ldir, "remot = 'x'")
    assert refused(ldir) == f"{file}:1: unknown option 'remot'\n  -> did you mean remote?"


def test_an_unknown_table_is_shown_with_its_line(ldir: Path) -> None:
    file = projects_file(ldir, "maxcore = 2\n\n[sets]\nk = 'v'\n")
    assert refused(ldir).startswith(f"{file}:3: unknown option 'sets'\n  -> did you mean set?")


def test_an_unknown_variable_gets_the_nearest_known_one(
    ldir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBMON_MAXQUB", "3")
    assert refused(ldir) == (
        "environment: unknown variable JOBMON_MAXQUB\n  -> did you mean JOBMON_MAXQSUB?"
    )


def test_a_name_near_nothing_gets_the_list() -> None:
    assert near("zzzz", ["once", "remote"]) == "known: once, remote"


# Bad values


def test_a_bad_value_on_the_command_line_says_so(ldir: Path) -> None:
    said = refused(ldir, "--maxqsub", "many")
    assert said.startswith("command line: --maxqsub: ")
    assert "(it was 'many')" in said


def test_a_bad_value_of_a_variable_names_the_variable(
    ldir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects_file(ldir, "maxqsub = 3")
    monkeypatch.setenv("JOBMON_MAXQSUB", "0")
    said = refused(ldir)
    assert said.startswith("JOBMON_MAXQSUB: --maxqsub: ")
    assert "(it was '0')" in said


def test_a_bad_value_in_a_file_names_file_and_line(ldir: Path) -> None:
    users_file(ldir, "maxqsub = 1")
    file = projects_file(ldir, "maxcore = 2\n\nmaxqsub = -1\n")
    assert refused(ldir).startswith(f"{file}:3: --maxqsub: ")


def test_a_bad_value_in_the_users_file_names_that_file(ldir: Path) -> None:
    file = users_file(ldir, "\ninterval = 0")
    assert refused(ldir).startswith(f"{file}:2: --interval: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maxqsub", "0"),
        ("maxqsub", "-3"),
        ("maxcore", "0"),
        ("interval", "0"),
        ("interval", "-1"),
        ("interval", "soon"),
        ("retries", "-1"),
        ("retries", "1.5"),
    ],
)
def test_numbers_out_of_range_are_refused(ldir: Path, name: str, value: str) -> None:
    assert refused(ldir, f"--{name}", value).startswith(f"command line: --{name}: ")


def test_an_unknown_scheduler_is_refused_with_the_known_ones(ldir: Path) -> None:
    said = refused(ldir, "--scheduler", "slum")
    assert said.startswith("command line: --scheduler: ")
    assert "did you mean slurm? (it was 'slum')" in said
    file = projects_file(ldir, "scheduler = 'slum'")
    said = refused(ldir)
    assert said.startswith(f"{file}:1: --scheduler: ")
    assert "slurm" in said


@pytest.mark.parametrize(("name", "value"), [("RESULTS", "*.png"), ("SET", "k=v"), ("KEEP", "A")])
def test_a_variable_for_several_values_tells_how_to_write_them(
    ldir: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"JOBMON_{name}", value)
    said = refused(ldir)
    assert said.startswith(f"JOBMON_{name}: --{name.lower()}: not JSON\n  -> ")
    assert '["*.png"]' in said


@pytest.mark.parametrize("text", ["maxqsub = \n", "maxqsub 3\n", "[set\n"])
def test_a_file_that_is_no_toml_names_file_and_line(ldir: Path, text: str) -> None:
    file = projects_file(ldir, f"maxcore = 1\n{text}")
    assert refused(ldir).startswith(f"{file}:2: not valid TOML: ")


def test_a_file_that_is_no_text_is_refused(ldir: Path) -> None:
    (ldir / "jobmon.toml").write_bytes(b"binpath = '\xff\xfe'")
    assert "jobmon.toml: not valid TOML" in refused(ldir)


def test_a_missing_value_is_refused() -> None:
    with pytest.raises(UserError, match="--maxqsub: expected one argument"):
        parsed("--maxqsub")


# The command line


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_field_has_an_option_with_help(name: str) -> None:
    parser = Parser(prog="jobmon.py")
    add_settings(parser)
    [action] = [a for a in parser._actions if a.dest == name]
    assert action.option_strings == [option(name)]
    text = Settings.model_fields[name].description
    assert text
    assert (action.help or "").replace("%%", "%").startswith(text)
    assert option(name) in parser.format_help()


def test_help_tells_defaults() -> None:
    parser = Parser(prog="jobmon.py")
    add_settings(parser)
    text = " ".join(parser.format_help().split())
    for name, default in {"maxqsub": 4, "maxcore": 16, "interval": 10, "scheduler": "auto"}.items():
        assert option(name) in text
        assert f"(default {default})" in text


@pytest.mark.parametrize("shortened", ["--maxq", "--remo", "--dry", "--re"])
def test_options_are_never_abbreviated(shortened: str) -> None:
    with pytest.raises(UserError, match=f"unknown option {shortened}"):
        parsed(shortened, "3")


def test_a_verb_of_a_companion_does_not_abbreviate_either() -> None:
    top = Parser(prog="jobauto")
    verb = top.add_subparsers(dest="verb").add_parser("init")
    verb.add_argument("--each")
    with pytest.raises(UserError, match="unknown option --eac"):
        top.parse(["init", "--eac", "x"])


def test_set_takes_pairs_over_and_over() -> None:
    given = parsed("--set", "a=1", "b=x=y", "--set", "c=", "a=2")
    assert given == {"set": {"a": "2", "b": "x=y", "c": ""}}


@pytest.mark.parametrize("word", ["novalue", "=v", ""])
def test_set_wants_pairs(word: str) -> None:
    with pytest.raises(UserError, match=f"--set: '{word}' is not of the form key=value"):
        parsed("--set", word)


def test_results_takes_several_patterns_over_and_over() -> None:
    given = parsed("--results", "*.png", "out/*", "--maxqsub", "3", "--results", "x")
    assert given == {"results": ["*.png", "out/*", "x"], "maxqsub": "3"}


def test_what_is_not_given_stays_out() -> None:
    assert parsed() == {}
    assert parsed("--once") == {"once": True}


def test_pairs_can_be_an_option_of_a_verb() -> None:
    parser = Parser(prog="jobauto")
    add_pairs(parser, "--set", "values of the template")
    assert vars(parser.parse(["--set", "k=v"])) == {"set": {"k": "v"}}
    assert vars(parser.parse([])) == {}


# The project's folder, and the remote one


def test_a_missing_ldir_is_said() -> None:
    with pytest.raises(UserError) as error:
        read_options({})
    assert str(error.value) == "--ldir is missing\n  -> name the project's folder: --ldir DIR"


def test_ldir_comes_from_the_same_places(ldir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users_file(ldir, "ldir = '~/by-file'")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert project_folder({}) == Path("/home/somebody/by-file")
    monkeypatch.setenv("JOBMON_LDIR", "/by/variable")
    assert project_folder({}) == Path("/by/variable")
    assert project_folder({"ldir": "by-hand"}) == Path("by-hand")


def test_ldir_is_made_absolute(ldir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ldir.parent)
    chosen, old = read_options({"ldir": "project"})
    assert (chosen.ldir, old) == (ldir.resolve(), None)


def test_a_remote_needs_an_rdir(ldir: Path) -> None:
    with pytest.raises(UserError) as error:
        read_options({"ldir": str(ldir), "remote": "me@cluster"})
    assert str(error.value) == ("--rdir is missing\n  -> name the project's folder on the remote")
    chosen, _ = read_options({"ldir": str(ldir), "remote": "me@cluster", "rdir": "work"})
    assert chosen.rdir == "work"


def test_this_machine_needs_no_rdir(ldir: Path) -> None:
    assert read_options({"ldir": str(ldir)})[0].rdir is None


def test_the_header_is_found_wherever_the_monitor_is_started_again(
    ldir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ldir)
    chosen, _ = read_options({"ldir": ".", "qsubheader": "head"})
    assert chosen.qsubheader == ldir.resolve() / "head"


def a_run(ldir: Path, **options: Any) -> Path:
    """A run folder that remembers `options`."""
    chosen = load({"ldir": ldir, **options}, ldir, {})
    run = runs.plan(chosen, ldir / "20261120_231500")
    run.scheduler, run.rdir = "slurm", f"{chosen.rdir}/20261120_231500"
    run.private.mkdir(parents=True)
    run.save()
    return run.folder


def test_a_run_goes_on_with_what_it_was_started_with(
    ldir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_run(ldir, remote="me@cluster", rdir="w", maxqsub=7, retries=2, set={"k": "v"})
    projects_file(ldir, "retries = 5\ninterval = 3")
    monkeypatch.setenv("JOBMON_RETRIES", "6")
    for given in ({"ldir": str(folder)}, {"ldir": str(ldir), "datedir": folder.name}):
        chosen, old = read_options({**given, "maxqsub": "9"})
        assert old is not None
        assert old.folder == folder
        assert chosen.ldir == ldir
        assert (chosen.remote, chosen.rdir, chosen.set) == ("me@cluster", "w", {"k": "v"})
        assert (chosen.maxqsub, chosen.retries) == (9, 2)


def test_what_one_call_is_to_do_is_of_that_call(ldir: Path) -> None:
    folder = a_run(ldir, once=True)
    chosen, _ = read_options({"ldir": str(folder)})
    assert chosen.once is False
    assert set(Settings.model_fields) >= OF_THE_CALL


@pytest.mark.parametrize(
    ("name", "value"), [("remote", "you@other"), ("rdir", "elsewhere"), ("scheduler", "sge")]
)
def test_a_run_stays_where_its_jobs_are(ldir: Path, name: str, value: str) -> None:
    folder = a_run(ldir, remote="me@cluster", rdir="w")
    with pytest.raises(UserError, match=f"--{name}: this run is on "):
        read_options({"ldir": str(folder), name: value})
    kept = {"remote": "me@cluster", "rdir": "w", "scheduler": "slurm"}
    read_options({"ldir": str(folder), name: kept[name]})


def test_an_unknown_date_lists_the_runs_there_are(ldir: Path) -> None:
    with pytest.raises(UserError, match="--datedir 2020: no such run\n  -> runs here: none"):
        read_options({"ldir": str(ldir), "datedir": "2020"})
    a_run(ldir)
    with pytest.raises(UserError, match="runs here: 20261120_231500"):
        read_options({"ldir": str(ldir), "datedir": "2020"})


def test_numbers_in_a_toml_set_are_texts(ldir: Path) -> None:
    projects_file(ldir, "[set]\nk = 4\nx = 0.5")
    assert loaded(ldir).set == {"k": "4", "x": "0.5"}


@pytest.mark.parametrize("key", ["my-key", "my__key", "2d", "_x"])
def test_a_key_that_cannot_stand_in_a_placeholder_is_refused(ldir: Path, key: str) -> None:
    with pytest.raises(UserError, match="cannot stand in __key__"):
        loaded(ldir, "--set", f"{key}=v")


def test_an_endless_interval_is_refused(ldir: Path) -> None:
    with pytest.raises(UserError, match="--interval"):
        loaded(ldir, "--interval", "inf")


def test_a_message_names_twenty_of_many_known_names() -> None:
    assert near("xyz", [f"m{n:03}" for n in range(500)]).endswith("m018, m019 and 480 more")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([], "local"),
        (["--hostname", "coulson"], "coulson"),
        (["--hostname", "coulson", "--username", "me"], "me@coulson"),
        (["--hostname", "you@coulson", "--username", "me"], "you@coulson"),
        (["--hostname", "coulson", "--remote", "local", "--username", "me"], "local"),
        (["--hostname", "coulson", "--remote", "other", "--username", "me"], "me@other"),
        (["--remote", "you@other", "--username", "me"], "you@other"),
        (["--username", "me"], "local"),
    ],
)
def test_a_host_and_a_name_for_all_runs(ldir: Path, given: list[str], wanted: str) -> None:
    assert loaded(ldir, *given).remote == wanted


def test_a_host_and_a_name_in_a_file_do_not_move_a_run(ldir: Path) -> None:
    users_file(ldir, 'hostname = "coulson"\nusername = "me"\n')
    assert loaded(ldir).remote == "me@coulson"
    assert loaded(ldir, remote="other").remote == "other"
    assert loaded(ldir, remote="local").remote == "local"

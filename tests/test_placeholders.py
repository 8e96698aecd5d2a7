"""`__name__` in scripts: what is replaced, what may stay, and what the person is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import make

from jobauto import run as runs
from jobauto.copying import Filler
from jobauto.errors import JobautoError
from jobauto.model import Job
from jobauto.placeholders import PYTHON, expand, hint, left_over
from jobauto.settings import Settings

ALL = """\
#!/bin/sh
__HEADER__
cd __cwd__
export PATH=__binpath__:$PATH
__pythonpath__ work.py --cores __maxcore__ --name __jobname__ --k __k__ --mesh __k_mesh__
"""


def chosen(ldir: Path, **values: object) -> Settings:
    fields = {n: f.get_default(call_default_factory=True) for n, f in Settings.model_fields.items()}
    return Settings.model_construct(**{**fields, "ldir": ldir, **values})


def filled(tmp_path: Path, text: str, job: Job, **values: object) -> str:
    """The script of `job` as it is to be submitted."""
    make(tmp_path, {job.name: text})
    fill = runs.filler(chosen(tmp_path, **values), "/home/me/si/20261120_231500", "20261120_231500")
    made, problems = fill.text(tmp_path, job)
    assert problems == []
    return made


def test_every_placeholder_of_the_design_is_replaced(tmp_path: Path) -> None:
    header = make(tmp_path, {"header": "#$ -N __jobname__\n#$ -pe smp __maxcore__\n"}) / "header"
    made = filled(
        tmp_path,
        ALL,
        Job("mat/mp-149", "1"),
        binpath="/opt/bin",
        pythonpath="/opt/python3",
        maxcore=32,
        qsubheader=header,
        set={"k": "444", "k_mesh": "8 8 8"},
    )
    assert made == (
        "#!/bin/sh\n"
        "#$ -N mp-149\n"
        "#$ -pe smp 32\n"
        "cd /home/me/si/20261120_231500/mat/mp-149\n"
        "export PATH=/opt/bin:$PATH\n"
        "/opt/python3 work.py --cores 32 --name mp-149 --k 444 --mesh 8 8 8\n"
    )


def test_a_job_in_the_run_folder_itself_is_named_after_the_run(tmp_path: Path) -> None:
    made = filled(tmp_path, "__jobname__ __cwd__", Job("", "0"))
    assert made == "20261120_231500 /home/me/si/20261120_231500"


def test_neighbours_are_replaced_each() -> None:
    assert expand("__a____b__x__a__", {"a": "1", "b": "2"}) == "12x1"


def test_what_a_value_holds_is_not_expanded_again() -> None:
    assert expand("__a__", {"a": "__b__", "b": "2"}) == "__b__"


def test_a_header_that_names_itself_does_not_go_on_for_ever() -> None:
    made = expand("__HEADER__", {"HEADER": "x __HEADER__"})
    assert left_over(made) == [(1, "HEADER")]


def test_a_header_is_expanded_once_with_the_values_of_the_job() -> None:
    assert expand("__HEADER__!", {"HEADER": "N=__jobname__", "jobname": "Si"}) == "N=Si!"


@pytest.mark.parametrize(
    "line",
    [
        'if __name__ == "__main__":',
        "def __init__(self): super().__init__()",
        "HERE = os.path.dirname(__file__)",
        "print(__version__, __doc__)",
        "from __future__ import annotations",
        "def __enter__(self): ...",
        "def __getitem__(self, k): ...",
    ],
)
def test_pythons_own_names_are_left_alone(line: str) -> None:
    assert expand(line, {"k": "1"}) == line
    assert left_over(line) == []


def test_no_placeholder_of_the_design_is_taken_for_pythons_own() -> None:
    ours = {"binpath", "pythonpath", "maxcore", "jobname", "cwd", "HEADER"}
    assert not ours & PYTHON


def test_one_left_over_is_found_with_its_line() -> None:
    text = "#!/bin/sh\n\ncd __cwd__\r\nrun __a__ then __b_2__\n__a__"
    assert left_over(text) == [(3, "cwd"), (4, "a"), (4, "b_2"), (5, "a")]


def test_underscores_that_are_no_placeholder_are_passed_over() -> None:
    assert left_over("____ __ _a_ __1__ a__b ___ __a_ _b__") == []


def test_keep_lets_a_name_stay() -> None:
    assert left_over("__CUDA__ __x__", keep=["CUDA"]) == [(1, "x")]
    assert left_over("__CUDA__", keep=["__CUDA__"]) == []


def test_keep_reaches_the_scripts(tmp_path: Path) -> None:
    assert filled(tmp_path, "__CUDA__", Job("a", "0"), keep=["CUDA"]) == "__CUDA__"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("binpath", "give --binpath DIR"),
        ("pythonpath", "give --pythonpath PROGRAM"),
        ("HEADER", "give --qsubheader FILE"),
        ("nk", "give --set nk=VALUE, or --keep nk if it is to stay"),
    ],
)
def test_the_error_tells_where_it_is_and_what_to_do(tmp_path: Path, name: str, advice: str) -> None:
    make(tmp_path, {"a/qsub.0": f"#!/bin/sh\n__{name}__\n"})
    _, [problem] = Filler({}, "/r").text(tmp_path, Job("a", "0"))
    assert hint(name) == advice
    assert str(problem) == (f"a/qsub.0:2: placeholder __{name}__ is left over\n  -> {advice}")


def test_a_header_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobautoError, match="--qsubheader: No such file") as error:
        runs.filler(chosen(tmp_path, qsubheader=tmp_path / "gone"), "/r", "x")
    assert str(tmp_path / "gone") in str(error.value)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=60))
def test_text_without_placeholders_is_not_touched(text: str) -> None:
    if "__" not in text:
        assert expand(text, {"a": "1", "HEADER": "h"}) == text
        assert left_over(text) == []


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(["k", "Nk", "B2", "x9z"]), min_size=1, max_size=3).map("_".join),
    st.text(st.characters(exclude_characters="_"), max_size=10),
)
def test_every_key_is_replaced_wherever_it_stands(key: str, around: str) -> None:
    text = f"{around}__{key}__{around}\n__{key}__"
    assert expand(text, {key: "V"}) == f"{around}V{around}\nV"
    if key not in PYTHON:
        assert {name for _, name in left_over(text)} == {key}

"""What is sent in which form, and which files from a service count as whole."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from PIL import Image
from simulator import SERVICE
from stepping import folder
from trees import make

from jobauto.clock import Clock
from jobauto.steps import whole
from jobauto.steps.doing import Doing
from jobauto.steps.downloads import keep
from jobauto.steps.folders import read_folder
from jobauto.steps.link import Doubt, Link, StepFailed
from jobauto.steps.reading import read_service
from jobauto.steps.service import Download


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    image = Image.frombytes("RGB", (40, 30), bytes(n * 7 % 256 for n in range(40 * 30 * 3)))
    image.save(out, kind)
    return out.getvalue()


def packed() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("table.csv", "1,2,3\n" * 50)
    return out.getvalue()


def box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


FILES: dict[str, Callable[[], bytes]] = {
    "png": lambda: picture("PNG"),
    "jpeg": lambda: picture("JPEG"),
    "gif": lambda: picture("GIF"),
    "zip": packed,
    "json": lambda: json.dumps({"a": [1, 2, 3]}).encode(),
    "mp4": lambda: box(b"ftyp", b"isom" * 3) + box(b"moov", b"m" * 40) + box(b"mdat", b"d" * 99),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_whole_file_counts_and_one_cut_anywhere_does_not(tmp_path: Path, kind: str) -> None:
    data, file = FILES[kind](), tmp_path / "file"
    file.write_bytes(data)
    assert whole.fault(file, kind) == ""
    for length in {*range(0, len(data), 7), *range(len(data) - 12, len(data))}:
        file.write_bytes(data[:length])
        assert whole.fault(file, kind), length
    file.write_bytes(b"<html>Bad Gateway</html>")
    assert whole.fault(file, kind) == f"it is no whole {kind}"


@pytest.mark.parametrize(
    ("send", "body", "query"),
    [
        ("json", b'{"p":{"x":1},"who":"a b","model":"7"}', ""),
        ("form", b"p=%7B%22x%22%3A+1%7D&who=a+b&model=7", ""),
        ("query", b"", "p=%7B%22x%22%3A%201%7D&who=a%20b&model=7"),
    ],
)
def test_parameters_are_sent_as_the_service_wants_them(
    tmp_path: Path, send: str, body: bytes, query: str
) -> None:
    text = SERVICE.format(address="http://127.0.0.1:9")
    told = f'[steps.galaxy1]\nsend = "{send}"\nfields = {{ who = "a b", model = "{{model}}" }}'
    chain = {"galaxy1": {"x": 1}, "galaxy2": 0, "merge": 0, "interact": 0}
    make(tmp_path, {"s.toml": text.replace("[steps.galaxy1]", told, 1), **folder("a", chain)})
    service = read_service(tmp_path / "s.toml")
    found = read_folder(service, tmp_path / "a")
    doing = Doing(service, "7", tmp_path / "a", found, Link(service), Clock(), print)
    url, sent = doing.request(found.steps["galaxy1"])
    request = httpx.Request("POST", url, **sent)
    doing.link.close()
    assert request.read().replace(b": ", b":").replace(b", ", b",") == body
    assert request.url.query.decode().replace("+", "%20") == query


def got(tmp: Path, one: Download, data: bytes, answer: object = None, **headers: str) -> Path:
    """What is there when a service has answered with these bytes and headers."""

    def respond(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(data))

    with (
        httpx.Client(transport=httpx.MockTransport(respond)) as client,
        client.stream("GET", "http://x/") as response,
    ):
        keep(response, one, tmp / one.to, answer)
    return tmp / one.to


def test_a_file_counts_if_its_sha256_is_as_the_service_says(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"data").hexdigest()
    by_header = Download(to="a", sha256="header:X-Sum")
    by_field = Download(to="b", sha256="field:sums.b")
    headers = {"x-sum": f"sha256:{digest.upper()}"}
    assert got(tmp_path, by_header, b"data", **headers).read_bytes() == b"data"
    assert got(tmp_path, by_field, b"data", {"sums": {"b": digest}}).read_bytes() == b"data"
    with pytest.raises(Doubt, match="another sha256"):
        got(tmp_path, by_header, b"date", **headers)
    with pytest.raises(StepFailed, match="does not say the sha256"):
        got(tmp_path, by_header, b"data")
    assert (tmp_path / "a").read_bytes() == b"data"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]

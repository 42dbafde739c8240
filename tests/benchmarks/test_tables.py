"""The tables of scenarios and contenders: who takes part in what, and that the applications answer as is expected."""

from __future__ import annotations

import importlib.util
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from comparison import contenders
from comparison.contenders import CONTENDERS, LIMIT, Contender, Files, choose
from comparison.scenarios import APPS, IDLE, KB, MB, SCENARIOS, Scenario, filled

FILES = Files(*map(Path, ("/launch.py", "/limit", "/client", "/access.log", "/cert.pem", "/key.pem")))
BY_NAME = {one.name: one for one in SCENARIOS}


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the WSGI applications."""
    monkeypatch.syspath_prepend(str(APPS))
    spec = importlib.util.spec_from_file_location("plain_wsgi", APPS / "plain_wsgi.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(application: Any, **environ: Any) -> bytes:
    def start_response(status: str, fields: list[tuple[str, str]]) -> None:
        assert status == "200 OK"
        known.update(fields)

    known: dict[str, str] = {}
    pieces: Iterable[bytes] = application(environ, start_response)
    content = b"".join(pieces)
    assert known["Content-Length"] == str(len(content))
    return content


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(SCENARIOS)
    assert len({one.name for one in CONTENDERS}) == len(CONTENDERS)


def test_both_interfaces_both_sizes_and_three_numbers_of_connections_are_there() -> None:
    plain = {f"{interface}-{size}-{count}" for interface in ("wsgi", "asgi") for size in ("500b", "12kb")
             for count in (1, 40, 1000)}  # fmt: skip
    assert plain <= BY_NAME.keys()
    assert {BY_NAME[name].size for name in plain} == {500, 12 * KB}


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_what_else_is_asked_of_both_interfaces(interface: str) -> None:
    assert BY_NAME[f"{interface}-close"].close
    assert BY_NAME[f"{interface}-pipelined"].pipeline == 16
    assert (BY_NAME[f"{interface}-post-1kb"].body, BY_NAME[f"{interface}-post-1mb"].body) == (KB, MB)
    assert BY_NAME[f"{interface}-file"].size == 100 * MB
    assert BY_NAME[f"{interface}-idle"].idle == IDLE == 10_000
    assert BY_NAME[f"{interface}-2-workers"].workers == 2
    assert BY_NAME[f"{interface}-access-log"].role == "log"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_asteri_takes_part_in_every_scenario_twice_and_is_the_first(scenario: Scenario) -> None:
    first, second = choose(scenario, [])[:2]
    assert dict(first.environment) == {"ASTERI_IMPL": "native"}
    assert dict(second.environment) == {"ASTERI_IMPL": "python"}
    assert (first.baseline, second.command) == (True, first.command)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_every_command_names_only_what_there_is(scenario: Scenario) -> None:
    for one in choose(scenario, []):
        words = one.arguments(scenario, 8123, FILES)
        assert any("8123" in word for word in words), one.name
        assert one.name == LIMIT or scenario.application in words, one.name


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_an_application_is_a_file_and_a_name_in_it(scenario: Scenario) -> None:
    module, _, attribute = scenario.application.partition(":")
    source = (APPS / f"{module}.py").read_text()
    assert f"def {attribute}(" in source or f"\n{attribute} = " in source


@pytest.mark.parametrize(
    ("name", "there", "absent"),
    [
        ("wsgi-500b-40", {LIMIT, "gunicorn sync", "bjoern"}, {"freastal asgi", "gunicorn gthread, 4 threads"}),
        ("wsgi-pipelined", {LIMIT, "gunicorn gthread"}, {"gunicorn sync"}),
        ("wsgi-idle", {LIMIT, "gunicorn gevent"}, {"gunicorn sync"}),
        ("wsgi-post-1kb", {"freastal wsgi"}, {LIMIT}),
        ("wsgi-flask", {"freastal wsgi"}, {LIMIT}),
        ("asgi-1ms", {"freastal asgi"}, {LIMIT}),
        ("wsgi-2-workers", {"granian wsgi"}, {"waitress"}),
        ("wsgi-threads", {"gunicorn gthread, 4 threads", "granian wsgi, 4 threads"}, {"gunicorn gthread", LIMIT}),
        ("wsgi-access-log", {"asteri sync, no log", "asteri sync, access log"}, {"asteri sync", "bjoern", LIMIT}),
    ],
)
def test_who_takes_part(name: str, there: set[str], absent: set[str]) -> None:
    names = {one.name for one in choose(BY_NAME[name], [])}
    assert there <= names
    assert not absent & names


def test_those_who_were_named_are_compared_with_the_first_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders, "version_of", lambda name: None if name == "asteri-native" else "1")
    names = [one.name for one in choose(BY_NAME["wsgi-500b-40"], ["gunicorn*th"])]
    assert names == ["asteri sync, in Python", "gunicorn gthread"]


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders, "version_of", lambda name: "1" if name == "here" else None)
    one = Contender(name="one", interfaces=("wsgi",), command="", distributions=("here", "not-here"))
    assert one.missing == ["not-here"]


@pytest.mark.parametrize(("name", "attribute"), [("wsgi-500b-1", "small"), ("wsgi-12kb-1", "large")])
def test_the_applications_answer_as_is_expected(plain: Any, name: str, attribute: str) -> None:
    assert BY_NAME[name].answered_by(call(getattr(plain, attribute)))


@pytest.mark.parametrize(("target", "answer"), [("/", b"9"), ("/digest", b"9 874b4a4d")])
def test_a_body_is_answered_with_its_length_and_on_request_its_digest(plain: Any, target: str, answer: bytes) -> None:
    environ = {"wsgi.input": io.BytesIO(filled(9)), "CONTENT_LENGTH": "9", "PATH_INFO": target}
    assert call(plain.sink, **environ) == answer


def test_the_file_is_sent_whole(plain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(filled(200_000))
    monkeypatch.setitem(os.environ, "BENCH_FILE", str(tmp_path / "file"))
    assert call(plain.file) == filled(200_000)


@pytest.mark.parametrize("content", [b"", b"Asteri", filled(499), filled(501)])
def test_another_content_is_no_answer(content: bytes) -> None:
    assert not BY_NAME["wsgi-500b-1"].answered_by(content)

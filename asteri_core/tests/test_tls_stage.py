"""TLS around a connection, with a client of OpenSSL in memory: no socket, no clock."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from asteri_core.api import CLOSE, RESET, Failed, FileSlice, Finished, Peer, Started, TlsError
from asteri_core.core_settings import TlsSettings
from asteri_core.sansio.router import FIRST_WORDS
from asteri_core.tls.contexts import Contexts
from asteri_core.tls.stage import PIECE, TlsStage

PEER = Peer(("192.0.2.1", 5), ("192.0.2.2", 443))


class Inner:
    """A connection that notes what it is told, and gives what it is given to give."""

    def __init__(self, peer: Peer, now: float) -> None:
        self.wake: Any = None
        self.peer = peer
        self.wants_data = True
        self.received = b""
        self.calls: list[Any] = []
        self.sent: list[Any] = []
        self.happened: list[Any] = []
        self.due: float | None = None

    def receive_data(self, data: bytes, now: float) -> None:
        self.received += data

    def receive_eof(self, now: float) -> None:
        self.calls.append("eof")

    def lost(self, now: float) -> None:
        self.calls.append("lost")
        self.happened.append(Finished("exchange"))  # type: ignore[arg-type]

    def events(self) -> list[Any]:
        events, self.happened = self.happened, []
        return events

    def data_to_send(self, now: float) -> list[Any]:
        sent, self.sent = self.sent, []
        return sent

    def deadline(self) -> float | None:
        return self.due

    def expire(self, now: float) -> None:
        self.calls.append(("expire", now))

    def drain(self, until: float, now: float) -> None:
        self.calls.append(("drain", until))


class Talk:
    """A stage and its client. ``step`` cuts what goes to the stage."""

    def __init__(self, contexts: Contexts, client: ssl.SSLContext, step: int = 65536) -> None:
        self.made: list[Inner] = []
        self.stage = TlsStage(contexts.wrap, contexts.facts, self.choose, PEER, 0.0, 10.0)
        self.step = step
        self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self.into, self.out, server_hostname="localhost")
        self.events: list[Any] = []
        self.ends: list[Any] = []
        self.largest = 0

    def choose(self, peer: Peer, now: float) -> Any:
        self.made.append(Inner(peer, now))
        return self.made[-1]

    @property
    def inner(self) -> Inner:
        return self.made[0]

    def turn(self) -> None:
        """Everything that there is goes to the other side, both ways, until nothing is left."""
        while True:
            data = self.out.read()
            for at in range(0, len(data), self.step):
                self.stage.receive_data(data[at : at + self.step], 1.0)
                self.events += self.stage.events()
            self.events += self.stage.events()
            pieces = self.stage.data_to_send(1.0)
            for piece in pieces:
                assert not self.ends, "bytes after the end"
                if len(piece):  # type: ignore[arg-type]
                    self.largest = max(self.largest, len(piece))  # type: ignore[arg-type]
                    self.into.write(piece)  # type: ignore[arg-type]
                else:
                    self.ends.append(piece)
            if not data and not pieces:
                return

    def shake(self) -> None:
        while True:
            try:
                self.client.do_handshake()
            except ssl.SSLWantReadError:
                self.turn()
            else:
                break
        self.turn()

    def read(self) -> bytes:
        data = b""
        while True:
            self.turn()
            try:
                piece = self.client.read(1 << 20)
            except ssl.SSLWantReadError:
                return data
            if not piece:
                return data
            data += piece


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def contexts(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    folder: Path = tmp_path_factory.mktemp("certificates")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return Contexts(TlsSettings(certfile=str(folder / "server.pem")), ("h2", "http/1.1"))


@pytest.fixture(scope="module")
def client(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["http/1.1"])
    return context


@pytest.fixture
def talk(contexts: Contexts, client: ssl.SSLContext) -> Talk:
    made = Talk(contexts, client)
    made.shake()
    return made


@pytest.mark.parametrize("step", [1, 7, 65536])
def test_a_handshake_and_its_bytes_may_come_in_any_pieces(
    contexts: Contexts, client: ssl.SSLContext, step: int
) -> None:
    talk = Talk(contexts, client, step)
    talk.shake()
    tls = talk.inner.peer.tls
    assert tls is not None
    assert (talk.inner.peer.scheme, tls.alpn, tls.version) == ("https", "http/1.1", "TLSv1.3")
    talk.client.write(b"hello" * 1000)
    talk.turn()
    assert talk.inner.received == b"hello" * 1000
    talk.inner.sent = [b"a", bytearray(b"b"), memoryview(b"c"), b"d" * 50000]
    assert talk.read() == b"abc" + b"d" * 50000


def test_what_is_not_wanted_waits_until_it_is(talk: Talk) -> None:
    talk.inner.wants_data = False
    assert not talk.stage.wants_data
    talk.client.write(b"x" * 40000)
    talk.turn()
    assert talk.inner.received == b""
    talk.inner.wants_data = True
    talk.turn()
    assert talk.inner.received == b"x" * 40000


def test_a_client_that_does_not_take_what_tls_itself_says_is_not_read_from(talk: Talk) -> None:
    """As the answers to renegotiations, which are refused, and which no client of OpenSSL asks for twice."""
    while talk.stage.wants_data:
        talk.stage._outgoing.write(bytes(31))
        assert talk.stage._outgoing.pending < 1 << 16
    assert talk.stage.data_to_send(1.0)
    assert talk.stage.wants_data


def test_a_large_answer_is_encrypted_a_bounded_piece_at_a_time(talk: Talk) -> None:
    content = bytes(range(256)) * 20000
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        talk.inner.sent = [b"head", content, FileSlice(file, 256, len(content) - 256), b"tail"]
        assert talk.read() == b"head" + content + content[256:] + b"tail"
    assert talk.largest < PIECE * 1.1


@pytest.mark.parametrize(("end", "given"), [(b"", b""), (CLOSE, b""), (RESET, RESET)], ids=["half", "close", "reset"])
def test_the_end_is_told_to_the_client_unless_it_is_a_cut(talk: Talk, end: Any, given: Any) -> None:
    talk.inner.sent = [b"last", end]
    talk.turn()
    assert len(talk.ends) == 1
    assert (talk.ends[0] is RESET) is (given is RESET)
    assert talk.client.read() == b"last"
    if end is RESET:
        with pytest.raises(ssl.SSLWantReadError):
            talk.client.read()
    else:
        assert talk.client.read() == b"", "close_notify"
    assert not talk.stage.wants_data
    assert not talk.stage.data_to_send(2.0)


def test_the_clients_close_notify_is_the_end_of_its_bytes(talk: Talk) -> None:
    talk.client.write(b"last")
    with pytest.raises(ssl.SSLWantReadError):
        talk.client.unwrap()
    talk.turn()
    assert (talk.inner.received, talk.inner.calls) == (b"last", ["eof"])


def test_an_end_without_it_is_told_as_well(talk: Talk) -> None:
    talk.stage.receive_eof(2.0)
    assert talk.inner.calls == ["eof"]


def test_a_forged_record_ends_what_runs_inside(talk: Talk) -> None:
    talk.inner.happened = [Started("exchange")]  # type: ignore[arg-type]
    talk.stage.receive_data(b"\x17\x03\x03\x00\x20" + b"x" * 32, 1.0)
    talk.turn()
    assert talk.inner.calls == ["lost"]
    assert [type(event) for event in talk.events] == [Started, Finished, Failed]
    assert isinstance(talk.events[-1].error, TlsError)
    assert talk.ends == [RESET]


def test_a_file_that_is_shorter_than_announced_cuts_the_connection(talk: Talk) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"short")
        file.flush()
        talk.inner.sent = [FileSlice(file, 0, 50)]
        talk.turn()
    assert talk.ends[0] is RESET
    assert talk.inner.calls == ["lost"]


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x00\x05hello", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff"])
def test_what_is_no_handshake_is_told_and_closed(contexts: Contexts, client: ssl.SSLContext, data: bytes) -> None:
    talk = Talk(contexts, client)
    talk.stage.receive_data(data, 1.0)
    talk.stage.receive_eof(1.0)
    talk.turn()
    (event,) = talk.events
    assert isinstance(event.error, TlsError)
    assert talk.ends == [b""]


def test_a_name_that_is_not_ascii_fails_as_any_handshake_does_and_writes_nothing_itself(
    contexts: Contexts, client: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", written.append)
    talk = Talk(contexts, client)
    with contextlib.suppress(ssl.SSLWantReadError):
        talk.client.do_handshake()
    hello = talk.out.read()
    talk.stage.receive_data(hello.replace(b"localhost", b"local\xffost"), 1.0)
    [failed] = talk.stage.events()
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, TlsError)
    assert written == []


def test_a_handshake_has_a_deadline_and_what_is_inside_its_own(contexts: Contexts, client: ssl.SSLContext) -> None:
    talk = Talk(contexts, client)
    assert talk.stage.deadline() == 10.0
    talk.stage.expire(9.0)
    assert not talk.stage.events()
    late = Talk(contexts, client)
    late.stage.expire(10.0)
    assert "time-out" in str(late.stage.events()[0].error)  # type: ignore[union-attr]
    talk.shake()
    assert talk.stage.deadline() is None
    talk.inner.due = 30.0
    assert talk.stage.deadline() == 30.0
    talk.stage.expire(30.0)
    talk.stage.drain(40.0, 31.0)
    assert talk.inner.calls == [("expire", 30.0), ("drain", 40.0)]


def test_a_drain_before_the_handshake_reaches_what_comes_inside(contexts: Contexts, client: ssl.SSLContext) -> None:
    talk = Talk(contexts, client)
    talk.stage.drain(5.0, 0.0)
    assert talk.stage.deadline() == 5.0
    talk.shake()
    assert talk.inner.calls == [("drain", 5.0)]


def test_who_has_just_come_has_a_moment_for_the_handshake_and_the_first_request(
    contexts: Contexts, client: ssl.SSLContext
) -> None:
    talk = Talk(contexts, client)
    talk.stage.drain(0.0, 0.0)
    assert talk.stage.deadline() == FIRST_WORDS
    talk.shake()
    assert talk.inner.calls == [("drain", 1.0 + FIRST_WORDS)]


def test_waking_inside_wakes_the_driver(talk: Talk) -> None:
    woken: list[int] = []
    talk.stage.wake = lambda: woken.append(1)
    talk.inner.wake()
    assert woken == [1]


@pytest.fixture(autouse=True)
def _nothing_is_left(talk: Talk) -> Iterator[None]:
    yield
    talk.stage.lost(3.0)
    assert not talk.stage.wants_data
    assert not talk.stage.data_to_send(3.0)


def test_an_answer_after_an_end_without_close_notify_still_goes_out(talk: Talk) -> None:
    talk.stage.receive_eof(2.0)
    talk.inner.sent = [b"all the same", b""]
    talk.turn()
    assert talk.client.read() == b"all the same"
    assert len(talk.ends) == 1

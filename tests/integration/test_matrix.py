"""Every protocol on every worker model with every interface, as the registry has them, on real server processes, in
cleartext and over TLS.

A protocol brings its table, ``conversations/<protocol>.py``, as does a codec, and an interface its application,
``applications/<interface>.py``; what is registered without is a failure. Nothing here names one of them.
"""

from __future__ import annotations

import importlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from asteri_core.registry import Registry
from asteri_core.testing import RunningServer, running_server
from worker_models import Model, models, provided

HERE = Path(__file__).parent
PROTOCOLS = [*provided("protocol"), *provided("codec")]
"""What brings conversations."""
INTERFACES = provided("interface")


def conversations() -> list[Any]:
    """Every conversation of every protocol that has a table, in cleartext and over TLS."""
    tables = [name for name in PROTOCOLS if (HERE / "conversations" / f"{name}.py").exists()]
    found = []
    for name in tables:
        module = importlib.import_module(f"conversations.{name}")
        for conversation in module.CONVERSATIONS:
            apart = conversation in getattr(module, "CLEARTEXT_ONLY", ())
            found += [
                pytest.param((conversation, transport, offers(name)), id=f"{name}-{transport}-{conversation.__name__}")
                for transport in (("tcp",) if apart else ("tcp", "tls"))
            ]
    return found


def combinations() -> list[Any]:
    """Every worker model with every interface that has an application."""
    applications = [name for name in INTERFACES if (HERE / "applications" / f"{name}.py").exists()]
    return [pytest.param((model, name), id=f"{model.name}-{name}") for model in models() for name in applications]


def offers(name: str) -> str:
    """What a client of this protocol says in ALPN, where the conversation does not say it; empty for nothing."""
    alpn = {spec.name: spec.alpn for spec in Registry.load().protocols}.get(name, ())
    return alpn[0] if alpn else ""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, trustme.CA]:
    """A certificate for the server, and who has made it."""
    path, authority = tmp_path_factory.mktemp("certificates") / "server.pem", trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(path))
    return path, authority


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, authority: tuple[Path, trustme.CA], implementation: str
) -> Iterator[RunningServer]:
    model: Model
    model, interface = request.param
    options = ("--interface", interface, "--certfile", str(authority[0]), *model.options)
    with running_server(f"{interface}:app", *options, cwd=HERE / "applications") as server:
        workers = server.workers()
        yield server
        assert server.workers() == workers, "\n".join(server.lines)
        assert server.stop() == 0


@pytest.mark.parametrize("server", combinations(), indirect=True, scope="module")
@pytest.mark.parametrize("conversation", conversations())
def test_matrix(server: RunningServer, conversation: Any, authority: tuple[Path, trustme.CA]) -> None:
    talk, transport, usual = conversation

    def connect(alpn: str = usual) -> socket.socket:
        peer = server.connect()
        if transport == "tcp":
            return peer
        context = ssl.create_default_context()
        authority[1].configure_trust(context)
        context.set_alpn_protocols([alpn] if alpn else [])
        return context.wrap_socket(peer, server_hostname="localhost")

    talk(connect)


def test_every_protocol_has_conversations() -> None:
    assert PROTOCOLS
    assert [name for name in PROTOCOLS if not (HERE / "conversations" / f"{name}.py").exists()] == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_conversation_is_in_its_table(protocol: str) -> None:
    module = importlib.import_module(f"conversations.{protocol}")
    functions = {
        value
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
    }
    assert functions == set(module.CONVERSATIONS)


def test_every_interface_has_an_application() -> None:
    assert INTERFACES
    assert [name for name in INTERFACES if not (HERE / "applications" / f"{name}.py").exists()] == []


def test_nothing_is_left_out_because_a_dependency_is_missing() -> None:
    registry = Registry.load()
    wanted = {(kind, name) for kind in ("protocol", "codec", "interface", "worker") for name in provided(kind)}
    assert {key: why for key, why in registry.unavailable.items() if key in wanted} == {}

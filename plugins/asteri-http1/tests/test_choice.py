"""Which of the twins serves."""

from __future__ import annotations

import sys

import pytest
from asteri_core.api import Peer, PluginError
from asteri_http.settings import HttpSettings
from asteri_http1 import plugin
from asteri_http1.connection import Http1Connection

PEER = Peer(("192.0.2.1", 50000), ("192.0.2.2", 80))


@pytest.mark.parametrize(("word", "kind"), [("python", Http1Connection), ("native", None), ("", None)])
def test_the_environment_says_which_twin_serves(monkeypatch, word, kind):
    monkeypatch.setenv("ASTERI_IMPL", word)
    connection = plugin.bind({HttpSettings: HttpSettings()})(PEER, 0.0)
    assert (type(connection) is Http1Connection) == (kind is Http1Connection)


def test_native_is_refused_where_it_has_not_been_built(monkeypatch):
    monkeypatch.setitem(sys.modules, "asteri_http1._native", None)
    with pytest.raises(PluginError, match=r"asteri_http1\._native cannot be imported"):
        plugin.bind_native({HttpSettings: HttpSettings()})

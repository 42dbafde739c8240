"""What the plugin registers, through the registry as the server uses it."""

from __future__ import annotations

import logging

import pytest
from asteri_core.api import ApplicationContext, Colour
from asteri_http.settings import HttpSettings
from asteri_wsgi import _native, handler, plugin


def test_wsgi_is_blocking_and_asked_last():
    (spec,) = plugin.asteri_interfaces()
    assert (spec.name, spec.colour, spec.order, spec.native) == ("wsgi", Colour.BLOCKING, 1000, "asteri_wsgi._native")
    assert spec.recognises(lambda environ, start_response: [])


@pytest.mark.parametrize(
    ("forced", "twin"),
    [("python", handler.WSGIHandler), ("native", _native.WSGIHandler), ("", _native.WSGIHandler)],
)
def test_the_handler_is_the_twin_that_is_asked_for(monkeypatch, forced, twin):
    monkeypatch.setenv("ASTERI_IMPL", forced)
    (spec,) = plugin.asteri_interfaces()
    context = ApplicationContext(False, False, logging.getLogger("asteri.test"))
    assert type(spec.bind(lambda environ, start_response: [], {HttpSettings: HttpSettings()}, context)) is twin


@pytest.mark.parametrize("forced", ["python", "native"])
def test_root_path_of_the_settings_is_script_name(client, monkeypatch, forced):
    monkeypatch.setenv("ASTERI_IMPL", forced)
    seen = {}

    def application(environ, start_response):
        seen.update(environ)
        start_response("204 No Content", [])
        return []

    (spec,) = plugin.asteri_interfaces()
    config = {HttpSettings: HttpSettings(root_path="/mounted")}
    one = client(application)
    one.handler = spec.bind(application, config, ApplicationContext(False, False, logging.getLogger("asteri.test")))
    one.handler.startup()
    one.request(b"GET /mounted/x HTTP/1.1\r\nHost: e\r\n\r\n")
    one.handler.shutdown()
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/mounted", "/x")
    assert plugin.asteri_settings() == [HttpSettings]

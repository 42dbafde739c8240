"""Plugins: found through entry points, checked, set aside when broken, refused when they clash."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from asteri_core.api import Colour, InterfaceSpec, ProtocolSpec, Sniff, WorkerSpec, hookimpl, setting
from asteri_core.assembly import assemble
from asteri_core.discovery import Candidate
from asteri_core.errors import ConfigurationError, PluginError
from asteri_core.registry import PluginInfo, Registry

from asteri_core import core_settings


def protocol(name: str, order: int = 50, token: str = "", **facts: Any) -> ProtocolSpec:
    return ProtocolSpec(name, "words", token or name, order, lambda data: Sniff.YES, lambda config: None, **facts)  # type: ignore[arg-type, return-value]


def interface(name: str, order: int = 100) -> InterfaceSpec:
    return InterfaceSpec(name, "calls", Colour.BLOCKING, callable, lambda *parts: None, order)


def worker(name: str, colour: Colour = Colour.BLOCKING, multithread: bool = False, **facts: Any) -> WorkerSpec:
    return WorkerSpec(name, "works", colour, lambda host: None, multithread, **facts)


class Plugin:
    """A plugin object that provides what it is given."""

    def __init__(self, **provided: Any) -> None:
        self.provided = provided

    @hookimpl
    def asteri_protocols(self) -> Any:
        return self.provided.get("protocols", ())

    @hookimpl
    def asteri_interfaces(self) -> Any:
        return self.provided.get("interfaces", ())

    @hookimpl
    def asteri_workers(self) -> Any:
        return self.provided.get("workers", ())

    @hookimpl
    def asteri_settings(self) -> Any:
        return self.provided.get("settings", ())


def made(**plugins: Any) -> Registry:
    return assemble([Candidate(name, lambda plugin=plugin: plugin) for name, plugin in plugins.items()])  # type: ignore[misc]


def described(registry: Registry, name: str) -> PluginInfo:
    return next(plugin for plugin in registry.plugins if plugin.name == name)


# -- found through entry points --------------------------------------------------------------------------------------


def test_an_installed_plugin_is_found_with_its_distribution_and_version(echo: Any) -> None:
    registry = Registry.load()
    plugin = described(registry, "echo")
    assert (plugin.distribution, plugin.version, plugin.available) == ("third-echo", "1.2.3", True)
    assert [str(line) for line in plugin.provides] == [
        "protocol echo: lines, sent back",
        "settings: echo_limit, echo_secret",
    ]
    assert "echo" in [spec.name for spec in registry.protocols]
    assert "EchoSettings" in [group.__name__ for group in registry.settings]


def test_every_installed_entry_point_is_described() -> None:
    installed = {found.name for found in importlib.metadata.entry_points(group="asteri")}
    assert installed >= {"http1", "wsgi", "asgi", "workers"}
    assert {plugin.name for plugin in Registry.load().plugins} == installed


def test_a_disabled_plugin_is_left_out(echo: Any) -> None:
    registry = Registry.load(["echo"])
    assert "echo" not in [plugin.name for plugin in registry.plugins]
    assert "echo" not in [spec.name for spec in registry.protocols]


def test_disabling_an_unknown_plugin_names_the_nearest(echo: Any) -> None:
    with pytest.raises(PluginError, match="no plugin 'ecko' to disable: did you mean 'echo'"):
        Registry.load(["ecko"])


# -- broken plugins are set aside with the reason --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("1 / 0", "its import failed: ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(7)", r"its import failed: RuntimeError: it called exit\(7\)"),
        ("asteri_api = 99", "it is made for version 99 of the plugin contracts, and this is version 1"),
        ("asteri_api = None", "it is made for version None of the plugin contracts"),
        ("import no_such_module_at_all", "needs the module no_such_module_at_all, which is not installed$"),
    ],
)
def test_a_broken_plugin_is_listed_with_the_reason(plugins: Any, source: str, why: str) -> None:
    plugins.add("broken", source)
    registry = Registry.load()
    plugin = described(registry, "broken")
    assert not plugin.available
    assert re.search(why, plugin.why)


def test_a_missing_dependency_names_the_pip_install_that_mends_it(plugins: Any) -> None:
    plugins.add("broken", "import no_such_lib.part", requires=["No.Such-lib>=2"])
    assert described(Registry.load(), "broken").why == (
        "needs the module no_such_lib, which is not installed: pip install No.Such-lib"
    )


def test_a_missing_dependency_of_an_extra_names_the_extra(plugins: Any) -> None:
    plugins.add("broken", "import no_such_lib", requires=['no-such-lib>=2; extra == "fast"'])
    assert described(Registry.load(), "broken").why.endswith("pip install 'third-broken[fast]'")


def test_a_plugin_whose_module_is_gone_is_listed(plugins: Any) -> None:
    module = plugins.add("gone", None)
    assert described(Registry.load(), "gone").why == f"needs the module {module}, which is not installed"


@dataclass
class Thawed:
    thawed: int = setting(1, "not frozen")


@dataclass(frozen=True, slots=True)
class Bare:
    bare: int = 1


@dataclass(frozen=True, slots=True)
class Odd:
    odd: dict[str, int] = setting(None, "of a type that no setting has")  # noqa: RUF009


@dataclass(frozen=True, slots=True)
class Reserved:
    config: str = setting("", "named as an option")


@pytest.mark.parametrize(
    ("provided", "why"),
    [
        ({"protocols": None}, "asteri_protocols returned None, and a sequence was expected"),
        ({"protocols": "http"}, "asteri_protocols returned 'http', and a sequence was expected"),
        ({"protocols": [1]}, "asteri_protocols returned 1, and a ProtocolSpec was expected"),
        ({"workers": [protocol("x")]}, "and a WorkerSpec was expected"),
        ({"interfaces": [object]}, "and a InterfaceSpec was expected"),
        ({"protocols": [protocol("")]}, "one protocol has no name"),
        ({"protocols": [protocol("x", order="1")]}, "order of its protocol is '1', and int was expected"),  # type: ignore[arg-type]
        ({"protocols": [protocol("x", requires=["y"])]}, "requires of its protocol is"),
        ({"workers": [worker("x", colour="async")]}, "colour of its worker is 'async', and Colour was expected"),  # type: ignore[arg-type]
        ({"settings": [1]}, "asteri_settings returned 1, and a frozen dataclass was expected"),
        ({"settings": [str]}, "and a frozen dataclass was expected"),
        ({"settings": [Thawed]}, "the settings group Thawed is not frozen"),
        ({"settings": [Bare]}, r"Bare.bare is not made by setting\(...\)"),
        ({"settings": [Odd]}, "Odd.odd is declared as dict"),
        ({"settings": [Reserved]}, "the setting 'config' has the name of a command line option"),
    ],
)
def test_wrong_values_from_a_hook_set_the_plugin_aside(provided: dict[str, Any], why: str) -> None:
    good = Plugin(workers=[worker("good")])
    registry = made(bad=Plugin(**provided), good=good)
    plugin = described(registry, "bad")
    assert re.search(why, plugin.why)
    assert plugin.provides == ()
    assert list(registry.workers) == ["good"]
    assert registry.settings == core_settings.GROUPS


def test_a_hook_that_raises_sets_the_plugin_aside() -> None:
    class Raising:
        @hookimpl
        def asteri_workers(self) -> Any:
            raise LookupError("nothing here")

    assert described(made(bad=Raising()), "bad").why == "asteri_workers failed: LookupError: nothing here"


def test_an_unknown_hook_names_the_nearest() -> None:
    class Mistyped:
        @hookimpl
        def asteri_protocol(self) -> Any: ...

    assert "no hook 'asteri_protocol': did you mean 'asteri_protocols'" in described(made(bad=Mistyped()), "bad").why


def test_a_hook_with_a_wrong_parameter_sets_the_plugin_aside() -> None:
    class Curious:
        @hookimpl
        def on_exit(self, server: Any, weather: Any) -> Any: ...

    assert "weather" in described(made(bad=Curious()), "bad").why


def test_a_hook_wrapper_sets_the_plugin_aside() -> None:
    class Wrapping:
        @hookimpl(wrapper=True)
        def asteri_workers(self) -> Any:
            return (yield)

    assert "hook wrapper" in described(made(bad=Wrapping()), "bad").why


# -- clashes are errors that name both -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Depth:
    depth: int = setting(1, "how deep", flags=("-d",))


@dataclass(frozen=True, slots=True)
class OtherDepth:
    depth: int = setting(2, "how deep")


@dataclass(frozen=True, slots=True)
class Binder:
    bind: str = setting("", "taken by the kernel")


@dataclass(frozen=True, slots=True)
class SameFlag:
    width: int = setting(2, "how wide", flags=("-d",))


@pytest.mark.parametrize(
    ("one", "two", "what"),
    [
        ({"workers": [worker("x")]}, {"workers": [worker("x")]}, "'one' and 'two' both provide the worker 'x'"),
        ({"protocols": [protocol("x")]}, {"protocols": [protocol("x")]}, "both provide the protocol 'x'"),
        (
            {"protocols": [protocol("x", token="1")]},
            {"protocols": [protocol("y", token="1")]},
            "both provide the protocol token '1'",
        ),
        ({"interfaces": [interface("x")]}, {"interfaces": [interface("x")]}, "both provide the interface 'x'"),
        (
            {"settings": [Depth]},
            {"settings": [OtherDepth]},
            "Depth of one and OtherDepth of two both declare the setting 'depth'",
        ),
        ({"settings": [Binder]}, {}, "ServerSettings of asteri-core and Binder of one both declare the setting 'bind'"),
        ({"settings": [Depth]}, {"settings": [SameFlag]}, "both declare the setting '-d'"),
    ],
)
def test_two_plugins_that_claim_one_name_are_refused(one: dict[str, Any], two: dict[str, Any], what: str) -> None:
    with pytest.raises(PluginError, match=what):
        made(one=Plugin(**one), two=Plugin(**two))


def test_a_plugin_that_claims_a_name_twice_is_set_aside() -> None:
    registry = made(one=Plugin(workers=[worker("x"), worker("x")]))
    assert described(registry, "one").why == "it provides the worker 'x' twice"


def test_two_plugins_of_one_name_are_refused(plugins: Any) -> None:
    plugins.add("twin", "", distribution="first-twin")
    plugins.add("twin", "", distribution="second-twin")
    with pytest.raises(PluginError, match=r"two plugins are named 'twin': of (first-twin and sec|second-twin and fi)"):
        Registry.load()


def test_a_settings_group_may_be_shared() -> None:
    registry = made(one=Plugin(settings=[Depth]), two=Plugin(settings=[Depth]))
    assert registry.settings == (*core_settings.GROUPS, Depth)


# -- missing modules of one spec -------------------------------------------------------------------------------------


def test_a_spec_whose_module_is_missing_is_listed_and_refused_with_the_same_words() -> None:
    lacking = worker("gevent", requires=("no_such_gevent",), extra="gevent")
    registry = made(one=Plugin(workers=[lacking, worker("sync")]))
    words = "needs no_such_gevent: pip install 'asteri[gevent]'"
    assert list(registry.workers) == ["sync"]
    assert str(described(registry, "one").provides[0]) == f"worker gevent: works (unavailable: {words})"
    with pytest.raises(PluginError) as raised:
        registry.worker("gevent")
    assert str(raised.value) == f"worker 'gevent' is not available: {words}"


def test_a_missing_submodule_of_a_missing_package_is_missing() -> None:
    registry = made(one=Plugin(workers=[worker("x", requires=("no_such_package.part", "json"))]))
    with pytest.raises(PluginError, match=r"needs no_such_package\.part: pip install no_such_package\.part"):
        registry.worker("x")


def test_a_protocol_whose_module_is_missing_is_not_spoken() -> None:
    lacking = protocol("h3", token="3", requires=("no_such_quic",), extra="h3")
    registry = made(one=Plugin(protocols=[lacking, protocol("h1", token="1")]))
    assert [spec.name for spec in registry.protocols_for(())] == ["h1"]
    with pytest.raises(PluginError, match=r"protocol '3' is not available: needs no_such_quic"):
        registry.protocols_for(["3"])


# -- look-ups --------------------------------------------------------------------------------------------------------


def test_protocols_and_interfaces_are_in_ascending_order() -> None:
    registry = made(
        one=Plugin(protocols=[protocol("last", 90), protocol("first", 10)], interfaces=[interface("z", 20)]),
        two=Plugin(protocols=[protocol("middle", 50)], interfaces=[interface("a", 10)]),
    )
    assert [spec.name for spec in registry.protocols] == ["first", "middle", "last"]
    assert [spec.name for spec in registry.interfaces] == ["a", "z"]


def test_http_tokens_choose_protocols_and_keep_their_order() -> None:
    registry = made(one=Plugin(protocols=[protocol("h1", 90, "1"), protocol("h2", 10, "2"), protocol("u", 5, "u")]))
    assert [spec.name for spec in registry.protocols_for(["1", "2"])] == ["h2", "h1"]
    assert [spec.name for spec in registry.protocols_for(["1,2"])] == ["h2", "h1"]
    assert [spec.name for spec in registry.protocols_for(())] == ["u", "h2", "h1"]
    with pytest.raises(PluginError, match="there is no protocol '9': valid are: 1, 2, u"):
        registry.protocols_for(["1", "9"])


def test_unknown_names_are_answered_with_the_nearest_or_all() -> None:
    registry = made(one=Plugin(workers=[worker("sync"), worker("gthread")], interfaces=[interface("wsgi")]))
    with pytest.raises(PluginError, match="there is no worker 'gthreads': did you mean 'gthread'"):
        registry.worker("gthreads")
    with pytest.raises(PluginError, match="there is no worker 'xyz': valid are: gthread, sync"):
        registry.worker("xyz")
    with pytest.raises(PluginError, match="there is no interface 'wsgy': did you mean 'wsgi'"):
        registry.interface("wsgy")


def test_an_unknown_name_is_blamed_on_the_broken_plugin_too() -> None:
    registry = made(bad=Plugin(workers=[1]))
    with pytest.raises(PluginError, match=r"no worker 'sync': there is none; unavailable plugins: bad \(asteri_w"):
        registry.worker("sync")
    with pytest.raises(PluginError, match="no protocol is installed; unavailable plugins: bad"):
        registry.protocols_for(())


def test_tables_are_frozen() -> None:
    registry = made(one=Plugin(workers=[worker("sync")]))
    with pytest.raises(TypeError):
        registry.workers["other"] = worker("other")  # type: ignore[index]
    with pytest.raises(AttributeError):
        registry.protocols = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("colour", "threads", "expected"),
    [
        (Colour.BLOCKING, 1, "sync"),
        (Colour.BLOCKING, 8, "gthread"),
        (Colour.ASYNC, 1, "asgi"),
        (Colour.ASYNC, 8, "asgi"),
    ],
)
def test_the_default_worker_fits_the_interface_whatever_else_is_installed(
    colour: Colour, threads: int, expected: str
) -> None:
    registry = made(
        another=Plugin(workers=[worker("a"), worker("b", multithread=True), worker("c", Colour.ASYNC)]),
        workers=Plugin(workers=[worker("sync"), worker("gthread", multithread=True), worker("asgi", Colour.ASYNC)]),
    )
    assert registry.default_worker(colour, threads).name == expected


def test_the_default_worker_is_of_the_other_colour_when_there_is_no_other() -> None:
    assert made(one=Plugin(workers=[worker("sync")])).default_worker(Colour.ASYNC, 1).name == "sync"
    with pytest.raises(PluginError, match="no worker model is installed"):
        made().default_worker(Colour.ASYNC, 1)


# -- lifecycle hooks -------------------------------------------------------------------------------------------------


def test_lifecycle_hooks_of_plugins_and_of_a_file_are_called_in_turn() -> None:
    calls: list[Any] = []

    class Watching:
        @hookimpl
        def pre_fork(self, worker: Any) -> None:
            calls.append(("plugin", worker))

    registry = made(one=Watching())
    both = registry.with_hooks({"pre_fork": lambda server, worker: calls.append((server, worker)), "other": 1})
    assert registry.lifecycle("on_exit") == ()
    assert len(registry.lifecycle("pre_fork")) == 1
    for hook in both.lifecycle("pre_fork"):
        hook(server="s", worker="w")
    assert calls == [("plugin", "w"), ("s", "w")]
    assert str(described(both, "one").provides[0]) == "hooks: pre_fork"


@pytest.mark.parametrize(
    "function",
    [
        lambda worker, request: (worker, request),
        lambda request, worker: (worker, request),
        lambda worker, req: (worker, req),
        lambda w, r, /: (w, r),
        lambda worker, request, extra=1: (worker, request),
        lambda **values: (values["worker"], values["request"]),
        lambda *, request, worker: (worker, request),
    ],
)
def test_lifecycle_functions_may_spell_their_parameters_their_own_way(function: Any) -> None:
    (hook,) = made().with_hooks({"pre_request": function}).lifecycle("pre_request")
    assert hook(worker="w", request="r") == ("w", "r")


def test_a_lifecycle_function_may_leave_parameters_out() -> None:
    (hook,) = made().with_hooks({"pre_request": lambda: "called"}).lifecycle("pre_request")
    assert hook(worker="w", request="r") == "called"


@pytest.mark.parametrize("function", [lambda a, b, c: None, lambda worker, other, third: None, 5, "text"])
def test_what_cannot_be_called_as_a_lifecycle_hook_is_refused(function: Any) -> None:
    with pytest.raises(ConfigurationError, match="the lifecycle hook pre_request"):
        made().with_hooks({"pre_request": function})


def test_a_plugin_may_be_any_object_with_hooks() -> None:
    namespace = SimpleNamespace(asteri_workers=hookimpl(lambda: [worker("odd")]))
    assert list(made(one=namespace).workers) == ["odd"]

"""Finding the application that the command line names, and telling its interface."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asteri_core.api import ApplicationLoadError, Colour, InterfaceSpec, PluginError, hookimpl
from asteri_core.application import load_application, recognise
from asteri_core.assembly import assemble
from asteri_core.discovery import Candidate
from asteri_core.registry import Registry

numbers = itertools.count()
Write = Callable[[str], str]


@pytest.fixture
def write(here: Path) -> Iterator[Write]:
    """Writes a module into the current directory, which is not on the path yet, and returns its name."""
    path, modules = list(sys.path), set(sys.modules)

    def write(source: str) -> str:
        name = f"application_{next(numbers)}"
        (here / f"{name}.py").write_text(source)
        return name

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


SOURCE = """
class Box:
    class Inner:
        value = "inner"
    @staticmethod
    def made(): return "made"
def app(): return "called"
def other_factory(): return "fresh"
number = 5
def failing(): return {}["key"]
def leaving(): raise SystemExit(3)
def needy(argument): ...
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (":other_factory()", "fresh"),
        (":other_factory( )", "fresh"),
        (":Box.Inner.value", "inner"),
        (":Box.made()", "made"),
        (":number", 5),
    ],
)
def test_an_attribute_or_factory_is_found(write: Write, path: str, expected: Any) -> None:
    assert load_application(write(SOURCE) + path) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("app = 1; application = 2\ndef create_app(): return 3", 1),
        ("application = 2\ndef create_app(): return 3", 2),
        ("def create_app(): return 3", 3),
        ("app = None", None),
    ],
)
def test_a_module_alone_stands_for_its_usual_names(write: Write, source: str, expected: Any) -> None:
    assert load_application(write(source)) == expected


def test_a_module_in_a_package_is_found(write: Write, here: Path) -> None:
    package = here / f"package_{next(numbers)}"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "web.py").write_text("app = 7")
    assert load_application(f"{package.name}.web:app") == 7


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (":Bix", "M has no attribute 'Bix': did you mean 'Box'"),
        (":Box.Iner", "M:Box has no attribute 'Iner': did you mean 'Inner'"),
        (":qqqq", "M has no attribute 'qqqq': valid are: Box, app, failing, leaving, needy, other_factory"),
        (":number()", r"M:number is 5, which cannot be called; leave out the \(\)"),
        (":failing()", r"M:failing\(\) failed: KeyError: 'key'"),
        (":leaving()", r"M:leaving\(\) failed: SystemExit: 3"),
        (":needy()", r"M:needy\(\) failed: TypeError: needy\(\) missing 1 required"),
        (".part:app", "there is no module 'M.part' in .*here"),
    ],
)
def test_what_is_not_found_is_named_with_what_is_near(write: Write, path: str, error: str) -> None:
    name = write(SOURCE)
    with pytest.raises(ApplicationLoadError, match=error.replace("M", name, 1)):
        load_application(name + path)


@pytest.mark.parametrize("reference", ["", ":app", "a b:c", "module:", "module:app(1)", "module:app:more", "a..b"])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    with pytest.raises(ApplicationLoadError, match="names no application: module:callable, module:factory"):
        load_application(reference)


@pytest.mark.parametrize("reference", ["web/app.py", "./app", "web/app:app"])
def test_a_file_name_is_told_to_be_a_module_name(reference: str) -> None:
    with pytest.raises(ApplicationLoadError, match=r"give the module's dotted name without \.py"):
        load_application(reference)


def test_a_module_that_does_not_exist_is_told_from_one_that_lacks_a_module(write: Write, here: Path) -> None:
    with pytest.raises(ApplicationLoadError, match=r"there is no module 'no_such_module' in .*here or where") as raised:
        load_application("no_such_module:app")
    assert raised.value.__cause__ is None
    with pytest.raises(
        ApplicationLoadError, match=r"no module 'no_such_package' in .*: 'no_such_package.web' was to be"
    ):
        load_application("no_such_package.web:app")
    name = write("import no_such_library.part")
    with pytest.raises(
        ApplicationLoadError, match=f"the module '{name}' imports 'no_such_library', which is not"
    ) as raised:
        load_application(f"{name}:app")
    assert isinstance(raised.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize(
    ("source", "error", "cause"),
    [
        ("1 / 0", "failed: ZeroDivisionError: division by zero", ZeroDivisionError),
        ("def app(:", "failed: SyntaxError", SyntaxError),
        ("from os import nothing_like_it", "failed: ImportError: cannot import name", ImportError),
        ("raise SystemExit(4)", "failed: SystemExit: 4", SystemExit),
    ],
)
def test_a_failing_import_keeps_the_applications_own_exception(
    write: Write, source: str, error: str, cause: type[BaseException]
) -> None:
    with pytest.raises(ApplicationLoadError, match=error) as raised:
        load_application(write(source))
    assert type(raised.value.__cause__) is cause


def test_a_module_without_a_usual_name_says_what_it_has(write: Write) -> None:
    name = write("from os.path import join\nimport os\nclass Server: ...\ndef serve(): ...\nnumber = 5")
    with pytest.raises(
        ApplicationLoadError, match=r"has none of app, application and create_app\(\): it has Server, se"
    ):
        load_application(name)
    with pytest.raises(ApplicationLoadError, match="it has no callable of its own"):
        load_application(write("number = 5"))


# -- recognising -----------------------------------------------------------------------------------------------------


class Interfaces:
    @hookimpl
    def asteri_interfaces(self) -> list[InterfaceSpec]:
        def spec(name: str, order: int, recognises: Callable[[Any], bool]) -> InterfaceSpec:
            return InterfaceSpec(name, "calls", Colour.BLOCKING, recognises, lambda *parts: None, order)

        return [
            spec("any", 90, callable),
            spec("classes", 10, lambda application: isinstance(application, type)),
            spec("none", 5, lambda application: False),
        ]


@pytest.fixture
def registry() -> Registry:
    return assemble([Candidate("interfaces", Interfaces)])


def test_the_interface_of_the_lowest_order_that_recognises_the_application_wins(registry: Registry) -> None:
    assert recognise(int, registry).name == "classes"
    assert recognise(print, registry).name == "any"


def test_a_forced_interface_is_not_asked(registry: Registry) -> None:
    assert recognise(5, registry, "none").name == "none"
    with pytest.raises(PluginError, match="there is no interface 'nine': did you mean 'none'"):
        recognise(5, registry, "nine")


def test_what_nobody_recognises_is_refused_with_the_interfaces_there_are(registry: Registry) -> None:
    with pytest.raises(
        ApplicationLoadError, match=r"5 \(int\) is not recognised .*not callable; interfaces are: none, classes, any"
    ):
        recognise(5, registry)
    with pytest.raises(ApplicationLoadError, match="interfaces are: none; "):
        recognise(5, assemble([]))

"""Which of two twins serves, and what is said when the native one cannot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from asteri_core.api import ConfigurationError, KernelSpec, PluginError
from asteri_core.registry import Registry
from asteri_core.twins import implementation, native_twin, twin_in_use

BUILT, ABSENT = "json", "asteri_http1._absent"
FORCED = ("", "python", "native")


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that is there, and of another interpreter."""
    (tmp_path / "of_another_python.py").write_text("raise ImportError('undefined symbol')\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "of_another_python"


@pytest.mark.parametrize(("forced", "expected"), list(zip(FORCED, (True, False, True), strict=True)))
def test_a_module_that_was_built_serves_unless_python_is_forced(
    monkeypatch: pytest.MonkeyPatch, forced: str, expected: bool
) -> None:
    monkeypatch.setenv("ASTERI_IMPL", forced)
    assert (native_twin(BUILT) is sys.modules[BUILT]) is expected
    assert twin_in_use([BUILT]) == ("in C" if expected else "in Python, as ASTERI_IMPL asks")


def test_a_module_that_was_not_built_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTERI_IMPL", "")
    assert native_twin(ABSENT) is None
    assert twin_in_use([BUILT, ABSENT]) == (
        f"in Python, because {ABSENT} was not built: install a C compiler and the headers of Python, "
        "then asteri-http1 again"
    )
    monkeypatch.setenv("ASTERI_IMPL", "native")
    with pytest.raises(PluginError, match=r"ASTERI_IMPL is native, but asteri_http1\._absent was not built"):
        native_twin(ABSENT)


@pytest.mark.parametrize("forced", ["", "native"])
def test_a_module_that_cannot_be_imported_is_an_error_and_not_a_slow_server(
    monkeypatch: pytest.MonkeyPatch, broken: str, forced: str
) -> None:
    monkeypatch.setenv("ASTERI_IMPL", forced)
    with pytest.raises(PluginError, match="undefined symbol; build it anew, or set ASTERI_IMPL=python"):
        native_twin(broken)


def test_any_other_word_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(ConfigurationError, match="ASTERI_IMPL is 'rust', and python or native was expected"):
        implementation({"ASTERI_IMPL": "rust"})


def registry(*native: str) -> Any:
    loaded = Registry.load()
    spec = KernelSpec("other", "another kernel", lambda: "the other kernel", native)
    return type(loaded)(
        **{name: getattr(loaded, name) for name in loaded.__slots__ if name != "kernels"}, kernels=(spec,)
    )


def test_the_kernel_of_a_plugin_serves_where_all_of_it_was_built(monkeypatch: pytest.MonkeyPatch) -> None:
    import asteri_core.kernel

    monkeypatch.setenv("ASTERI_IMPL", "")
    assert registry(BUILT).kernel() == "the other kernel"
    assert registry(BUILT, ABSENT).kernel() is asteri_core.kernel
    monkeypatch.setenv("ASTERI_IMPL", "native")
    with pytest.raises(PluginError, match="_absent was not built"):
        registry(BUILT, ABSENT).kernel()
    monkeypatch.setenv("ASTERI_IMPL", "python")
    assert registry(BUILT).kernel() is asteri_core.kernel

"""Values of settings: where they come from, which one counts, and what is not accepted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from asteri_core.api import ConfigurationError, hookimpl, setting
from asteri_core.assembly import assemble
from asteri_core.config import Config
from asteri_core.core_settings import LogSettings, ProcessSettings, ServerSettings
from asteri_core.discovery import Candidate
from asteri_core.registry import Registry
from asteri_core.settings import Setting
from asteri_core.values import Kind, parse


@dataclass(frozen=True, slots=True)
class Sample:
    """One setting of each kind."""

    flag: bool = setting(False, "a flag")
    whole: int = setting(5, "an integer", minimum=1, maximum=10)
    real: float = setting(1.5, "a number", environment=("REAL_ELSEWHERE",))
    text: str = setting("", "a text")
    perhaps: int | None = setting(None, "an integer or off")
    path: str | None = setting(None, "a text or off")
    several: tuple[int, ...] = setting((), "integers", reloadable=False)
    colour: str = setting("red", "a choice", choices=("red", "green"))


class SamplePlugin:
    @hookimpl
    def asteri_settings(self) -> list[type]:
        return [Sample]


@pytest.fixture
def registry() -> Registry:
    return assemble([Candidate("sample", SamplePlugin)])


def load(registry: Registry, cwd: Path, environ: dict[str, str] | None = None, **arguments: Any) -> Config:
    return Config.load(registry, arguments, environ or {}, cwd)


# -- precedence and source -------------------------------------------------------------------------------------------


def test_command_line_comes_before_environment_before_file_before_default(registry: Registry, here: Path) -> None:
    (here / "asteri.toml").write_text("whole = 2\nreal = 2\ntext = 'file'\n")
    environ = {"ASTERI_WHOLE": "3", "ASTERI_REAL": "3"}
    config = load(registry, here, environ, whole="4")
    sample = config[Sample]
    assert (sample.whole, sample.real, sample.text, sample.colour) == (4, 3.0, "file", "red")
    sources = [config.source(name) for name in ("whole", "real", "text", "colour")]
    assert sources == ["command line", "environment ASTERI_REAL", "asteri.toml", "default"]


def test_defaults_are_the_declared_ones(registry: Registry, here: Path) -> None:
    config = load(registry, here)
    assert config[Sample] == Sample()
    assert config[ServerSettings] == ServerSettings()
    assert config[ProcessSettings] == ProcessSettings()
    assert config[LogSettings] == LogSettings()
    assert {entry.source for entry in config} == {"default"}


def test_a_further_environment_name_counts_after_the_own_one(registry: Registry, here: Path) -> None:
    config = load(registry, here, {"REAL_ELSEWHERE": "7", "WEB_CONCURRENCY": "3"})
    assert (config[Sample].real, config.source("real")) == (7.0, "environment REAL_ELSEWHERE")
    assert config[ProcessSettings].workers == 3
    config = load(registry, here, {"REAL_ELSEWHERE": "7", "ASTERI_REAL": "8"})
    assert config.source("real") == "environment ASTERI_REAL"


def test_an_empty_environment_variable_is_a_value_for_texts_only(registry: Registry, here: Path) -> None:
    (here / "asteri.toml").write_text("whole = 2\ntext = 'file'\n")
    config = load(registry, here, {"ASTERI_WHOLE": "", "ASTERI_TEXT": "", "WEB_CONCURRENCY": ""})
    assert (config[Sample].whole, config[Sample].text) == (2, "")
    assert config.source("workers") == "default"


def test_a_group_nobody_declared_is_a_key_error(here: Path) -> None:
    with pytest.raises(KeyError):
        load(assemble([]), here)[Sample]


# -- the file --------------------------------------------------------------------------------------------------------


def test_asteri_toml_comes_before_pyproject(registry: Registry, here: Path) -> None:
    (here / "pyproject.toml").write_text("[project]\nname = 'x'\n[tool.asteri]\nwhole = 3\n")
    config = load(registry, here)
    assert (config[Sample].whole, config.source("whole")) == (3, "pyproject.toml [tool.asteri]")
    (here / "asteri.toml").write_text("whole = 4\n")
    assert load(registry, here)[Sample].whole == 4


def test_a_pyproject_without_a_table_for_asteri_is_not_a_configuration(registry: Registry, here: Path) -> None:
    (here / "pyproject.toml").write_text("[project]\nname = 'x'\ndependencies = ['asteri']\n")
    assert load(registry, here).file is None


def test_a_named_file_is_read_instead(registry: Registry, here: Path) -> None:
    (here / "asteri.toml").write_text("whole = 4\n")
    (here / "other.toml").write_text("whole = 5\nworker-class = 'x'\n")
    config = Config.load(registry, {}, {}, here, "other.toml")
    assert config[Sample].whole == 5
    assert config[ProcessSettings].worker_class == "x"
    assert config.source("whole") == "other.toml"
    assert config.file == here / "other.toml"


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("x.toml", None, "cannot read the configuration file .*x.toml: No such file"),
        ("x.toml", "whole = ", "x.toml is not valid TOML"),
        ("x.toml", "whole = 1\n\xff", "x.toml is not valid TOML"),
        ("x.toml", "hole = 1", "x.toml sets 'hole', which is no setting: did you mean 'whole'"),
        ("x.toml", "[server]\nwhole = 1", "x.toml sets 'server', which is no setting"),
        ("x.toml", "log-level = 'info'\nlog_level = 'info'", "x.toml sets 'log_level' twice"),
        ("x.toml", "whole = 'many'", "whole in x.toml: 'many' is not an integer"),
        ("pyproject.toml", "[tool.other]", r"pyproject.toml has no table \[tool.asteri\]"),
        ("pyproject.toml", "[tool]\nasteri = 1", "tool.asteri of pyproject.toml is 1, and a table was expected"),
        ("x.py", None, "cannot read the configuration file .*x.py"),
        ("x.py", "whole = = 1", "x.py failed: SyntaxError"),
        ("x.py", "1 / 0", "x.py failed: ZeroDivisionError"),
        ("x.py", "hole = 1", "x.py sets 'hole', which is no setting: did you mean 'whole'; begin a name of your own"),
        ("x.py", "WHOLE = 1", "x.py sets 'WHOLE', which is no setting: did you mean 'whole'"),
        ("x.py", "def pre_frok(server, worker): ...", "there is no lifecycle hook 'pre_frok': did you mean 'pre_fork'"),
        ("x.py", "whole = []", r"whole in x.py: \[\] is not an integer"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(
    registry: Registry, here: Path, name: str, text: str | None, error: str
) -> None:
    if text is not None:
        (here / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=error):
        Config.load(registry, {}, {}, here, name)


def test_a_python_file_sets_values_and_hooks_and_keeps_its_own_names(registry: Registry, here: Path) -> None:
    (here / "conf.py").write_text(
        "import os, json as j\n"
        "from pathlib import Path\n"
        "HERE = Path(__file__).parent\n"
        "_half = 4\n"
        "def twice(number): return 2 * number\n"
        "whole = twice(_half)\n"
        "several = [1, 2]\n"
        "def when_ready(server): server.append(HERE.name)\n"
    )
    config = Config.load(registry, {}, {}, here, "conf.py")
    assert (config[Sample].whole, config[Sample].several) == (8, (1, 2))
    assert list(config.hooks) == ["when_ready"]
    seen: list[str] = []
    for hook in registry.with_hooks(config.hooks).lifecycle("when_ready"):
        hook(server=seen)
    assert seen == ["here"]


# -- names and values ------------------------------------------------------------------------------------------------


def test_a_mistyped_environment_name_is_refused(registry: Registry, here: Path) -> None:
    with pytest.raises(ConfigurationError, match="ASTERI_WORKER names no setting: did you mean ASTERI_WORKERS"):
        load(registry, here, {"ASTERI_WORKER": "3"})


@pytest.mark.parametrize("name", ["ASTERI_SERVICE_HOST", "ASTERI_PORT", "ASTERI_PORT_80_TCP_ADDR", "ASTERI_IMPL"])
def test_environment_names_that_look_like_no_setting_are_let_be(registry: Registry, here: Path, name: str) -> None:
    assert {entry.source for entry in load(registry, here, {name: "x"})} == {"default"}


def test_an_unknown_argument_names_the_nearest(registry: Registry, here: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no setting 'worker': did you mean 'workers'"):
        load(registry, here, worker=3)


def test_repeated_values_are_separated_by_commas_in_the_environment(registry: Registry, here: Path) -> None:
    assert load(registry, here, {"ASTERI_SEVERAL": "1, 2,3,"})[Sample].several == (1, 2, 3)
    assert load(registry, here, several=("4", "5"))[Sample].several == (4, 5)
    (here / "asteri.toml").write_text("several = 6")
    assert load(registry, here)[Sample].several == (6,)


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("flag", "yes", True),
        ("flag", "ON", True),
        ("flag", "0", False),
        ("flag", True, True),
        ("flag", 1, True),
        ("whole", "1", 1),
        ("whole", 10, 10),
        ("whole", 3.0, 3),
        ("real", 3, 3.0),
        ("real", "0.25", 0.25),
        ("perhaps", "off", None),
        ("perhaps", "None", None),
        ("perhaps", "0", 0),
        ("path", "off", None),
        ("path", "-", "-"),
        ("colour", "green", "green"),
    ],
)
def test_values_are_converted_to_their_type(registry: Registry, here: Path, name: str, raw: Any, value: Any) -> None:
    found = load(registry, here, **{name: raw}).entry(name).value
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "raw", "error"),
    [
        ("flag", "maybe", "--flag: 'maybe' is not one of on, off, yes"),
        ("flag", 2, "--flag: 2 is not one of"),
        ("flag", 1.0, "--flag: 1.0 is not one of"),
        ("whole", "0", "--whole: 0 is less than 1, the least that is allowed"),
        ("whole", "11", "--whole: 11 is more than 10, the most that is allowed"),
        ("whole", "1.5", "--whole: '1.5' is not an integer"),
        ("whole", 1.5, "--whole: 1.5 is not an integer"),
        ("whole", True, "--whole: True is not an integer"),
        ("whole", "", "--whole: '' is not an integer"),
        ("real", "nan", "--real: 'nan' is not a finite number"),
        ("real", "inf", "--real: 'inf' is not a finite number"),
        ("real", "ten", "--real: 'ten' is not a number"),
        ("text", 5, "--text: 5 is not a text"),
        ("perhaps", "some", "--perhaps: 'some' is not an integer"),
        ("several", ["1", "x"], "--several: 'x' is not an integer"),
        ("colour", "gren", "--colour: 'gren' is none of red, green: did you mean 'green'"),
        ("colour", "mauve", "--colour: 'mauve' is none of red, green$"),
    ],
)
def test_a_wrong_value_says_what_was_expected(registry: Registry, here: Path, name: str, raw: Any, error: str) -> None:
    with pytest.raises(ConfigurationError, match=error):
        load(registry, here, **{name: raw})


def test_the_bounds_hold_for_what_a_check_has_made() -> None:
    facts = Setting("doubled", check=lambda raw: 2 * int(raw), minimum=4)
    assert parse("2", Kind(int), facts) == 4
    with pytest.raises(ValueError, match="2 is less than 4"):
        parse("1", Kind(int), facts)


# -- reload ----------------------------------------------------------------------------------------------------------


def test_a_reload_takes_changes_over_and_holds_back_what_needs_a_restart(registry: Registry, here: Path) -> None:
    (here / "asteri.toml").write_text("whole = 2\nseveral = [1]\n")
    before = load(registry, here)
    (here / "asteri.toml").write_text("whole = 3\nseveral = [2]\n")
    after = Config.load(registry, {}, {}, here, previous=before)
    assert (after[Sample].whole, after[Sample].several) == (3, (1,))
    assert after.held_back == ("several",)
    assert before.held_back == ()


# -- the kernel's own settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("unix_mode", "0600", 0o600),
        ("unix_mode", "600", 0o600),
        ("unix_mode", "0o600", 0o600),
        ("unix_mode", 0o600, 0o600),
        ("umask", "027", 0o27),
        ("umask", "0", 0),
        ("max_memory", "512M", 512 << 20),
        ("max_memory", "2GiB", 2 << 30),
        ("max_memory", "1 kB", 1024),
        ("max_memory", 1048576, 1048576),
        ("body_buffer", "64K", 65536),
        ("request_timeout", "off", None),
        ("request_timeout", 0, None),
        ("request_timeout", "2.5", 2.5),
        ("workers", "4", 4),
        ("bind", ("[::1]:80", "unix:/x"), ("[::1]:80", "unix:/x")),
        ("env", ["A=1", "B=x=y"], ("A=1", "B=x=y")),
        ("user", 1000, "1000"),
    ],
)
def test_kernel_settings_accept(here: Path, name: str, raw: Any, value: Any) -> None:
    assert load(assemble([]), here, **{name: raw}).entry(name).value == value


@pytest.mark.parametrize(
    ("name", "raw", "error"),
    [
        ("unix_mode", "0888", "an octal number such as 0660 was expected"),
        ("unix_mode", "70000", "from 0 to 7777"),
        ("umask", "-1", "from 0 to 7777"),
        ("max_memory", "lots", "a number of bytes such as 1048576, 512M or 2G"),
        ("max_memory", "-1", "a number of bytes"),
        ("request_timeout", "soon", "seconds or off was expected"),
        ("request_timeout", "-1", "-1.0 is less than 0.001"),
        ("workers", "few", "a number or auto was expected"),
        ("workers", "0", "0 is less than 1"),
        ("workers", 1.5, "a number or auto was expected"),
        ("bind", "8000", "'8000' is not an address to bind to; valid forms are"),
        ("env", "A", "KEY=VALUE was expected"),
        ("env", "=1", "KEY=VALUE was expected"),
        ("log_level", "loud", "is none of debug, info, warning, error, critical"),
        ("threads", "0", "0 is less than 1"),
        ("write_timeout", "0", "0.0 is less than 0.001"),
    ],
)
def test_kernel_settings_refuse(here: Path, name: str, raw: Any, error: str) -> None:
    with pytest.raises(ConfigurationError, match=error):
        load(assemble([]), here, **{name: raw})

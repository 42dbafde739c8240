"""The command line: what is printed, what is refused, and with which exit status."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from asteri_core.cli import main

APPLICATION = """
def app(): ...
app.for_caller = True
"""


@pytest.fixture
def error(echo: Any, here: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line that has to fail with status 2, and returns its one line on standard error."""

    def run(*arguments: str, status: int = 2) -> str:
        assert main(arguments) == status
        printed = capsys.readouterr()
        assert printed.out == ""
        line, end, rest = printed.err.partition("\n")
        assert (end, rest) == ("\n", "")
        return line.removeprefix("asteri: error: ")

    return run


# -- wrong command lines ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--worker", "3", "m:app"], "there is no option --worker: did you mean '--workers'"),
        (["--echo-limits", "3"], "there is no option --echo-limits: did you mean '--echo-limit'"),
        (["--qqqqqqq"], "there is no option --qqqqqqq: asteri --help lists them"),
        (["-Z"], "there is no option -Z: asteri --help lists them"),
        (["-w"], "option '-w' requires an argument"),
        (["-w", "few", "m:app"], "--workers: a number or auto was expected"),
        (["--echo-limit", "0", "m:app"], "--echo-limit: 0 is less than 1, the least that is allowed"),
        (["m:app", "n:app"], "got unexpected extra argument (n:app)"),
        ([], "no application is named: asteri module:callable (asteri --help tells more)"),
        (["--check-config"], "no application is named: asteri module:callable (asteri --help tells more)"),
        (["--http", "ecko", "m:app"], "there is no protocol 'ecko': did you mean 'echo'"),
        (["--plugin", "ecko"], "there is no plugin 'ecko': did you mean 'echo'"),
        (["--plugin", "list", "--format", "toml"], "--plugin can be shown as text or json, not as toml"),
        (["--format", "json", "m:app"], "--format json needs --print-config or --plugin beside it"),
        (["--disable-plugin", "ecko", "m:app"], "there is no plugin 'ecko' to disable: did you mean 'echo'"),
        (["-c", "no.toml", "m:app"], "cannot read the configuration file"),
        (["--chdir", "no-such-place", "m:app"], "chdir: cannot enter"),
    ],
)
def test_a_wrong_command_line_is_refused_with_status_2(error: Any, arguments: list[str], text: str) -> None:
    assert error(*arguments).startswith(text)


def test_an_unknown_worker_or_interface_is_refused_before_anything_starts(error: Any) -> None:
    assert error("-k", "no-such-model", "m:app").startswith("there is no worker 'no-such-model': ")
    assert error("--interface", "no-such", "m:app").startswith("there is no interface 'no-such': ")


def test_naming_a_worker_whose_dependency_is_missing_says_how_to_install_it(echo: Any, error: Any) -> None:
    echo.add(
        "lacking",
        """
        from asteri_core.api import Colour, WorkerSpec, hookimpl

        @hookimpl
        def asteri_workers():
            return [WorkerSpec("greens", "w", Colour.BLOCKING, print, requires=("no_such_green",), extra="green")]
        """,
    )
    words = "needs no_such_green: pip install 'asteri[green]'"
    assert error("-k", "greens", "m:app") == f"worker 'greens' is not available: {words}"


def test_two_plugins_that_clash_are_named(echo: Any, error: Any) -> None:
    echo.add("mirror", (next(echo.folder.glob("echo_plugin_*.py"))).read_text())
    assert error("--plugin", "list").startswith("the plugins 'echo' and 'mirror' both provide the protocol 'echo'")


def test_the_environment_and_the_file_are_refused_alike(
    error: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "asteri.toml").write_text("echo_limits = 3")
    assert error("m:app").startswith("asteri.toml sets 'echo_limits', which is no setting: did you mean 'echo_limit'")
    (here / "asteri.toml").write_text("echo_limit = 'x'")
    assert error("m:app") == "echo_limit in asteri.toml: 'x' is not an integer"
    monkeypatch.setenv("ASTERI_ECHO_LIMIT", "y")
    assert error("m:app") == "ASTERI_ECHO_LIMIT: 'y' is not an integer"


# -- what is printed -------------------------------------------------------------------------------------------------


def test_help_shows_every_setting_in_its_group(
    echo: Any, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from asteri_core.config import all_settings
    from asteri_core.registry import Registry

    monkeypatch.setenv("COLUMNS", "100")
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert "Usage: asteri [OPTIONS] APP" in printed
    for name in all_settings(Registry.load()):
        assert "APP" if name == "app" else f"--{name.replace('_', '-')}" in printed
    headings = [line for line in printed.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings[:4] == [
        "Command:",
        "Listening and connections:",
        "TLS, and the PROXY header before it:",
        "The application and its processes:",
    ]
    assert "Echo:" in headings
    assert "[default 1024]" in printed
    assert "-w, --workers COUNT" in printed


def test_version_is_printed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "asteri 0.1.0\n"


def test_plugin_list_tells_what_is_available_and_why_not(
    echo: Any, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    echo.add("broken", "import no_such_module", requires=["no-such-module"])
    assert main(["--plugin", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("echo 1.2.3 (third-echo) available")
    assert lines[start + 1 : start + 3] == [
        "    protocol echo: lines, sent back",
        "    settings: echo_limit, echo_secret",
    ]
    assert (
        "broken 1.2.3 (third-broken) unavailable: "
        "needs the module no_such_module, which is not installed: pip install no-such-module"
    ) in lines
    assert main(["--plugin", "list", "--disable-plugin=echo"]) == 0
    assert "third-echo" not in capsys.readouterr().out


def test_one_plugin_is_shown_as_json(echo: Any, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--plugin", "echo", "--format", "json"]) == 0
    (plugin,) = json.loads(capsys.readouterr().out)
    assert plugin["name"] == "echo"
    assert plugin["available"] is True
    assert plugin["provides"][0] == {
        "kind": "protocol",
        "name": "echo",
        "says": "lines, sent back",
        "available": True,
        "why": "",
    }


def test_plugin_list_works_without_any_configuration_that_is_right(
    echo: Any, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "asteri.toml").write_text("nonsense")
    assert main(["--plugin", "list"]) == 0
    assert "echo 1.2.3" in capsys.readouterr().out


def test_print_config_shows_values_with_their_sources(
    echo: Any, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "asteri.toml").write_text("echo_limit = 7\nbacklog = 9\n")
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    assert main(["--print-config", "--preload", "-t", "5", "--bind", ":1", "--bind", ":2"]) == 0
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()}
    found = {name: " ".join(rows[name].split()) for name in rows}
    assert found["echo_limit"] == "7 asteri.toml"
    assert found["workers"] == "3 environment WEB_CONCURRENCY"
    assert found["timeout"] == "5 command line"
    assert found["preload"] == "on command line"
    assert found["bind"] == ":1, :2 command line"
    assert found["unix_mode"] == "0o660 default"
    assert found["umask"] == "- default"


def test_secrets_are_hidden_in_every_form(echo: Any, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("text", "toml", "json"):
        assert main(["--print-config", "--format", form, "--echo-secret", "hunter2", "-e", "TOKEN=hunter2"]) == 0
        printed = capsys.readouterr().out
        assert "hunter2" not in printed
        assert "echo_secret" in printed


def test_the_printed_toml_gives_the_same_configuration_again(
    echo: Any, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-w", "3", "--unix-mode", "0600", "--no-preload", "--request-timeout", "2", "-b", "unix:/a\tb"]
    arguments += ["--access-logformat", 'a "quoted" \\ text é \x7f', "-b", ":1"]
    assert main(["--print-config", "--format", "json", *arguments]) == 0
    first = {name: entry["value"] for name, entry in json.loads(capsys.readouterr().out).items()}
    assert main(["--print-config", "--format", "toml", *arguments]) == 0
    printed = capsys.readouterr().out
    assert tomllib.loads(printed)["unix_mode"] == 0o600
    (here / "again.toml").write_text(printed)
    assert main(["--print-config", "--format", "json", "-c", "again.toml"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert {name: entry["value"] for name, entry in again.items()} == first
    assert again["workers"]["source"] == "again.toml"


# -- in a process of its own -----------------------------------------------------------------------------------------


def test_check_config_loads_the_application(asteri: Any, here: Path) -> None:
    (here / "web.py").write_text(APPLICATION)
    done = asteri("--check-config", "web:app", "-w", "2", "-k", "hand")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ok: web:app is caller, run by 2 x hand\n"


def test_check_config_fails_with_4_and_the_traceback_of_a_broken_application(asteri: Any, here: Path) -> None:
    (here / "web.py").write_text("def fail():\n    return 1 / 0\nfail()\n")
    done = asteri("--check-config", "web:app")
    assert (done.returncode, done.stdout) == (4, "")
    assert "in fail" in done.stderr
    assert done.stderr.endswith("asteri: error: the import of 'web' failed: ZeroDivisionError: division by zero\n")
    done = asteri("--check-config", "nowhere:app")
    assert done.returncode == 4
    assert done.stderr.startswith("asteri: error: there is no module 'nowhere' in ")


def test_an_address_in_use_is_said_in_one_line_and_fails_with_1(asteri: Any, here: Path) -> None:
    (here / "web.py").write_text(APPLICATION)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        done = asteri("web:app", "-b", address, "-k", "hand")
    assert done.returncode == 1
    assert done.stderr == f"asteri: error: cannot listen on {address}: the address is in use by another process\n"


@pytest.mark.parametrize("what", [("--print-config",), ("--plugin", "list")], ids=lambda what: what[0])
def test_a_reader_may_leave_before_the_end(here: Path, what: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "asteri_core.cli", *what]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=30)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_chdir_env_and_umask_hold_when_the_application_is_loaded(asteri: Any, here: Path) -> None:
    (here / "sub").mkdir()
    (here / "sub" / "web.py").write_text(
        "import os\n"
        "print(os.path.basename(os.getcwd()), os.environ['MODE'], oct(os.umask(0)), open('/proc/self/comm').read())\n"
        + APPLICATION
    )
    arguments = ["--chdir", "sub", "-e", "MODE=a=b", "--umask", "027", "--name", "a-very-long-name-for-a-process"]
    done = asteri("--check-config", *arguments, "web")
    assert done.stdout.splitlines()[0] == "sub a=b 0o27 a-very-long-nam"
    assert done.returncode == 0


def test_the_application_may_be_named_in_the_file(asteri: Any, here: Path) -> None:
    (here / "web.py").write_text(APPLICATION)
    (here / "asteri.toml").write_text("app = 'web:app'")
    assert asteri("--check-config").stdout.startswith("ok: web:app is caller, run by 1 x ")


def test_a_python_file_may_import_what_lies_beside_it_when_started_there(asteri: Any, here: Path) -> None:
    (here / "web.py").write_text(APPLICATION)
    (here / "sizes.py").write_text("limit = 77")
    (here / "conf.py").write_text("import sizes\necho_limit = sizes.limit\napp = 'web:app'\n")
    done = asteri("-c", "conf.py", "--print-config")
    assert "echo_limit" in done.stdout, done.stderr
    assert " ".join(next(row for row in done.stdout.splitlines() if "echo_limit" in row).split()) == (
        "echo_limit 77 conf.py"
    )
    assert asteri("-c", "conf.py", "--check-config").returncode == 0


def test_listing_plugins_imports_no_process_and_no_event_loop(echo: Any, here: Path) -> None:
    script = (
        "import sys; from asteri_core.cli import main; status = main(['--plugin', 'echo']);"
        "print(sorted({'asyncio', 'multiprocessing', 'asteri_core.process.arbiter'} & set(sys.modules)), status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(echo.folder)},
        timeout=30,
    )
    assert done.stdout.splitlines()[-1] == "[] 0"


def test_the_console_script_exits_with_the_status(here: Path) -> None:
    script = Path(sys.executable).with_name("asteri")
    done = subprocess.run([script, "--no-such-option"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("asteri: error: there is no option --no-such-option")

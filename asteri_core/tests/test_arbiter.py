"""The arbiter with real processes, signals and sockets. The workers are those of `tiny_arbiter`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("tiny_arbiter.py")
PATIENCE = 15.0


class Server:
    """An arbiter in a process of its own, and what its log says."""

    def __init__(self, folder, **settings):
        self.folder = folder
        self.file = folder / "settings.json"
        self.socket = str(folder / "app.sock")
        self.settings = {"app": "serves", "bind": (f"unix:{self.socket}",), "workers": "1", **settings}
        self.configure()
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(self.file)],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, start_new_session=True,
        )  # fmt: skip
        self.pid = self.process.pid
        self.log = ""

    def configure(self, **settings):
        self.settings.update(settings)
        self.file.write_text(json.dumps(self.settings))

    def kill(self, number):
        os.kill(self.pid, number)

    def says(self, pattern, times=1):
        """Wait until the log has matched so often, and return all matches."""
        end = time.monotonic() + PATIENCE
        while len(found := re.findall(pattern, self.log)) < times:
            ready, _, _ = select.select([self.process.stderr], [], [], max(0, end - time.monotonic()))
            data = os.read(self.process.stderr.fileno(), 65536) if ready else b""
            assert data, f"{pattern!r} was not logged {times} times:\n{self.log}"
            self.log += data.decode()
        return found

    def ask(self, what=b"?", path=None):
        """What a worker says of itself: pid, number, generation, uid, gid, groups, application."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(PATIENCE)
            end = time.monotonic() + PATIENCE
            while peer.connect_ex(path or self.socket):  # it does not listen yet
                assert time.monotonic() < end, self.log
                select.select([], [], [], 0.01)
            peer.sendall(what)
            return peer.recv(1000).decode().split(" ", 5)

    def ends(self):
        """Its exit status, and the rest of its log."""
        _, rest = self.process.communicate(timeout=PATIENCE)
        self.log += rest.decode()
        return self.process.returncode


@pytest.fixture
def serve(tmp_path):
    servers = []

    def start(**settings):
        servers.append(Server(tmp_path, **settings))
        return servers[-1]

    yield start
    for server in servers:
        # Its workers are of its process group, unless it has become a daemon.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.process.wait()
        server.process.stderr.close()


def until(condition):
    """Wait for what nothing announces."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        select.select([], [], [], 0.01)


STARTED = r"worker (\d+) \(pid (\d+)\) starts"


def alive(pid):
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(("number", "told"), [("SIGTERM", "SIGTERM"), ("SIGINT", "SIGINT"), ("SIGQUIT", "SIGINT")])
def test_a_stop_signal_ends_the_workers_then_the_arbiter_with_0(serve, number, told):
    server = serve(workers="2")
    server.ask()
    workers = server.says(STARTED, 2)
    server.kill(signal.Signals[number])
    assert server.ends() == 0
    assert told in server.log or "SIGTERM" in server.log  # a worker that had not got that far needs no telling
    assert not any(alive(pid) for _, pid in workers)
    assert not os.path.exists(server.socket)


def test_a_killed_worker_is_replaced(serve):
    server = serve()
    pid = server.ask()[0]
    os.kill(int(pid), signal.SIGKILL)
    server.says(rf"pid {pid}\) was ended by SIGKILL")
    assert server.ask()[0] != pid


def test_hup_has_a_new_worker_ready_before_the_old_one_is_relieved(serve):
    server = serve()
    assert server.ask()[1:3] == ["1", "0"]
    server.kill(signal.SIGHUP)
    server.says(r"worker 1 \(pid \d+\) exited with status 0")
    assert server.ask()[1:3] == ["2", "1"]
    order = ["received SIGHUP", "worker 2 .* starts", "worker 1 .* drains", "told by SIGURG", "worker 1 .* exited"]
    assert re.search(".*".join(order), server.log, re.DOTALL)


def test_hup_with_a_wrong_configuration_keeps_the_old_one(serve):
    server = serve()
    before = server.ask()
    server.configure(worker="2")
    server.kill(signal.SIGHUP)
    server.says("the reload failed, the old configuration stays: .*'worker'.*did you mean 'workers'")
    assert server.ask() == before


def test_hup_with_a_broken_application_keeps_the_old_worker(serve):
    server = serve()
    before = server.ask()
    server.configure(app="cannot load")
    server.kill(signal.SIGHUP)
    server.says("no worker of reload 1 could boot: the workers from before it go on")
    assert server.ask() == before
    server.configure(app="serves")
    server.kill(signal.SIGHUP)
    server.says(r"worker 1 \(pid \d+\) exited with status 0")
    assert server.ask()[2] == "2"


def test_hup_moves_the_server_to_other_addresses(serve, tmp_path):
    server = serve()
    server.ask()
    other = str(tmp_path / "other.sock")
    server.configure(bind=(f"unix:{other}",))
    server.kill(signal.SIGHUP)
    server.says(f"no longer listening on unix:{server.socket}")
    assert server.ask(path=other)[2] == "1"
    assert not os.path.exists(server.socket)


def test_hup_to_an_address_in_use_keeps_the_old_one(serve, tmp_path):
    server = serve()
    before = server.ask()
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(tmp_path / "taken.sock"))
        taken.listen()
        server.configure(bind=(f"unix:{tmp_path}/taken.sock",))
        server.kill(signal.SIGHUP)
        server.says("the reload failed.*the address is in use")
    assert server.ask() == before


def test_ttin_and_ttou_change_the_number_of_workers(serve):
    server = serve()
    server.ask()
    server.kill(signal.SIGTTIN)
    server.says(STARTED, 2)
    server.kill(signal.SIGTTOU)
    server.says(r"exited with status 0|was ended by SIGTERM")
    server.kill(signal.SIGTTOU)
    server.says("there are 1 workers wanted")


def test_winch_drains_the_workers_and_ttin_brings_one_back(serve):
    server = serve(workers="2")
    server.ask()
    server.says(STARTED, 2)
    server.kill(signal.SIGWINCH)
    server.says(r"exited with status 0|was ended by SIGTERM", 2)
    server.kill(signal.SIGTTIN)
    assert server.ask()[1] == "3"


def test_usr1_reopens_the_logs_of_arbiter_and_workers(serve, tmp_path):
    log = tmp_path / "error.log"
    server = serve(error_logfile=str(log))
    server.ask()
    log.rename(tmp_path / "rotated.log")
    server.kill(signal.SIGUSR1)
    end = time.monotonic() + PATIENCE
    while not log.exists() and time.monotonic() < end:
        server.ask()
    server.ask()
    server.kill(signal.SIGTERM)
    assert server.ends() == 0
    text = log.read_text()
    assert "received SIGTERM" in text  # by the arbiter
    assert "told by SIGTERM" in text  # by the worker


def test_a_worker_without_heart_beat_leaves_its_stack_and_is_killed_and_replaced(serve):
    server = serve(app="hangs", timeout="2")
    (number, pid), _ = server.says(STARTED, 2)
    assert number == "1"
    server.says(rf"worker 1 \(pid {pid}\) is stuck: ready, last heart-beat \d+\.\d seconds ago; its stacks follow")
    server.says(r'tiny_arbiter.py", line \d+ in hang')
    server.says(rf"worker 1 \(pid {pid}\) is aborted")
    server.says(rf"worker 1 \(pid {pid}\) was ended by SIGKILL")


def test_workers_that_were_stopped_together_with_the_arbiter_are_not_taken_for_stuck(serve):
    """As by Ctrl-Z, or when a container is paused: no heart-beat could come. The arbiter goes on before they do."""
    server = serve(timeout="4")
    pid = server.ask()[0]
    os.killpg(server.pid, signal.SIGSTOP)
    select.select([], [], [], 6)
    os.kill(server.pid, signal.SIGCONT)
    select.select([], [], [], 1)
    os.killpg(server.pid, signal.SIGCONT)
    assert server.ask()[0] == pid
    server.kill(signal.SIGTERM)
    assert server.ends() == 0
    assert "is stuck" not in server.log


def test_a_worker_that_does_not_drain_is_killed(serve):
    server = serve(app="deaf", graceful_timeout="0.3")
    pid = server.ask()[0]
    server.kill(signal.SIGTERM)
    assert server.ends() == 0
    assert re.search(rf"pid {pid}\) is stuck: .*its stacks follow", server.log)
    assert f"pid {pid}) was ended by SIGKILL" in server.log


def test_a_worker_that_asks_for_it_is_replaced(serve):
    server = serve()
    pid = server.ask(b"recycle")[0]
    server.says(rf"pid {pid}\) asks to be replaced")
    server.says(rf"pid {pid}\) exited with status 0")
    assert server.ask()[1:3] == ["2", "0"]


@pytest.mark.parametrize(("app", "status"), [("cannot boot", 3), ("cannot load", 4), ("raises", 3)])
def test_workers_that_fail_at_once_end_the_arbiter_with_their_status(serve, app, status):
    server = serve(app=app, workers="2")
    assert server.ends() == status
    assert len(re.findall(STARTED, server.log)) == 2  # nobody was tried twice
    assert not os.path.exists(server.socket)


def test_workers_drain_when_the_arbiter_is_killed(serve):
    server = serve()
    server.ask()
    server.kill(signal.SIGKILL)
    assert server.ends() == -signal.SIGKILL  # the log ends only when the last process that holds it has gone
    assert "told by orphaned" in server.log


def test_an_address_in_use_is_an_error_with_status_1(serve, tmp_path):
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(tmp_path / "app.sock"))
        taken.listen()
        server = serve()
        assert server.ends() == 1
    assert "the address is in use" in server.log


def test_the_pid_file_is_written_and_removed(serve, tmp_path):
    pid_file = tmp_path / "pid"
    pid_file.write_text("999999999\n")  # left behind by a process that is gone
    server = serve(pid=str(pid_file))
    server.ask()
    assert pid_file.read_text() == f"{server.pid}\n"
    assert pid_file.stat().st_mode & 0o777 == 0o644
    server.kill(signal.SIGTERM)
    assert server.ends() == 0
    assert not pid_file.exists()


def test_a_pid_file_of_a_living_process_is_an_error_and_stays(serve, tmp_path):
    pid_file = tmp_path / "pid"
    pid_file.write_text(f"{os.getpid()}\n")
    server = serve(pid=str(pid_file))
    assert server.ends() == 1
    assert f"belongs to the running process {os.getpid()}" in server.log
    assert pid_file.read_text() == f"{os.getpid()}\n"


def test_the_daemon_leaves_when_it_is_ready_and_goes_on(serve, tmp_path):
    pid_file = tmp_path / "pid"
    server = serve(daemon=True, pid=str(pid_file), error_logfile=str(tmp_path / "log"))
    assert server.ends() == 0
    pid = int(pid_file.read_text())
    try:
        assert server.ask()[1] == "1"
        assert pid != server.pid
        assert os.getsid(pid) != server.pid
        assert os.getsid(pid) != pid  # it cannot get a terminal any more
        assert os.readlink(f"/proc/{pid}/fd/2") == os.devnull
    finally:
        os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + PATIENCE
    while pid_file.exists() and time.monotonic() < end:
        select.select([], [], [], 0.01)
    assert not pid_file.exists()
    assert not os.path.exists(server.socket)


def test_a_daemon_that_fails_says_so_with_its_status(serve, tmp_path):
    server = serve(daemon=True, app="cannot load", error_logfile=str(tmp_path / "log"))
    assert server.ends() == 4
    assert "the server could not start; its error log" in server.log


def test_workers_give_up_root_and_the_pid_file_does_not(serve, tmp_path):
    if os.geteuid() != 0:  # then the only user one may become is oneself
        server = serve(user=str(os.geteuid()), group=str(os.getegid()))
        assert server.ask()[3:5] == [str(os.geteuid()), str(os.getegid())]
        return
    log, pid_file = tmp_path / "log", tmp_path / "pid"
    server = serve(user="65534", group="65533", error_logfile=str(log), pid=str(pid_file))
    facts = server.ask()
    assert facts[3:5] == ["65534", "65533"]
    assert facts[5].startswith("[65533]")
    assert (log.stat().st_uid, log.stat().st_gid) == (65534, 65533)
    assert pid_file.stat().st_uid == 0
    status = Path(f"/proc/{facts[0]}/status").read_text()
    assert "Uid:\t65534\t65534\t65534\t65534" in status
    assert "Gid:\t65533\t65533\t65533\t65533" in status


def test_an_unknown_user_is_a_configuration_error(serve):
    server = serve(user="nobody-here")
    assert server.ends() == 2
    assert "user: there is no user 'nobody-here'" in server.log


def test_preload_loads_the_application_once_before_the_fork(serve, tmp_path):
    (tmp_path / "preloaded.py").write_text("import os\napp = f'loaded-by-{os.getpid()}'\n")
    server = serve(app="preloaded:app", preload=True)
    assert server.ask()[5].endswith(f"loaded-by-{server.pid}")


def test_an_application_that_cannot_be_preloaded_ends_with_4(serve):
    server = serve(app="no_such_module:app", preload=True)
    assert server.ends() == 4
    assert "no_such_module" in server.log


def test_the_hooks_of_the_arbiter_are_called_in_their_order(serve, tmp_path):
    hooks = tmp_path / "hooks"
    server = serve(hooks=str(hooks))
    server.ask()
    server.kill(signal.SIGHUP)
    server.says(r"worker 1 \(pid \d+\) exited with status 0")
    server.kill(signal.SIGTERM)
    assert server.ends() == 0
    assert hooks.read_text().splitlines() == [
        "on_starting",
        "pre_fork 1",
        "nworkers_changed 1 None",
        "when_ready 1",
        "on_reload",
        "pre_fork 2",
        "child_exit 1 0",
        "child_exit 2 0",
        "on_exit",
    ]


def test_a_child_inherits_no_descriptor_of_the_arbiter_s_but_its_own(serve):
    server = serve(workers="3", log_level="debug")
    server.says("worker ready", 3)
    pids = [pid for _, pid in server.says(STARTED, 3)]
    arbiter_sockets = {one for one in _descriptors(server.pid) if one.startswith("socket:")}
    assert len(arbiter_sockets) == 3
    for pid in pids:
        # Of pipes: standard error and the error log, which are one, and the lifeline. The one on which a worker says
        # that it is ready it lets go of a moment later.
        until(lambda pid=pid: len({one for one in _descriptors(pid) if one.startswith("pipe:")}) == 2)
        own = _descriptors(pid)
        assert not [one for one in own if "eventpoll" in one]
        # Of the arbiter's sockets, which are the listener and the two ends for signals, only the first.
        assert len({one for one in own if one.startswith("socket:")} & arbiter_sockets) == 1


def _descriptors(pid):
    folder = f"/proc/{pid}/fd"
    found = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # the process closes some meanwhile: this one it does not hold
            found.append(os.readlink(f"{folder}/{name}"))
    return found

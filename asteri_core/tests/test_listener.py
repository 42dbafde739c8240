"""Listeners: the grammar of binds, real sockets, and who may remove what."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
from dataclasses import dataclass

import pytest
from asteri_core.bind import FdBind, TcpBind, UnixBind, parse_bind
from asteri_core.errors import BindError, ConfigurationError
from asteri_core.process.listener import open_listener, open_listeners, reopen_listeners


@dataclass(frozen=True)
class Settings:
    backlog: int = 16
    reuse_port: bool = False
    unix_mode: int = 0o660
    unix_user: str | None = None
    unix_group: str | None = None


@pytest.fixture
def opened():
    """Opens listeners and closes them afterwards."""
    listeners = []

    def open_one(bind, settings=Settings()):
        listeners.append(open_listener(bind, settings))
        return listeners[-1]

    yield open_one
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:8000", TcpBind("127.0.0.1", 8000)),
        ("localhost:0", TcpBind("localhost", 0)),
        ("[::1]:65535", TcpBind("::1", 65535)),
        ("[fe80::1%eth0]:80", TcpBind("fe80::1%eth0", 80)),
        (":8000", TcpBind("", 8000)),
        ("unix:/run/app.sock", UnixBind("/run/app.sock")),
        ("unix:app.sock", UnixBind("app.sock")),
        ("unix:@app", UnixBind("\0app")),
        ("fd://3", FdBind(3)),
    ],
)
def test_every_valid_form_is_read(text, place):
    assert parse_bind(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "", "8000", "localhost", "localhost:", "localhost:x", "localhost:65536", "localhost:-1", "::1:8000", "[::1]",
        "[localhost]:80", "unix:", "unix:@", "unix:a\0b", "fd://", "fd://x", "http://localhost:80", "a b:80",
        "localhost:٣", "localhost:80\n", "fd://3\n",
    ],
)  # fmt: skip
def test_a_wrong_form_is_refused_with_the_valid_ones(text):
    with pytest.raises(ValueError, match=r"host:port, \[v6\]:port, :port, unix:PATH, unix:@abstract, fd://N"):
        parse_bind(text)
    with pytest.raises(ConfigurationError, match=r"bind: .* valid forms"):
        open_listener(text, Settings())


def test_a_tcp_listener_is_non_blocking_and_knows_its_port(opened):
    listener = opened("127.0.0.1:0")
    port = listener.socket.getsockname()[1]
    assert listener.url == f"http://127.0.0.1:{port}"
    assert not listener.socket.getblocking()
    assert not os.get_inheritable(listener.fileno())
    with pytest.raises(BlockingIOError):
        listener.socket.accept()
    with socket.create_connection(("127.0.0.1", port)):
        listener.socket.accept()[0].close()


def test_an_ipv6_listener_has_brackets_in_its_url(opened):
    listener = opened("[::1]:0")
    assert listener.url == f"http://[::1]:{listener.socket.getsockname()[1]}"


def test_a_taken_port_is_a_clear_error_with_exit_status_1(opened):
    port = opened("127.0.0.1:0").socket.getsockname()[1]
    with pytest.raises(BindError, match=f"cannot listen on 127.0.0.1:{port}: the address is in use") as caught:
        opened(f"127.0.0.1:{port}")
    assert caught.value.exit_status == 1


def test_reuse_port_lets_two_listeners_share_a_port(opened):
    port = opened("127.0.0.1:0", Settings(reuse_port=True)).socket.getsockname()[1]
    assert opened(f"127.0.0.1:{port}", Settings(reuse_port=True)).socket.getsockname()[1] == port


def test_the_backlog_limits_the_queue(opened):
    """Linux lets one more than the backlog in; the next peer finds the queue of a unix socket full."""
    listener = opened(f"unix:@asteri-test-backlog-{os.getpid()}", Settings(backlog=1))
    answers = []
    peers = []
    for _ in range(3):
        peer = socket.socket(socket.AF_UNIX)
        peer.setblocking(False)
        answers.append(peer.connect_ex(listener.socket.getsockname()))
        peers.append(peer)
    for peer in peers:
        peer.close()
    assert answers == [0, 0, errno.EAGAIN]


def test_an_unknown_host_and_a_foreign_address_are_clear_errors():
    with pytest.raises(BindError, match=r"cannot listen on .*: the host name is not known"):
        open_listener("no-such-host.invalid:0", Settings())
    with pytest.raises(BindError, match="no interface of this machine has that address"):
        open_listener("192.0.2.1:0", Settings())


def test_a_unix_listener_has_the_asked_mode_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "app.sock"
    mask = os.umask(0)
    os.umask(mask)
    listener = open_listener(f"unix:{path}", Settings(unix_mode=0o620))
    assert stat.S_IMODE(path.stat().st_mode) == 0o620
    assert listener.url == f"unix:{path}"
    assert os.umask(mask) == mask
    listener.close()
    assert not path.exists()


@pytest.mark.parametrize(("user", "group"), [("0", "0"), ("root", "root"), (None, "0")])
def test_a_unix_listener_is_given_to_user_and_group(tmp_path, opened, user, group):
    if os.geteuid() != 0:  # then only a change to oneself is allowed
        user, group = None if user is None else str(os.geteuid()), str(os.getegid())
    path = tmp_path / "app.sock"
    opened(f"unix:{path}", Settings(unix_user=user, unix_group=group))
    assert path.stat().st_gid == (0 if os.geteuid() == 0 else os.getegid())


def test_an_unknown_unix_user_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigurationError, match="unix_user: there is no user 'nobody-here'"):
        open_listener(f"unix:{tmp_path}/app.sock", Settings(unix_user="nobody-here"))
    with pytest.raises(ConfigurationError, match="unix_group: there is no group 'nobody-here'"):
        open_listener(f"unix:{tmp_path}/app.sock", Settings(unix_group="nobody-here"))
    assert list(tmp_path.iterdir()) == []


def test_an_abstract_listener_needs_no_file(opened):
    name = f"asteri-test-{os.getpid()}"
    listener = opened(f"unix:@{name}")
    assert listener.url == f"unix:@{name}"
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(f"\0{name}")


def test_a_stale_unix_socket_is_replaced(tmp_path, opened):
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    opened(f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))


def test_a_living_unix_socket_is_not_replaced(tmp_path, opened):
    path = tmp_path / "app.sock"
    opened(f"unix:{path}")
    with pytest.raises(BindError, match="the address is in use"):
        open_listener(f"unix:{path}", Settings())
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))


def test_a_living_unix_socket_with_a_full_queue_is_not_replaced(tmp_path, opened):
    path = tmp_path / "app.sock"
    opened(f"unix:{path}", Settings(backlog=0))
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.connect(str(path))
        with pytest.raises(BindError, match="the address is in use"):
            open_listener(f"unix:{path}", Settings())


def test_a_file_that_is_no_socket_is_not_replaced(tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(BindError, match="the path exists and is not a socket"):
        open_listener(f"unix:{path}", Settings())
    assert path.read_text() == "data"


def test_a_missing_directory_is_a_clear_error(tmp_path):
    with pytest.raises(BindError, match="the directory does not exist"):
        open_listener(f"unix:{tmp_path}/no/app.sock", Settings())


def test_a_child_that_closes_its_copy_leaves_the_path(tmp_path, opened):
    path = tmp_path / "app.sock"
    listener = opened(f"unix:{path}")
    pid = os.fork()
    if pid == 0:
        listener.close()
        os._exit(0)
    os.waitpid(pid, 0)
    assert path.exists()


def test_a_path_that_leads_to_a_successor_is_left(tmp_path):
    path = tmp_path / "app.sock"
    former = open_listener(f"unix:{path}", Settings())
    os.rename(path, tmp_path / "moved")
    successor = open_listener(f"unix:{path}", Settings())
    former.close()
    assert path.exists()
    successor.close()
    assert not path.exists()


def test_when_one_cannot_be_opened_none_stays_open(tmp_path):
    path = tmp_path / "app.sock"
    with pytest.raises(BindError):
        open_listeners([f"unix:{path}", "192.0.2.1:0"], Settings())
    assert not path.exists()


def test_a_passed_descriptor_becomes_a_listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        listener = open_listener(f"fd://{os.dup(server.fileno())}", Settings())
        assert listener.url == f"http://127.0.0.1:{address[1]}"
        with socket.create_connection(address):
            listener.socket.accept()[0].close()
        listener.close()


def test_a_descriptor_that_is_no_stream_socket_is_refused(tmp_path):
    with pytest.raises(BindError, match="descriptor 987654 is not an open socket"):
        open_listener("fd://987654", Settings())
    with open(tmp_path / "file", "w") as file, pytest.raises(BindError, match="is not an open socket"):
        open_listener(f"fd://{file.fileno()}", Settings())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        with pytest.raises(BindError, match="is not a stream socket"):
            open_listener(f"fd://{datagrams.fileno()}", Settings())
        datagrams.getsockname()  # it was not closed


ACTIVATED = """
import os, sys
sys.path[:0] = {path!r}
os.environ["LISTEN_PID"] = {pid}
os.environ["LISTEN_FDS"] = "1"
os.environ["LISTEN_FDNAMES"] = "web"
os.dup2(int(sys.argv[1]), 3)
from asteri_core.process.listener import open_listeners, reopen_listeners
class Settings:
    backlog, reuse_port, unix_mode, unix_user, unix_group = 8, False, 0o660, None, None
listeners = open_listeners(["unix:@asteri-test-not-activated"], Settings())
kept, former = reopen_listeners(listeners, ["127.0.0.1:1"], Settings()) if listeners[0].activated else ([], [])
print([(one.url, one.name, one.activated) for one in listeners], kept == listeners, former,
      [name for name in os.environ if name.startswith("LISTEN_")])
"""


@pytest.mark.parametrize("addressed", [True, False])
def test_sockets_of_the_service_manager_replace_the_binds_if_meant_for_us(addressed):
    pid = "str(os.getpid())" if addressed else '"1"'
    with socket.create_server(("127.0.0.1", 0)) as server:
        result = subprocess.run(
            [sys.executable, "-c", ACTIVATED.format(path=sys.path, pid=pid), str(server.fileno())],
            pass_fds=[server.fileno()], capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        assert result.stderr == ""
        if addressed:
            port = server.getsockname()[1]
            assert result.stdout == f"[('http://127.0.0.1:{port}', 'web', True)] True [] []\n"
        else:
            assert result.stdout.startswith("[('unix:@asteri-test-not-activated', '', False)]")


def test_a_reload_keeps_opens_and_names_the_former(tmp_path):
    one, two, three = (f"unix:{tmp_path}/{name}" for name in ("one", "two", "three"))
    before = open_listeners([one, two], Settings())
    after, former = reopen_listeners(before, [two, three], Settings())
    assert [listener.bind for listener in after] == [two, three]
    assert after[0] is before[1]
    assert former == [before[0]]
    assert (tmp_path / "one").exists()  # whoever drains still uses it
    for listener in {*before, *after}:
        listener.close()
    assert list(tmp_path.iterdir()) == []


def test_a_reload_that_cannot_bind_changes_nothing(tmp_path):
    before = open_listeners([f"unix:{tmp_path}/one"], Settings())
    with pytest.raises(BindError):
        reopen_listeners(before, [f"unix:{tmp_path}/two", "192.0.2.1:0"], Settings())
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    before[0].close()

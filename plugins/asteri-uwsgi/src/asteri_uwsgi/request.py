"""What the variables of a request say, by the policy that HTTP has for fields, targets, hosts and limits.

REQUEST_URI is the target as the client has sent it and decides; only without it PATH_INFO and QUERY_STRING do. Fields
are the variables HTTP_*, and CONTENT_TYPE and CONTENT_LENGTH. What else there is (SCRIPT_NAME, REMOTE_USER ...) is not
passed on: none of it is the request's.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from asteri_core.api import Address, Header, Peer, RemoteProtocolError
from asteri_http.fields import TOKEN, VALUE, keeps_field
from asteri_http.framing import read_content_length
from asteri_http.limits import check_limits
from asteri_http.settings import HttpSettings
from asteri_http.target import check_host, read_target

from .packet import FIELD, Variables, read_packet

DROPPED = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade", b"content-length",
     b"content-type", b"expect"}
)  # fmt: skip
"""Fields that speak of the proxy's connection with the client, or have a variable of their own."""
VERSIONS = {b"HTTP/1.0": "1.0", b"HTTP/1.1": "1.1", b"HTTP/2.0": "2", b"HTTP/2": "2", b"HTTP/3.0": "3", b"HTTP/3": "3"}


class RequestHead(NamedTuple):
    """What a request says."""

    method: str
    target: bytes
    version: str
    headers: list[Header]
    authority: bytes
    raw_path: bytes
    query: bytes
    content_length: int
    peer: Peer


class RequestReader:
    """Reads the requests of a worker. Its C twin is `asteri_uwsgi._native.RequestReader`."""

    __slots__ = ("_limits",)

    def __init__(self, limits: HttpSettings) -> None:
        self._limits = limits

    def read(self, data: bytes | bytearray | memoryview, peer: Peer, /) -> tuple[RequestHead, int] | None:
        """The head, and how many bytes its packet takes; None when more bytes are needed.

        Raises `RemoteProtocolError`.
        """
        found = read_packet(data)
        if found is None:
            return None
        variables, size = found
        return read_request(variables, peer, self._limits), size


def read_request(found: Variables, peer: Peer, limits: HttpSettings) -> RequestHead:
    """Raises `RemoteProtocolError`."""
    for name, value in found:
        if VALUE.fullmatch(value) is None and name != b"PATH_INFO":
            raise RemoteProtocolError(f"the value of {name.decode()} has a control byte")
    variables = dict(found)
    raw_method = variables.get(b"REQUEST_METHOD", b"")
    if TOKEN.fullmatch(raw_method) is None:
        raise RemoteProtocolError(f"expected a method, found {raw_method[:64]!r}")
    method = raw_method.decode("ascii")
    protocol = variables.get(b"SERVER_PROTOCOL", b"HTTP/1.1")
    if protocol not in VERSIONS:
        raise RemoteProtocolError(f"expected a version of HTTP, found {protocol[:64]!r}", 505)
    target = _target(variables)
    headers = _headers(found, variables)
    check_limits(raw_method, target, headers, limits)
    raw_path, query, named = read_target(method, target)
    if method == "CONNECT":
        raise RemoteProtocolError("CONNECT asks for a proxy, which this server is not", 501)
    authority = check_host(named, variables.get(b"HTTP_HOST") or None)
    return RequestHead(
        method,
        target,
        VERSIONS[protocol],
        headers,
        authority,
        raw_path,
        query,
        _length(variables),
        _client(variables, peer),
    )


def _target(variables: dict[bytes, bytes]) -> bytes:
    target = variables.get(b"REQUEST_URI")
    if target:
        return target
    path = quote_from_bytes(variables.get(b"PATH_INFO", b"") or b"/", safe="/!$&'()*+,;=:@-._~").encode()
    query = variables.get(b"QUERY_STRING", b"")
    return path + b"?" + query if query else path


def _headers(found: Variables, variables: dict[bytes, bytes]) -> list[Header]:
    headers: list[Header] = []
    for name, value in found:
        if name.startswith(FIELD) and len(name) > len(FIELD):
            field = name[len(FIELD) :].lower().replace(b"_", b"-")
            if field not in DROPPED and keeps_field(field):
                headers.append((field, value.strip(b" \t")))
    kind, length = variables.get(b"CONTENT_TYPE"), variables.get(b"CONTENT_LENGTH")
    if kind:
        headers.append((b"content-type", kind))
    if length:
        headers.append((b"content-length", length))
    return headers


def _length(variables: dict[bytes, bytes]) -> int:
    """The bytes of the body. A proxy that says two lengths has been talked into something."""
    said = variables.get(b"CONTENT_LENGTH", b"")
    other = variables.get(b"HTTP_CONTENT_LENGTH", b"")
    if other and other != said:
        raise RemoteProtocolError(f"CONTENT_LENGTH is {said[:64]!r}, and HTTP_CONTENT_LENGTH is {other[:64]!r}")
    return read_content_length(said) if said else 0


def _client(variables: dict[bytes, bytes], peer: Peer) -> Peer:
    """The client as the proxy names it."""
    address: Address = peer.address
    host = variables.get(b"REMOTE_ADDR", b"")
    if host and host != b"unix:":
        address = read_address(host), _port(variables.get(b"REMOTE_PORT", b""))
    secure = variables.get(b"HTTPS", b"").lower() in (b"on", b"1") or variables.get(b"REQUEST_SCHEME") == b"https"
    return peer._replace(address=address, scheme="https" if secure else "http")


def read_address(host: bytes) -> str:
    """An address as it is written usually. The C twin asks here too, where it is not written so."""
    try:
        return str(ipaddress.ip_address(host.decode("ascii")))
    except ValueError:
        raise RemoteProtocolError(f"expected an address as REMOTE_ADDR, found {host[:64]!r}") from None


def _port(value: bytes) -> int:
    if value and not (value.isdigit() and len(value) <= 5 and int(value) <= 65535):
        raise RemoteProtocolError(f"expected a port as REMOTE_PORT, found {value[:64]!r}")
    return int(value or 0)

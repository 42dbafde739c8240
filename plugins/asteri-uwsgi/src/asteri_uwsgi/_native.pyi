"""The C twin of `asteri_uwsgi.request.RequestReader`, which says what everything means."""

from typing import final

from asteri_core.api import Peer
from asteri_http.settings import HttpSettings

from .request import RequestHead

@final
class RequestReader:
    """Reads requests."""

    def __new__(cls, limits: HttpSettings) -> RequestReader: ...
    def read(self, data: bytes | bytearray | memoryview, peer: Peer, /) -> tuple[RequestHead, int] | None: ...

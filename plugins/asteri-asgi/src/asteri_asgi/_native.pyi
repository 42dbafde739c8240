"""The C twin of `asteri_asgi.handler`, `asteri_asgi.http` and `asteri_asgi.scope`; those say what everything means."""

from collections.abc import Coroutine
from types import CodeType, FrameType, TracebackType
from typing import Any, Generic, TypeVar, final, overload

from asteri_core.api import ApplicationContext, Config
from asteri_http.exchange import Exchange

from .messages import Application, Message
from .turns import Wait

_T = TypeVar("_T", covariant=True)

@final
class AsgiHandler:
    """Satisfies `asteri_core.api.AsyncHandler`."""

    def __new__(
        cls, app: Application, config: Config, context: ApplicationContext, version: str = "3.0"
    ) -> AsgiHandler: ...
    def __call__(self, exchange: Exchange, wait: Wait, /) -> Call: ...
    def startup(self) -> Coroutine[Any, Any, None]: ...
    def shutdown(self) -> Coroutine[Any, Any, None]: ...

class _Coroutine(Coroutine[Any, Any, _T], Generic[_T]):
    """What both kinds of coroutines have; there is no such class, and `Coroutine` is no base of theirs but matches."""

    def send(self, value: Any, /) -> Any: ...
    @overload
    def throw(
        self, typ: type[BaseException], val: BaseException | object = None, tb: TracebackType | None = None, /
    ) -> Any: ...
    @overload
    def throw(self, typ: BaseException, val: None = None, tb: TracebackType | None = None, /) -> Any: ...
    def close(self) -> None: ...
    def __await__(self) -> Any: ...
    def __iter__(self) -> Any: ...
    def __next__(self) -> Any: ...
    __name__: str
    __qualname__: str
    @property
    def cr_frame(self) -> FrameType | None: ...
    @property
    def cr_await(self) -> Any: ...
    @property
    def cr_code(self) -> CodeType | None: ...
    @property
    def cr_origin(self) -> tuple[tuple[str, int, str], ...] | None: ...
    @property
    def cr_running(self) -> bool: ...
    @property
    def cr_suspended(self) -> bool: ...

@final
class Call(_Coroutine[None]):
    """Runs the application for one exchange. Where it stands is where the application's coroutine stands."""

@final
class Step(_Coroutine[_T]):
    """What `Receive` and `Send` give."""

@final
class Receive:
    """``receive()`` of an application."""

    __name__: str
    __qualname__: str
    def __call__(self) -> Step[dict[str, Any]]: ...

@final
class Send:
    """``send(message)`` of an application."""

    __name__: str
    __qualname__: str
    def __call__(self, message: Message) -> Step[None]: ...

"""The SSLContexts of one configuration: made once, before the fork, and shared by every connection.

Made before the fork, since a context has the keys of its session tickets: so a client resumes with any worker. Of files
that change new contexts are made (`Contexts.refresh`), which a handshake moves to once it knows the name that is asked
for; the keys of the tickets stay those of the first one. To load them into the contexts there are would leave what was
there before: a certificate with another kind of key, and those whose clients are no longer to be trusted. This module
reads files and opens no socket.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..core_settings import TlsSettings
from ..errors import ConfigurationError
from ..sansio.connection import ClientCertificate, TlsFacts
from ..sansio.distinguished_name import distinguished_name

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
REQUIREMENTS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}

Hook = Callable[..., ssl.SSLContext | None]


class Contexts:
    """The context for every name, and the one for all others.

    ``hooks`` are the ``ssl_context`` hooks, called with the settings and what makes the usual context; the last that
    gives one decides. Raises `ConfigurationError` for files that are missing or do not fit.
    """

    def __init__(
        self, settings: TlsSettings, alpn: Sequence[str], hooks: Iterable[Hook] = (), config: Any = None
    ) -> None:
        self.settings = settings
        self.alpn = alpn
        self._hooks, self._config = tuple(hooks), config
        self._certificates = _Files([name for pair in _wanted(settings) for name in pair])
        self._signers = _Files([settings.ca_certs])
        self._codes: dict[str, int] = {}
        self._use(*self._made())
        self._first = self._default
        self._answer_names()

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """The TLS object of a new peer."""
        return self._first.wrap_bio(incoming, outgoing, server_side=True)

    def facts(self, tls: ssl.SSLObject) -> TlsFacts:
        """What has been agreed on in a handshake."""
        cipher = tls.cipher()
        name = cipher[0] if cipher else ""
        der = tls.getpeercert(True)
        return TlsFacts(
            version=tls.version() or "",
            cipher=name,
            cipher_code=self._code(name),
            alpn=tls.selected_alpn_protocol(),
            server_name=getattr(tls, "asteri_server_name", None) or tls.server_hostname,
            client_certificate=_certificate(der, tls.getpeercert() or {}) if der else None,
            server_certificate=self._shown.get(tls.context),
        )

    def refresh(self) -> bool:
        """Load the files anew that have changed. True if any was. Raises `ConfigurationError`, and nothing changes.

        What goes on keeps its certificate; new connections get the new one.
        """
        others = self._signers.changed()
        if not self._certificates.changed() and not others:
            return False
        self._certificates.note()
        self._signers.note()
        self._use(*self._made())
        if others or self._first.sni_callback != self._by_name:
            # No ticket may outlive the trust in who has signed; and a hook that answers names by itself goes on to.
            self._first = self._default
            self._answer_names()
        return True

    def _made(self) -> tuple[ssl.SSLContext, dict[str, ssl.SSLContext]]:
        """For anybody, and for the names that have a certificate of their own."""
        settings = self.settings
        default = self._hooked(self._hooks, self._config) or self._make(settings.certfile or "", settings.keyfile)
        return default, {name: self._make(*pair) for name, pair in pairs(settings.sni)}

    def _use(self, default: ssl.SSLContext, named: dict[str, ssl.SSLContext]) -> None:
        settings = self.settings
        self._default, self._named = default, named
        self._shown = {default: _leaf(settings.certfile)}
        self._shown |= {named[name]: _leaf(certfile) for name, (certfile, _) in pairs(settings.sni)}

    def _answer_names(self) -> None:
        if self._first.sni_callback is None or self._named:
            self._first.sni_callback = self._by_name

    def _hooked(self, hooks: Iterable[Hook], config: Any) -> ssl.SSLContext | None:
        found = None

        def usual() -> ssl.SSLContext:
            return self._make(self.settings.certfile or "", self.settings.keyfile)

        for hook in hooks:
            try:
                made = hook(config=config, default_ssl_context_factory=usual)
            except Exception as error:
                raise ConfigurationError(f"the hook ssl_context failed: {type(error).__name__}: {error}") from error
            if made is not None and not isinstance(made, ssl.SSLContext):
                raise ConfigurationError(f"the hook ssl_context returned {made!r}, and an ssl.SSLContext was expected")
            found = made or found
        return found

    def _make(self, certfile: str, keyfile: str | None) -> ssl.SSLContext:
        settings = self.settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = VERSIONS[settings.tls_min_version]
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        # Who ends without close_notify may still read, and requests have a framing of their own: no attack on them.
        context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
        if settings.ciphers:
            try:
                context.set_ciphers(settings.ciphers)
            except ssl.SSLError:
                raise ConfigurationError(f"ciphers is {settings.ciphers!r}, of which OpenSSL knows none") from None
        context.verify_mode = REQUIREMENTS[settings.cert_reqs]
        if settings.ca_certs:
            try:
                context.load_verify_locations(settings.ca_certs)
            except (OSError, ssl.SSLError) as error:
                raise ConfigurationError(f"ca_certs: {settings.ca_certs} cannot be read: {_why(error)}") from None
        elif context.verify_mode is not ssl.CERT_NONE:
            raise ConfigurationError(f"cert_reqs is {settings.cert_reqs}, and ca_certs, who signs them, is not given")
        if self.alpn:
            context.set_alpn_protocols(list(self.alpn))
        _load(context, certfile, keyfile, settings)
        return context

    def _by_name(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Called in every handshake; without a name where the client gives none."""
        found = self._default
        if name is not None:
            lower = name.lower().rstrip(".")
            found = self._named.get(lower) or self._named.get("*." + lower.partition(".")[2]) or found
            tls.asteri_server_name = name  # type: ignore[attr-defined]
        if found is not context:
            tls.context = found

    def _code(self, cipher: str) -> int:
        code = self._codes.get(cipher)
        if code is None:
            known = {one["name"]: one["id"] & 0xFFFF for one in self._default.get_ciphers()}
            code = self._codes[cipher] = known.get(cipher, 0)
        return code


class _Files:
    """What files were when they were loaded."""

    def __init__(self, names: Iterable[str | None]) -> None:
        self._names = [name for name in names if name]
        self.note()

    def note(self) -> None:
        self._states = self._look()

    def changed(self) -> bool:
        return self._look() != self._states

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_state(name) for name in self._names]


def _wanted(settings: TlsSettings) -> list[tuple[str | None, str | None]]:
    """The files of all certificates and keys."""
    return [(settings.certfile, settings.keyfile), *(pair for _, pair in pairs(settings.sni))]


def pairs(entries: Iterable[str]) -> list[tuple[str, tuple[str, str | None]]]:
    """The ``sni`` settings as names with their two files. Raises ValueError for what is none."""
    found = []
    for entry in entries:
        name, equals, files = entry.partition("=")
        certfile, _, keyfile = files.partition(",")
        if not (name.strip() and equals and certfile.strip()):
            raise ValueError("HOST=CERTIFICATE,KEY was expected")
        found.append((name.strip().lower().rstrip("."), (certfile.strip(), keyfile.strip() or None)))
    return found


def _load(context: ssl.SSLContext, certfile: str, keyfile: str | None, settings: TlsSettings) -> None:
    password = settings.keyfile_password
    try:
        # With no password OpenSSL would ask the terminal for one.
        context.load_cert_chain(certfile, keyfile, password if password is not None else lambda: "")
    except (OSError, ssl.SSLError) as error:
        names = certfile if keyfile is None else f"{certfile} and {keyfile}"
        raise ConfigurationError(f"{names} cannot be used as certificate and key: {_why(error)}") from None


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (
            str(error.reason).lower().replace("_", " ") if error.reason else "OpenSSL finds no PEM of that kind in it"
        )
    return error.strerror or str(error)


def _state(name: str) -> tuple[int, int, int] | None:
    try:
        state = os.stat(name)
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_size


def _leaf(certfile: str | None) -> str | None:
    """The first certificate of a PEM file."""
    if certfile is None:
        return None
    try:
        with open(certfile, encoding="ascii", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    begin = text.find("-----BEGIN CERTIFICATE-----")
    end = text.find("-----END CERTIFICATE-----", begin)
    return f"{text[begin:end]}-----END CERTIFICATE-----\n" if 0 <= begin < end else None


def _certificate(der: bytes, said: dict[str, Any]) -> ClientCertificate:
    return ClientCertificate(
        der,
        distinguished_name(said.get("subject", ())),
        distinguished_name(said.get("issuer", ())),
        str(said.get("serialNumber", "")),
        str(said.get("notBefore", "")),
        str(said.get("notAfter", "")),
    )

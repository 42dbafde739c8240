"""Files that change: what a client is shown then, whom is trusted, and which tickets are good. In memory."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from asteri_core.core_settings import TlsSettings
from asteri_core.tls.contexts import Contexts

KINDS = {"ecdsa": trustme.KeyType.ECDSA, "rsa": trustme.KeyType.RSA}
NAMED = "other.example"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def write(authority: trustme.CA, tmp_path: Path) -> Iterator[Callable[[str, bytes], None]]:
    """Puts a file into its folder, with a time that it has not had."""
    times = iter(range(1, 100))

    def put(name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (time := next(times), time))

    return put


def certificate(authority: trustme.CA, kind: str = "ecdsa", name: str = "localhost") -> bytes:
    return authority.issue_cert(name, key_type=KINDS[kind]).private_key_and_cert_chain_pem.bytes()


@pytest.fixture
def settings(authority: trustme.CA, write: Callable[[str, bytes], None], tmp_path: Path) -> TlsSettings:
    write("server.pem", certificate(authority))
    write("other.pem", certificate(authority, name=NAMED))
    return TlsSettings(certfile=str(tmp_path / "server.pem"), sni=(f"{NAMED}={tmp_path / 'other.pem'}",))


def client_of(authority: trustme.CA, shown: trustme.CA | None = None) -> ssl.SSLContext:
    client = ssl.create_default_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2  # its session is there at the end of the handshake
    client.check_hostname = False
    authority.configure_trust(client)
    if shown is not None:
        shown.issue_cert("somebody").configure_cert(client)
    return client


def shake(
    contexts: Contexts, client: ssl.SSLContext, name: str | None = None, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both sides of a handshake: the client's and ours."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(out, into, server_hostname=name, session=session),
        contexts.wrap(into, out),
    ]
    left = sides[:]
    while left:
        for side in left[:]:
            try:
                side.do_handshake()
                left.remove(side)
            except ssl.SSLWantReadError:
                pass
    return sides[0], sides[1]


@pytest.mark.parametrize("name", [None, "localhost", NAMED], ids=["no name", "the usual name", "a name of its own"])
@pytest.mark.parametrize("kinds", [("ecdsa", "rsa"), ("rsa", "ecdsa"), ("ecdsa", "ecdsa")], ids="-".join)
def test_a_certificate_with_any_kind_of_key_takes_the_place_of_the_one_before(
    authority: trustme.CA, write: Callable[[str, bytes], None], settings: TlsSettings, kinds: tuple[str, str],
    name: str | None,
) -> None:  # fmt: skip
    file = "other.pem" if name == NAMED else "server.pem"
    client, before = client_of(authority), certificate(authority, kinds[0])
    write(file, before)
    contexts = Contexts(settings, ())
    ours = shake(contexts, client, name)[1]
    assert (contexts.facts(ours).server_certificate or "").encode() in before
    after = certificate(authority, kinds[1])
    write(file, after)
    assert contexts.refresh()
    theirs, ours = shake(contexts, client, name)
    shown = (contexts.facts(ours).server_certificate or "").encode()
    assert shown in after
    assert ssl.DER_cert_to_PEM_cert(theirs.getpeercert(True) or b"").encode() == shown
    assert contexts.facts(ours).server_name == name
    assert not contexts.refresh()


def test_tickets_stay_good_while_certificates_change(
    authority: trustme.CA, write: Callable[[str, bytes], None], settings: TlsSettings
) -> None:
    contexts, client = Contexts(settings, ()), client_of(authority)
    session = shake(contexts, client)[0].session
    for kind in ("rsa", "ecdsa"):
        write("server.pem", certificate(authority, kind))
        assert contexts.refresh()
        assert shake(contexts, client, session=session)[0].session_reused


def test_who_is_no_longer_trusted_to_sign_is_not_trusted_for_what_he_has_signed(
    authority: trustme.CA, write: Callable[[str, bytes], None], settings: TlsSettings, tmp_path: Path
) -> None:
    old, new = trustme.CA(), trustme.CA()
    write("signers.pem", old.cert_pem.bytes())
    contexts = Contexts(replace(settings, ca_certs=str(tmp_path / "signers.pem"), cert_reqs="required"), ())
    with_old, with_new = client_of(authority, old), client_of(authority, new)
    session = shake(contexts, with_old)[0].session
    with pytest.raises(ssl.SSLError):
        shake(contexts, with_new)
    write("signers.pem", new.cert_pem.bytes())
    assert contexts.refresh()
    for name in (None, NAMED):
        shake(contexts, with_new, name)
        with pytest.raises(ssl.SSLError):
            shake(contexts, with_old, name)
        with pytest.raises(ssl.SSLError):
            shake(contexts, with_old, name, session)


def test_a_hook_makes_the_context_anew(
    authority: trustme.CA, write: Callable[[str, bytes], None], settings: TlsSettings
) -> None:
    def hook(config: object, default_ssl_context_factory: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        context = default_ssl_context_factory()
        if not settings.sni:
            context.sni_callback = lambda tls, name, context: None
        return context

    client = client_of(authority)
    for sni in (settings.sni, ()):
        settings = replace(settings, sni=sni)
        write("server.pem", certificate(authority, "ecdsa"))
        contexts = Contexts(settings, (), [hook])
        after = certificate(authority, "rsa")
        write("server.pem", after)
        assert contexts.refresh()
        shown = shake(contexts, client)[0].getpeercert(True) or b""
        assert ssl.DER_cert_to_PEM_cert(shown).encode() in after

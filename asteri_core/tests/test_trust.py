"""Who is believed: one policy for every part that asks."""

from __future__ import annotations

import pytest
from asteri_core.api import TrustPolicy, trusted


@pytest.mark.parametrize(
    ("entries", "address", "believed"),
    [
        (("127.0.0.1", "::1", "unix"), ("127.0.0.1", 5), True),
        (("127.0.0.1", "::1", "unix"), ("127.0.0.2", 5), False),
        (("127.0.0.1", "::1", "unix"), ("::1", 5), True),
        (("127.0.0.1", "::1", "unix"), "", True),
        (("127.0.0.1", "::1", "unix"), "/run/nginx.sock", True),
        (("10.0.0.0/8",), ("10.255.0.1", 5), True),
        (("10.0.0.0/8",), ("11.0.0.1", 5), False),
        (("10.0.0.0/8",), ("::ffff:10.0.0.1", 5), True),
        (("10.0.0.0/8",), "", False),
        (("fe80::/10",), ("fe80::1%eth0", 5), True),
        (("10.0.0.1, 10.0.0.2",), ("10.0.0.2", 5), True),
        (("*",), ("192.0.2.1", 5), True),
        (("*",), "", True),
        ((), ("127.0.0.1", 5), False),
        ((), "", False),
        (("unix",), ("no address", 5), False),
    ],
)
def test_a_peer_is_believed_when_its_address_is_in_the_list(entries, address, believed) -> None:
    assert TrustPolicy(entries).trusts(address) is believed


@pytest.mark.parametrize("raw", ["10.0.0.1/8", "localhost", "300.0.0.1", "10.0.0.0/33", "unix, all"])
def test_what_is_no_address_and_no_network_is_refused_with_what_was_expected(raw: str) -> None:
    with pytest.raises(ValueError, match="expected an address, a network"):
        trusted(raw)


def test_what_is_well_written_is_kept_as_it_is() -> None:
    assert trusted(" 10.0.0.0/8, unix ") == "10.0.0.0/8, unix"

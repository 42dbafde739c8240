"""The names in certificates as text (RFC 4514). It parses nothing."""

from __future__ import annotations

from collections.abc import Sequence

SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "domainComponent": "DC",
    "userId": "UID",
}
"""RFC 4514 section 3; other attributes keep the name that OpenSSL gives them."""


def distinguished_name(sets: Sequence[Sequence[tuple[str, str]]]) -> str:
    """``sets`` are the relative names in the order of the certificate, each some attributes; the last stands first."""
    return ",".join("+".join(f"{SHORT.get(name, name)}={_escaped(value)}" for name, value in one) for one in sets[::-1])


def _escaped(value: str) -> str:
    """Section 2.4: what would be read as a part of the name is written so that it cannot be."""
    text = "".join(f"\\{one}" if one in '"+,;<>\\' else f"\\{ord(one):02X}" if one < " " else one for one in value)
    if text[:1] in (" ", "#"):
        text = "\\" + text
    return text[:-1] + "\\ " if len(text) > 1 and value.endswith(" ") else text

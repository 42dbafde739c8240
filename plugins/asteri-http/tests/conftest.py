"""The two twins of the policy under one set of names: the Python one, and the C one that protocols are built with."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from asteri_http.fields import (
    TRAILERS_REFUSED,
    VALUE,
    keeps_field,
    keeps_trailer,
    options,
    response_role,
)
from asteri_http.framing import check_transfer_encoding, read_content_length
from asteri_http.host import check_authority
from asteri_http.target import check_host, read_target

HERE = Path(__file__).parent
SOURCES = [HERE.parent / "csrc" / f"{name}.c" for name in ("errors", "fields", "framing", "host", "target")]

PYTHON = SimpleNamespace(
    check_authority=check_authority,
    read_target=read_target,
    check_host=check_host,
    read_content_length=read_content_length,
    check_transfer_encoding=check_transfer_encoding,
    response_role=response_role,
    keeps_field=keeps_field,
    keeps_trailer=keeps_trailer,
    refuses_trailer=lambda name: name.lower() in TRAILERS_REFUSED,
    is_value=lambda value: VALUE.fullmatch(value) is not None,
    has_option=lambda value, member: member in options(value),
)


@pytest.fixture(scope="session")
def python_policy() -> object:
    return PYTHON


@pytest.fixture(scope="session")
def native_policy(compiled) -> object:
    return compiled("policy_driver", [HERE / "policy_driver.c", *SOURCES])


@pytest.fixture(params=["py", "c"])
def policy(request: pytest.FixtureRequest) -> object:
    """One twin after the other."""
    return request.getfixturevalue({"py": "python_policy", "c": "native_policy"}[request.param])

"""Users and groups: names to numbers, and giving up root for good.

Whatever root has to do comes before `drop`: binding, opening logs and the pid file, and handing those files over.
"""

from __future__ import annotations

import grp
import os
import pwd

from ..errors import ConfigurationError


def user_id(account: str | None, setting: str) -> int | None:
    """The number of a user given by name or number. Raises `ConfigurationError`, which names ``setting``."""
    if not account:
        return None
    if account.isdecimal():
        return int(account)
    try:
        return pwd.getpwnam(account).pw_uid
    except KeyError:
        raise ConfigurationError(f"{setting}: there is no user {account!r} on this machine") from None


def group_id(account: str | None, setting: str) -> int | None:
    """The same for a group."""
    if not account:
        return None
    if account.isdecimal():
        return int(account)
    try:
        return grp.getgrnam(account).gr_gid
    except KeyError:
        raise ConfigurationError(f"{setting}: there is no group {account!r} on this machine") from None


def own_group(user: int) -> int | None:
    """The group that the user's account belongs to; None for a number without an account."""
    try:
        return pwd.getpwuid(user).pw_gid
    except KeyError:
        return None


def check(user: int | None, group: int | None) -> None:
    """Raise `ConfigurationError` when this process may not become ``user`` and ``group``; None keeps what is."""
    wanted = (os.geteuid() if user is None else user, os.getegid() if group is None else group)
    if os.geteuid() != 0 and wanted != (os.geteuid(), os.getegid()):
        raise _refusal(wanted)


def drop(user: int | None, group: int | None) -> None:
    """Become ``user`` and ``group``; None keeps what is. Raises `ConfigurationError` when this process may not.

    The order matters: whoever is not root any more can change neither the groups nor the group, so the user is last.
    """
    wanted = (os.geteuid() if user is None else user, os.getegid() if group is None else group)
    if wanted == (os.geteuid(), os.getegid()):
        return
    try:
        if user is not None and os.geteuid() == 0:
            _initialise_groups(user, wanted[1])
        if group is not None:
            os.setgid(group)
        if user is not None:
            os.setuid(user)
    except PermissionError:
        raise _refusal(wanted) from None


def _refusal(wanted: tuple[int, int]) -> ConfigurationError:
    return ConfigurationError(
        f"user, group: only root may become user {wanted[0]} and group {wanted[1]}; this is user {os.geteuid()}"
    )


def _initialise_groups(user: int, group: int) -> None:
    """Replace root's supplementary groups by those of the user; a number without a name has only its group."""
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        os.setgroups([group])
    else:
        os.initgroups(name, group)

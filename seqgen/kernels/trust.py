"""Whether only the caller and root can write to a file or directory from which code is executed."""

from __future__ import annotations

import os
import stat
from functools import cache
from pathlib import Path


@cache
def untrusted(folder: Path) -> str | None:
    """Return why nothing may be executed from a directory, or None."""
    if not hasattr(os, "getuid"):
        return None
    real = Path(os.path.realpath(folder))
    for place in (real, *real.parents):
        own = os.stat(place)
        if own.st_uid not in (0, os.geteuid()):
            return f"{place} belongs to user {own.st_uid}"
        sticky = place != real and own.st_mode & stat.S_ISVTX
        if not ours(own) and not sticky:
            return f"{place} can be written by others (mode {stat.S_IMODE(own.st_mode):04o})"
    return None


def ours(own: os.stat_result) -> bool:
    """Return whether only the caller and root can write to a file."""
    if not hasattr(os, "getuid"):
        return True
    if own.st_uid not in (0, os.geteuid()) or own.st_mode & stat.S_IWOTH:
        return False
    return not own.st_mode & stat.S_IWGRP or _alone(own.st_gid)


@cache
def _alone(group: int) -> bool:
    """Return whether the caller and root are the only members of a group, as many systems make one per user."""
    import grp
    import pwd

    try:
        members = {*grp.getgrgid(group).gr_mem}
        members |= {user.pw_name for user in pwd.getpwall() if user.pw_gid == group}
        return members <= {"root", pwd.getpwuid(os.geteuid()).pw_name}
    except KeyError:
        return False

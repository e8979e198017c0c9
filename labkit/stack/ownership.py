"""Whose a file is: what other users of this machine could change, labkit neither runs nor trusts.

Root is trusted, and so is a sticky folder such as /tmp, in which nobody can replace what is ours.
"""

import grp
import os
import pwd
import stat
from functools import cache
from pathlib import Path


def untrusted(path: Path) -> str:
    """Say who else could change or replace what is at `path`, a path without links; "" if nobody but root.

    Raises:
        OSError: there is no such file, or one may not look.
    """
    # From the top: in a folder that is in nobody else's hands, nobody else can exchange the next one meanwhile.
    for part in (*reversed(path.parents), path):
        if fault := _fault(part.lstat()):
            return f"{part} {fault}"
    return ""


def is_own(path: Path) -> bool:
    """Return whether `path` itself, not what it may lead to, is this user's."""
    try:
        return path.lstat().st_uid == os.getuid()
    except OSError:
        return False


def _fault(found: os.stat_result) -> str:
    if found.st_uid not in (0, os.getuid()):
        return f"belongs to another user ({_name(found.st_uid)})"
    if stat.S_ISLNK(found.st_mode):
        return "is a link"
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:
        return ""
    if found.st_mode & stat.S_IWOTH:
        return "can be changed by everybody on this machine"
    if found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid):
        return "can be changed by others of its group"
    return ""


@cache
def _is_private(group: int) -> bool:
    """Whether nobody else is in a group, as in the one of their own that many systems give each user."""
    if group not in (0, os.getgid()):
        return False
    try:
        members = set(grp.getgrgid(group).gr_mem)
    except KeyError:
        members = set()
    others = {user.pw_name for user in pwd.getpwall() if user.pw_gid == group and user.pw_uid not in (0, os.getuid())}
    return not (members | others) - {_name(os.getuid()), "root"}


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)

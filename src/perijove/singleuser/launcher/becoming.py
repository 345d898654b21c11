"""What a copy does to itself before it runs somebody's program: nothing of the process it was copied from stays.

Order matters: control groups and limits while privileges are there, then groups, group and user, verified; only then
is anything read that the user controls.
"""

from __future__ import annotations

import contextlib
import ctypes
import locale
import os
import random
import resource
import signal
import site
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from perijove.singleuser.launcher.parent import Copy, send_line
from perijove.wire.launching import LENGTH, MAX_REQUEST, Identity, LaunchError, LaunchRequest

_ADDRESSES = slice(45, 49)
"""Where in /proc/self/stat, behind the command's name, the bounds of arguments and environment stand; proc(5)."""
_PR_SET_DUMPABLE = 4
"""From linux/prctl.h."""
_FIRST = ("PERIJOVE_RUN", "HOME", "USER")
"""Variables that must be seen from outside even where there is no room for all."""


class NotPossible(Exception):
    """The copy cannot become what was asked for."""


def read_request(copy: Copy) -> LaunchRequest:
    """Say that this copy is there, and return what it shall become. Raises LaunchError."""
    send_line(copy.request, {"copy": os.getpid()})
    copy.request.settimeout(10)
    try:
        (length,) = LENGTH.unpack(_exactly(copy, LENGTH.size))
        if length > MAX_REQUEST:
            raise LaunchError("a request that is too long")
        return LaunchRequest.decode(_exactly(copy, length))
    except OSError as error:
        raise LaunchError(f"no request came: {error}") from None


def _exactly(copy: Copy, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = copy.request.recv(length - len(parts))
        if not part:
            raise LaunchError("the request ended early")
        parts += part
    return bytes(parts)


def become(copy: Copy, request: LaunchRequest) -> None:
    """Turn this process into the one that *request* describes, up to running its program.

    Raises:
        NotPossible: something of it cannot be had; the process must end then.
    """
    if interpreter_settings(os.environ) != interpreter_settings(request.env):
        raise NotPossible("its environment has other settings for Python itself")
    try:
        os.setsid()
        take_place(request)
        _replace_environment(request.env)
        _replace_descriptors(copy)
        _reset_signals()
    except (OSError, ValueError, AttributeError) as error:
        raise NotPossible(f"{type(error).__name__}: {error}") from error
    _forget_what_was_worked_out()
    if site.ENABLE_USER_SITE and Path(site.getusersitepackages()).is_dir():
        raise NotPossible("the user has installed packages of their own")
    sys.argv[:] = request.argv
    show_as(request.argv, request.env)


def take_place(request: LaunchRequest) -> None:
    """Join the control groups, take the limits, become the user and enter the working directory of *request*.

    Raises:
        NotPossible: the message says what was refused.
        OSError, ValueError, AttributeError: a control group, a limit or the user cannot be had.
    """
    for path in request.cgroup_files:
        Path(path).write_text(str(os.getpid()))
    for name, limits in request.limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), limits)
    if request.umask is not None:
        os.umask(request.umask)
    if request.identity is not None:
        drop_privileges(request.identity)
    # As the user: a folder that root may enter need not be one for them.
    try:
        os.chdir(request.cwd)
    except OSError as error:
        raise NotPossible(f"the folder {request.cwd!r} cannot be entered: {error.strerror}") from error


def check_readable() -> None:
    """Make sure that what is imported later can be. Raises NotPossible: then the command, executed, says more."""
    if not os.access(os.__file__, os.R_OK):
        raise NotPossible(f"the user may not read {Path(os.__file__).parent}")


def interpreter_settings(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that only take effect when an interpreter starts."""
    return {name: value for name, value in env.items() if name.startswith(("PYTHON", "LD_"))}


def _forget_what_was_worked_out() -> None:
    """Let everything that the interpreter once took from environment or chance be taken anew."""
    random.seed()
    site.USER_BASE = site.USER_SITE = None
    tempfile.tempdir = None
    time.tzset()
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_CTYPE, "")


def drop_privileges(identity: Identity) -> None:
    """Run as somebody else from now on, with no way back.

    Raises:
        PermissionError: some of the former rights are left, or the rights asked for were not given.
    """
    os.setgroups(identity.groups)
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    expected = ({identity.uid}, {identity.gid}, set(identity.groups))
    if (set(os.getresuid()), set(os.getresgid()), set(os.getgroups())) != expected:
        raise PermissionError("the process did not become the user")
    if identity.uid != 0:
        _never_root_again()
        _no_capabilities()
    # As after executing a program: who owns the process may look at it. What was copied holds no secrets.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1)


def _never_root_again() -> None:
    try:
        os.setuid(0)
    except PermissionError:
        return
    raise PermissionError("the process could become root again")


def _no_capabilities() -> None:
    """Whoever stops being root loses all, unless somebody asked the kernel to keep them; capabilities(7)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    if any(int(fields.get(name, "0"), 16) for name in ("CapPrm", "CapEff", "CapAmb")):
        raise PermissionError("the process kept capabilities of root")


def _replace_environment(env: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(env)


def _replace_descriptors(copy: Copy) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(copy.output, 1)
    os.dup2(copy.output, 2)
    kept = copy.request.fileno()
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


def _reset_signals() -> None:
    for number in signal.valid_signals():
        if number not in {signal.SIGKILL, signal.SIGSTOP} and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def show_as(argv: tuple[str, ...], env: Mapping[str, str]) -> None:
    """Let the system show this process with its own command and environment, not with those it was copied with.

    Both stand in memory that the kernel shows to others; written over in place, as far as there is room.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        arg_start, arg_end, env_start, env_end = (int(field) for field in fields[_ADDRESSES])
    except (OSError, ValueError):
        return
    ordered = {name: env[name] for name in _FIRST if name in env} | dict(env)
    _overwrite(env_start, env_end, [f"{name}={value}" for name, value in ordered.items()])
    _overwrite(arg_start, arg_end, list(argv))


def _overwrite(start: int, end: int, words: list[str]) -> None:
    room = end - start
    if room <= 0:
        return
    text = b""
    for word in words:
        raw = os.fsencode(word) + b"\0"
        if len(text) + len(raw) > room:
            break
        text += raw
    ctypes.memset(start, 0, room)
    ctypes.memmove(start, text, len(text))

"""What a hub asks a new process to become: one JSON object, its length in front.

The request goes over a socket of its own straight to the new process, so that no secret in it is ever in the memory of
the process that is copied for all users.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, field
from typing import Any

LENGTH = struct.Struct("!I")
MAX_REQUEST = 1024 * 1024

PREPARED = b"P"
"""Sent once by the prepared process when everything is imported."""
COPY = b"C"
"""Sent to the prepared process with two descriptors: the socket with the request, and the file for all output."""


class LaunchError(ValueError):
    """A request cannot be understood; the message does not repeat it, it holds secrets."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a process runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """One program to become.

    Attributes:
        argv: its name, for lists of processes, and its arguments.
        env: its whole environment.
        cwd: its working directory.
        identity: whom it runs as; None for whoever the prepared process is.
        limits: resource limits by name without ``RLIMIT_`` → soft and hard limit.
        cgroup_files: ``cgroup.procs`` files of the control groups to join before privileges are dropped.
        umask: the mode bits that new files do not get; None for those of the prepared process.
    """

    argv: tuple[str, ...]
    env: dict[str, str] = field(repr=False)
    cwd: str
    identity: Identity | None = None
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    cgroup_files: tuple[str, ...] = ()
    umask: int | None = None

    def encode(self) -> bytes:
        """Return the bytes to send. Raises LaunchError if they are too many."""
        body = json.dumps(asdict(self), ensure_ascii=True).encode()
        if len(body) > MAX_REQUEST:
            raise LaunchError(f"an environment and arguments of more than {MAX_REQUEST} bytes")
        return LENGTH.pack(len(body)) + body

    @classmethod
    def decode(cls, body: bytes) -> LaunchRequest:
        """Return the request in *body*, its length removed. Raises LaunchError."""
        try:
            data: dict[str, Any] = json.loads(body)
            whom, umask = data["identity"], data["umask"]
            return cls(
                argv=tuple(str(word) for word in data["argv"]),
                env={str(name): str(value) for name, value in data["env"].items()},
                cwd=str(data["cwd"]),
                identity=None if whom is None else Identity(whom["uid"], whom["gid"], tuple(whom["groups"])),
                limits={str(name): (int(soft), int(hard)) for name, (soft, hard) in data["limits"].items()},
                cgroup_files=tuple(str(path) for path in data["cgroup_files"]),
                umask=None if umask is None else int(umask),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LaunchError(f"not a request to launch anything ({type(error).__name__})") from None

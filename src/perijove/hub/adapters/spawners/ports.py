"""Ports for servers that are about to start."""

from __future__ import annotations

import socket
from collections import deque
from threading import Lock
from typing import Final

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.texts import say

REMEMBERED: Final = 256
"""How many of the last ports are not given again: who got one may not listen there yet."""
TRIES: Final = 2 * REMEMBERED

_given: deque[int] = deque(maxlen=REMEMBERED)
_lock = Lock()


def free_port(ip: str) -> int:
    """Return a port that is free on *ip* and was given to no other server a moment ago; may be called in any thread.

    Another program may take it all the same; the server then says so in its log, and is started on another.

    Raises:
        PerijoveError: FAILED, if there is none.
    """
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        with _lock:
            port = next((port for port in (_any(family, ip) for _ in range(TRIES)) if port not in _given), None)
            if port is not None:
                _given.append(port)
    except OSError as error:
        raise PerijoveError(
            Code.FAILED, say("No port is free on {ip}: {reason}. See c.Spawner.ip.", ip=repr(ip), reason=error.strerror)
        ) from error
    if port is None:
        raise PerijoveError(
            Code.FAILED, say("No port is free on {ip}: too many servers start. Try again.", ip=repr(ip))
        )
    return port


def _any(family: socket.AddressFamily, ip: str) -> int:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((ip, 0))
        return int(probe.getsockname()[1])

"""Why a server ended or did not start, in words for a person, with what to do."""

from __future__ import annotations

import re
import signal

from perijove.hub.core.servers import Failure

LOG_LINES = 40

_ADVICE: tuple[tuple[str, str], ...] = (
    (r"Address already in use|port \d+ is already in use", "Another program has taken its port. Try again."),
    (r"No space left on device|Disk quota exceeded", "The disk is full. Free some space, then try again."),
    (r"Permission denied", "The server may not read or write something it needs. The last line of its log names it."),
    (
        r"(ModuleNotFoundError|ImportError): .*",
        "A Python package is missing or broken in the server's environment. The last line of its log names it.",
    ),
    (r"MemoryError|Cannot allocate memory", "The memory is full. Stop what you do not need, then try again."),
    (r"Running as root is not recommended", "Add --allow-root to c.Spawner.args, or let the hub run as another user."),
)


def _exit_words(status: int | None) -> str:
    if not status:
        return "ended"
    if status < 0:
        try:
            return f"was killed by signal {signal.Signals(-status).name}"
        except ValueError:
            return f"was killed by signal {-status}"
    return f"ended with exit status {status}"


def ended(status: int | None, log: str, *, while_starting: bool) -> Failure:
    """Return the failure of a server that ended without being asked to.

    Args:
        status: its exit status, negative for a signal; None if that is not known.
        log: the last lines it printed, secrets removed.
        while_starting: whether it had not yet been ready.
    """
    when = " before it was ready" if while_starting else ""
    advice = next((text for pattern, text in _ADVICE if re.search(pattern, log)), "")
    if not advice and status == -signal.SIGKILL:
        advice = (
            "Somebody ended it, or the machine ran out of memory. Start it again; your files are as you saved them."
        )
    elif not advice:
        advice = "Its log may say more." if log else "Start it again."
    return Failure(f"The server {_exit_words(status)}{when}.", advice, log)


def timed_out(what: str, seconds: float, log: str = "") -> Failure:
    """Return the failure of a step that took too long; *what* completes "The server did not …"."""
    return Failure(
        f"The server did not {what} within {seconds:g} seconds.",
        "Try again; if it happens again, ask your administrator.",
        log,
    )


def refused(message: str, log: str = "") -> Failure:
    """Return the failure of a step that said itself what was wrong."""
    return Failure(message, "", log)


def crashed(stage: str, error_id: str) -> Failure:
    """Return the failure of a step that broke in a way only an administrator can mend; the log has the id."""
    return Failure(
        f"Something went wrong while {stage}.",
        f"Ask your administrator and say the number {error_id}, which is in the hub's log.",
    )

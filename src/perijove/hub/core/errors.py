"""The closed list of what can go wrong on purpose.

Use cases and plug-ins raise `PerijoveError`; only ``web/errors.py`` knows what HTTP makes of a code.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Why a request was not carried out."""

    INVALID = "invalid"
    """The request itself is wrong; the same request will never succeed."""
    UNAUTHENTICATED = "unauthenticated"
    """Nobody is signed in, or the credentials are not known (any more)."""
    FORBIDDEN = "forbidden"
    """The caller is known and may not do this."""
    NOT_FOUND = "not_found"
    """There is no such thing, or the caller may not know of it."""
    CONFLICT = "conflict"
    """It exists already, or its state does not allow this now."""
    NOT_ALLOWED = "not_allowed"
    """Nobody can do this to that thing in this way; the message says how it is done."""
    LIMITED = "limited"
    """A limit is reached; later it may succeed."""
    UNAVAILABLE = "unavailable"
    """Something the hub needs is away; later it may succeed."""
    FAILED = "failed"
    """It was tried and did not work; the message says why."""


class PerijoveError(Exception):
    """An expected failure, told to whoever asked.

    Attributes:
        code: which kind of failure.
        message: one sentence for a person; never holds a secret.
        retry_after: seconds after which a new try makes sense, or None.
    """

    def __init__(self, code: Code, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after

    def __repr__(self) -> str:
        return f"PerijoveError({self.code.value}, {self.message!r})"


def invalid(message: str) -> PerijoveError:
    """Return an error of code INVALID."""
    return PerijoveError(Code.INVALID, message)


def not_found(message: str) -> PerijoveError:
    """Return an error of code NOT_FOUND."""
    return PerijoveError(Code.NOT_FOUND, message)


def forbidden(message: str) -> PerijoveError:
    """Return an error of code FORBIDDEN."""
    return PerijoveError(Code.FORBIDDEN, message)


def conflict(message: str) -> PerijoveError:
    """Return an error of code CONFLICT."""
    return PerijoveError(Code.CONFLICT, message)

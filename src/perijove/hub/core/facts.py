"""What every domain fact is: a value with a sentence for the log, a place in the audit log if it has one, an origin."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from msgspec import Struct

Outcome = Literal["success", "refused"]


class Origin(Struct, frozen=True):
    """What a fact came from, as far as it was a request.

    Attributes:
        kind: who acts: ``user``, ``service``, ``operator`` (the command line), or ``hub`` where nobody asked for it.
            ``visitor`` is somebody not known (yet).
        credential: what they are known by: ``session``, ``token a<id>``, or empty.
        address: the address of the browser or program; empty if there is none.
        request_id: the id that stands in the log beside everything this request did.
    """

    kind: str = "hub"
    credential: str = ""
    address: str = ""
    request_id: str = ""


class Audited(Struct, frozen=True):
    """How a fact is told in the audit log.

    Attributes:
        action: ``<noun>.<verb>``, for programs.
        kind: what it was done to: ``user``, ``server`` …
        whom: the field that names it.
        who: the field that names who did it.
        outcome: whether it was done or refused.
        by_others_only: leave it out if people do it to what is theirs.
    """

    action: str
    kind: str
    whom: str
    who: str = "by"
    outcome: Outcome = "success"
    by_others_only: bool = False


class Fact(Struct, frozen=True):
    """Something that happened.

    Attributes:
        warning: whether the log tells it as a warning.
        audited: how the audit log tells it; None if it has no place there.
    """

    warning: ClassVar[bool] = False
    audited: ClassVar[Audited | None] = None

    @abstractmethod
    def sentence(self) -> str:
        """Return what happened, for people."""


def server_words(full_name: str) -> str:
    """Return how a sentence names the server ``user/name``."""
    user, _, name = full_name.partition("/")
    return f"Server {name} of {user}" if name else f"Server of {user}"


def seconds_words(seconds: float) -> str:
    """Return how a sentence tells a duration."""
    return f"{seconds:.1f} s"

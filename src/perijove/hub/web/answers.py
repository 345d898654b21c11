"""Answers kept as they were sent, as long as nothing that they are made of has changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from perijove.hub.core.principals import Principal
from perijove.hub.core.users import User
from perijove.hub.ports.store import Unsure
from perijove.hub.usecases.remembered import Remembered
from perijove.hub.usecases.users import UserView

MAX_ANSWERS: Final = 8192
MAX_USERS: Final = 8192


class Mark(NamedTuple):
    """What an answer was made of: the store's generation, and how often times of last use were written."""

    generation: Hashable
    written: int


class _Answer(Struct, frozen=True):
    principal: Principal
    mark: Mark
    body: bytes


class Answers:
    """What callers were last told of themselves."""

    def __init__(self) -> None:
        self._kept: Remembered[Hashable, _Answer] = Remembered(MAX_ANSWERS)

    def get(self, principal: Principal, mark: Mark) -> bytes | None:
        """Return what *principal* was told when everything was as *mark* says; None if that is not known."""
        kept = self._kept.get(_key(principal))
        if kept is None or kept.mark != mark:
            return None
        # Whoever is remembered is the same object; anybody else with that key has other rights by now.
        return kept.body if kept.principal is principal or kept.principal == principal else None

    def older(self, principal: Principal, generation: Hashable) -> bytes | None:
        """Return what *principal* was told in the store's *generation*: right but for times of last use."""
        kept = self._kept.get(_key(principal))
        last = generation.last if isinstance(generation, Unsure) else generation
        return None if kept is None or kept.mark.generation != last else self.get(principal, kept.mark)

    def put(self, principal: Principal, mark: Mark, body: bytes) -> None:
        """Keep what *principal* is told; *mark* is from before it was found out."""
        if isinstance(mark.generation, Unsure):
            mark = Mark(mark.generation.last, mark.written)
        self._kept.put(_key(principal), _Answer(principal, mark, body))


def _key(principal: Principal) -> Hashable:
    return principal.kind, principal.user_id or principal.service_id, principal.token_id or principal.session_id


class UserTexts:
    """The JSON of users, kept for those without servers: of them lists consist, and few of them change."""

    def __init__(self) -> None:
        self._kept: Remembered[int, tuple[tuple[User, Sequence[str], frozenset[str]], bytes]] = Remembered(MAX_USERS)

    def text_of(self, view: UserView, write: Callable[[UserView], bytes]) -> bytes:
        """Return the JSON of *view*, which *write* writes where it is not kept.

        Without servers it says nothing of the caller's rights but which fields they see.
        """
        user, roles, servers, fields, auth_state = view
        if servers or auth_state is not None:
            return write(view)
        made_of = (user, roles, fields)
        kept = self._kept.get(user.id)
        if kept is None or kept[0] != made_of:
            kept = made_of, write(view)
            self._kept.put(user.id, kept)
        return kept[1]

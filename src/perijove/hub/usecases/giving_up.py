"""When a hub that cannot start anything any more gives up, so that whoever supervises it starts a fresh one."""

from __future__ import annotations

from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


def _go_on() -> None:
    """Do nothing: nobody supervises this hub."""


class Failures:
    """Starts that broke in a row, by their users: what one user does wrong again and again ends no hub.

    Attributes:
        give_up: called once, when servers of *limit* different users broke with none between that got ready.
    """

    def __init__(self, limit: int) -> None:
        """Args: *limit* is how many users; 0 for never."""
        self._limit = limit
        self._users: set[int] = set()
        self._gave_up = False
        self.give_up: Callable[[], None] = _go_on

    def broke(self, user_id: int) -> None:
        """Take note that the spawner broke, or hung, over a server of this user."""
        if not self._limit or self._gave_up:
            return
        self._users.add(user_id)
        if len(self._users) >= self._limit:
            self._gave_up = True
            log.critical("too many starts broke in a row; the hub gives up", users=len(self._users))
            self.give_up()

    def worked(self) -> None:
        """Take note that a server got ready."""
        self._users.clear()

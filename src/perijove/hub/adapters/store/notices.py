"""What hubs on one PostgreSQL tell each other: that something changed, so that nobody goes on with old answers.

A thread listens on a connection of its own. While it cannot, every mark is a new one, and nothing is kept.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Hashable
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, select

from perijove.hub.ports.store import Unsure

CHANNEL: Final = "perijove_changes"
PULSE_SECONDS: Final = 1.0
"""How often the listening connection is tried."""
TRUSTED_SECONDS: Final = 3.0
"""For how long after it answered the listening connection is believed to hear everything."""


class Notices:
    """Tells other hubs of changes, and hears of theirs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._own = uuid.uuid4().hex
        self._heard = 0
        self._heard_until = 0.0
        self._over = threading.Event()
        self._first: Any = None
        self._thread = threading.Thread(target=self._run, name="perijove-store-notices", daemon=True)

    def start(self) -> None:
        """Begin to listen. Raises if the database cannot be reached."""
        self._first = self._listen()
        self._thread.start()

    def close(self) -> None:
        """Stop listening; the thread ends by itself."""
        self._over.set()

    def send(self, connection: Connection) -> None:
        """Tell all others, once the transaction on *connection* is committed, that something changed."""
        connection.execute(select(func.pg_notify(CHANNEL, self._own)))

    def mark(self, changes: int) -> Hashable:
        """Return a mark that changes with *changes* and with what others tell; always a new one while deaf."""
        mark = (changes, self._heard)
        return mark if time.monotonic() < self._heard_until else Unsure(mark)

    def _listen(self) -> Any:
        connection = self._engine.raw_connection()
        driver: Any = connection.driver_connection
        connection.detach()
        driver.autocommit = True
        driver.execute(f"LISTEN {CHANNEL}")
        # Nobody knows what was missed until now.
        self._heard += 1
        self._heard_until = time.monotonic() + TRUSTED_SECONDS
        return driver

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                first, self._first = self._first, None
                self._hear(first if first is not None else self._listen())
            except Exception:
                # Whatever it was, the next try tells whether it is over; until then nothing is kept.
                self._heard_until = 0.0
                self._over.wait(PULSE_SECONDS)

    def _hear(self, driver: Any) -> None:
        with driver:
            while not self._over.is_set():
                for notice in driver.notifies(timeout=PULSE_SECONDS, stop_after=1):
                    self._heard += notice.payload != self._own
                asked = time.monotonic()
                driver.execute("SELECT 1")
                self._heard_until = asked + TRUSTED_SECONDS

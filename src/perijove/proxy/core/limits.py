"""How many connections clients may hold open: in total, and each address."""

from __future__ import annotations

from perijove.proxy.core.forwarding import counted_as


class ConnectionLimits:
    """Counts open connections; 0 means no limit."""

    __slots__ = ("_by_client", "_per_client", "_total", "open", "refused")

    def __init__(self, total: int, per_client: int) -> None:
        self._total = total
        self._per_client = per_client
        self._by_client: dict[str, int] = {}
        self.open = 0
        self.refused = 0

    def admit(self, address: str) -> int:
        """Count a new connection. Return 0, or the status to refuse it with: 429 for its address, 503 for the total.

        One that is refused is not among those that count; give it to ``dismiss`` when it is closed, others to
        ``release``.
        """
        client = counted_as(address) if self._per_client and address else ""
        mine = self._by_client.get(client, 0)
        status = 503 if self._total and self.open >= self._total else 0
        if client and mine >= self._per_client:
            status = 429
        if status:
            self.refused += 1
            return status
        self.open += 1
        if client:
            self._by_client[client] = mine + 1
        return 0

    def dismiss(self) -> None:
        """Count a refused connection as closed."""
        self.refused -= 1

    def release(self, address: str) -> None:
        """Count an admitted connection as closed."""
        self.open -= 1
        if not self._per_client:
            return
        client = counted_as(address)
        left = self._by_client.get(client, 0) - 1
        if left > 0:
            self._by_client[client] = left
        else:
            self._by_client.pop(client, None)


class Throttle:
    """Lets something happen at most once an interval, and counts what was kept back meanwhile."""

    __slots__ = ("_interval", "_kept_back", "_last")

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._last = float("-inf")
        self._kept_back = 0

    def allows(self, now: float) -> int:
        """Return how many have happened since it was last allowed, this one included; 0 if not yet again."""
        self._kept_back += 1
        if now - self._last < self._interval:
            return 0
        self._last = now
        count, self._kept_back = self._kept_back, 0
        return count

"""What every use case is given: the store, the time, a place to tell what happened, all scopes there are, and keys."""

from __future__ import annotations

from msgspec import Struct

from perijove.hub.core.scopes import BUILT_IN, Catalogue
from perijove.hub.ports.clock import Clock
from perijove.hub.ports.encryption import Encryption
from perijove.hub.ports.store import Store
from perijove.hub.ports.telemetry import Telemetry


class Context(Struct, frozen=True):
    """The ports that nearly every use case needs, and the scopes that this hub knows.

    Without *encryption* nothing is kept for authenticators.
    """

    store: Store
    clock: Clock
    telemetry: Telemetry
    catalogue: Catalogue = BUILT_IN
    encryption: Encryption | None = None

"""What plug-ins need of the hub and the machine they run on, asked before anything starts."""

from __future__ import annotations

from perijove.hub.plugins.configuration import Configuration
from perijove.hub.ports.spawner import HasNeeds
from perijove.hub.usecases.entrance import entrance_of


def check_authenticator(configuration: Configuration) -> None:
    """Return if the hub can use the addresses and handlers that the authenticator adds.

    Raises:
        PerijoveError: INVALID otherwise; the message says what to do.
    """
    entrance_of(configuration.authenticator_class(config=configuration.config), configuration.hub.site)


def spawner_caveats(configuration: Configuration) -> list[str]:
    """Return what the spawner's options promise and this machine does not give, a sentence each. Blocks.

    Raises:
        PerijoveError: it cannot start servers here at all.
    """
    spawner = configuration.spawner_class(config=configuration.config)
    if not isinstance(spawner, HasNeeds):
        return []
    spawner.ensure_possible()
    return spawner.caveats()

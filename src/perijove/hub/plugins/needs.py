"""What plug-ins need of the machine they run on, asked before anything starts."""

from __future__ import annotations

from perijove.hub.plugins.configuration import Configuration
from perijove.hub.ports.spawner import HasNeeds


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

"""The configuration, for commands beside the hub."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perijove.hub.plugins.configuration import Configuration


def configured(config_file: Path | None) -> Configuration | None:
    """Return the configuration that the hub would run with; None if it has mistakes, which are told."""
    from perijove.hub.plugins.configuration import load
    from perijove.hub.settings.loading import Arguments
    from perijove.hub.settings.mistakes import ConfigurationError

    try:
        return load(Arguments(config_file, (), Path.cwd(), dict(os.environ)))
    except ConfigurationError as error:
        for mistake in error.mistakes:
            print(f"perijove: {mistake}", file=sys.stderr)
        return None

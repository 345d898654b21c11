from __future__ import annotations

import pytest
from traitlets import TraitError
from traitlets.config import Config

from perijove.hub.settings.metrics import PeriodicMetricsCollector


def test_options_have_the_defaults_of_jupyterhub() -> None:
    options = PeriodicMetricsCollector()

    assert options.event_loop_interval_enabled
    assert options.event_loop_interval_resolution == 0.05
    assert options.event_loop_interval_log_threshold == 1


@pytest.mark.parametrize("option", ["event_loop_interval_resolution", "event_loop_interval_log_threshold"])
def test_a_time_that_is_none_is_refused(option: str) -> None:
    with pytest.raises(TraitError, match="greater than 0"):
        PeriodicMetricsCollector(config=Config({"PeriodicMetricsCollector": {option: 0.0}}))

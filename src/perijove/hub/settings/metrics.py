"""The options of what the hub measures of itself, ``c.PeriodicMetricsCollector.…``."""

from __future__ import annotations

from typing import Any

from traitlets import Bool, Float, TraitError, validate
from traitlets.config import LoggingConfigurable


class PeriodicMetricsCollector(LoggingConfigurable):
    """What the hub measures of itself at intervals."""

    event_loop_interval_enabled: Any = Bool(
        True, help="Measure how promptly the hub's event loop comes back: the metric event_loop_interval_seconds."
    ).tag(config=True)
    event_loop_interval_resolution: Any = Float(
        0.05, help="Seconds between two of these measurements; shorter stalls of the event loop stay unseen."
    ).tag(config=True)
    event_loop_interval_log_threshold: Any = Float(
        1, help="Log a warning when the event loop was held up for at least as many seconds."
    ).tag(config=True)

    event_loop_interval_log_stack: Any = Bool(
        False,
        help="Say in that warning what the event loop was doing; a thread looks for it, which costs a little.",
    ).tag(config=True)

    active_users_enabled: Any = Bool(
        True, help="Count the users who were active in the last 24 hours, 7 and 30 days: the metric active_users."
    ).tag(config=True)
    active_users_update_interval: Any = Float(3600, help="Seconds between two of these counts.").tag(config=True)

    @validate("event_loop_interval_resolution", "event_loop_interval_log_threshold", "active_users_update_interval")
    def _check_seconds(self, proposal: Any) -> float:
        if not proposal.value > 0:
            raise TraitError("it must be greater than 0")
        return float(proposal.value)

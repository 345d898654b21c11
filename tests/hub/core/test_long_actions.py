from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from perijove.hub.core.errors import PerijoveError
from perijove.hub.core.long_actions import SILENT, Kind, LongAction, Stage, check_key

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ACTION = LongAction("a-key-of-sixteen", Kind.STOP, "ada", 3, NOW, NOW)


def test_an_action_runs_until_it_is_finished_cancelled_or_silent() -> None:
    assert ACTION.stage(NOW + SILENT) is Stage.RUNNING
    assert replace(ACTION, cancel_wanted=True).stage(NOW) is Stage.CANCELLING
    assert ACTION.stage(NOW + SILENT + timedelta(seconds=1)) is Stage.INTERRUPTED
    late = NOW + 10 * SILENT
    assert replace(ACTION, done=3, finished=NOW).stage(late) is Stage.FINISHED
    assert replace(ACTION, done=3, finished=NOW, cancel_wanted=True).stage(late) is Stage.FINISHED
    assert replace(ACTION, done=2, finished=NOW, cancel_wanted=True).stage(late) is Stage.CANCELLED


def test_a_key_is_one_that_a_page_of_ours_chose() -> None:
    assert check_key("a-key-of_Sixteen") == "a-key-of_Sixteen"
    for bad in ("", "too-short", "a" * 65, "a key with spaces!"):
        with pytest.raises(PerijoveError, match="Open the page again"):
            check_key(bad)

from __future__ import annotations

import pytest

from perijove.hub.core.errors import Code, conflict
from perijove.hub.testing.store_samples import refused


def test_the_right_refusal_passes() -> None:
    with refused(Code.CONFLICT):
        raise conflict("Taken")


def test_another_refusal_or_none_fails() -> None:
    with pytest.raises(AssertionError), refused(Code.INVALID):
        raise conflict("Taken")
    with pytest.raises(pytest.fail.Exception), refused(Code.CONFLICT):
        pass

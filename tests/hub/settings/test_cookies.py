from __future__ import annotations

import pytest
from traitlets import TraitError

from perijove.hub.settings.cookies import parse_cookie_secret


def test_text_is_hexadecimal_and_bytes_are_taken_as_they_are() -> None:
    assert parse_cookie_secret("ab" * 32 + "\n") == b"\xab" * 32
    assert parse_cookie_secret(b"x" * 33) == b"x" * 33


@pytest.mark.parametrize("value", ["ab" * 31, "geheim" * 20, b"x" * 31, ""])
def test_a_short_or_unreadable_secret_is_refused_and_not_repeated(value: bytes | str) -> None:
    with pytest.raises(TraitError) as error:
        parse_cookie_secret(value)
    assert "32 bytes" in str(error.value)
    assert "geheim" not in str(error.value)

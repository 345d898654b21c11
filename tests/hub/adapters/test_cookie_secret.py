from __future__ import annotations

import os
from pathlib import Path

import pytest

from perijove.hub.adapters.cookie_secret import SECRET_BYTES, load_cookie_secret
from perijove.hub.core.errors import Code, PerijoveError


def test_a_secret_is_made_once_and_private(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    secret = load_cookie_secret(file)
    assert len(secret) == SECRET_BYTES
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_cookie_secret(file) == secret
    assert list(tmp_path.iterdir()) == [file]
    assert load_cookie_secret(tmp_path / "other") != secret


def test_a_secret_written_by_hand_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("ab" * 40 + "\n")
    file.chmod(0o600)
    assert load_cookie_secret(file) == b"\xab" * 40


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_secret_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "secret"
    load_cookie_secret(file)
    file.chmod(mode)
    with pytest.raises(PerijoveError, match="chmod 600") as caught:
        load_cookie_secret(file)
    assert caught.value.code is Code.INVALID


@pytest.mark.parametrize("text", ["", "ab", "ab" * (SECRET_BYTES - 1), "no hexadecimal " * 9, "é" * 64])
def test_what_is_no_secret_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secret"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(PerijoveError, match="32 bytes in hexadecimal") as caught:
        load_cookie_secret(file)
    assert not text or text not in caught.value.message


def test_a_left_over_of_an_interrupted_start_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f".secret.{os.getpid()}").write_text("half a sec")
    assert len(load_cookie_secret(tmp_path / "secret")) == SECRET_BYTES


def test_a_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "folder"):
        with pytest.raises(PerijoveError) as caught:
            load_cookie_secret(path)
        assert caught.value.code in {Code.UNAVAILABLE, Code.INVALID}
        assert str(path) in caught.value.message

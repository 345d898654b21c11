from __future__ import annotations

import base64

import pytest

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.settings.crypt_keys import parse_crypt_keys

KEY = bytes(range(224, 256))
HEX, PLAIN, SAFE = KEY.hex(), base64.b64encode(KEY).decode(), base64.urlsafe_b64encode(KEY).decode()


@pytest.mark.parametrize("text", [HEX, HEX.upper(), PLAIN, SAFE, f" {HEX} ;", f";{SAFE}"])
def test_one_key(text: str) -> None:
    assert parse_crypt_keys(text) == (KEY,)


def test_several_keys_keep_their_order() -> None:
    assert parse_crypt_keys(f"{'00' * 32};{HEX}") == (bytes(32), KEY)


@pytest.mark.parametrize("text", ["", " ", ";;"])
def test_no_key(text: str) -> None:
    with pytest.raises(PerijoveError) as caught:
        parse_crypt_keys(text)
    assert caught.value.code is Code.INVALID
    assert "openssl rand -hex 32" in caught.value.message


@pytest.mark.parametrize("text", ["password", HEX[:-2], HEX + "00", "z" * 64, PLAIN[:-4], "ü" * 44, "x" * 32])
def test_what_is_no_key_is_told_by_its_number_only(text: str) -> None:
    with pytest.raises(PerijoveError) as caught:
        parse_crypt_keys(f"{HEX};{text}")
    assert "Key 2 in JUPYTERHUB_CRYPT_KEY" in caught.value.message
    assert text not in caught.value.message
    assert "openssl rand -hex 32" in caught.value.message

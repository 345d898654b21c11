from __future__ import annotations

import pytest

from perijove.hub.adapters.encryption import FernetEncryption

NEW, OLD = b"n" * 32, b"o" * 32


def test_what_goes_in_comes_out_and_cannot_be_read_between() -> None:
    encryption = FernetEncryption([NEW])
    sealed = encryption.encrypt(b"secret")
    assert b"secret" not in sealed
    assert sealed != encryption.encrypt(b"secret")
    assert encryption.decrypt(sealed) == (b"secret", False)


def test_older_keys_decrypt_and_the_newest_encrypts() -> None:
    both = FernetEncryption([NEW, OLD])
    assert both.decrypt(FernetEncryption([OLD]).encrypt(b"x")) == (b"x", True)
    assert FernetEncryption([NEW]).decrypt(both.encrypt(b"x")) == (b"x", False)


@pytest.mark.parametrize(
    "sealed",
    [b"", b"x", b"\xff" * 100, FernetEncryption([OLD]).encrypt(b"x")],
    ids=["empty", "short", "no base64", "under another key"],
)
def test_what_no_key_fits_is_an_error(sealed: bytes) -> None:
    with pytest.raises(ValueError, match="none of the keys fits"):
        FernetEncryption([NEW]).decrypt(sealed)


def test_a_changed_byte_is_noticed() -> None:
    sealed = bytearray(FernetEncryption([NEW]).encrypt(b"x" * 100))
    sealed[60] ^= 1
    with pytest.raises(ValueError, match="none of the keys fits"):
        FernetEncryption([NEW]).decrypt(bytes(sealed))


@pytest.mark.parametrize("keys", [[], [b"short"]])
def test_keys_must_be_keys(keys: list[bytes]) -> None:
    with pytest.raises(ValueError):
        FernetEncryption(keys)

from __future__ import annotations

from perijove.hub.adapters.encryption import FernetEncryption
from perijove.hub.ports.encryption import Encryption


def test_the_adapter_is_one() -> None:
    encryption: Encryption = FernetEncryption([b"k" * 32])
    assert encryption.decrypt(encryption.encrypt(b"x")) == (b"x", False)

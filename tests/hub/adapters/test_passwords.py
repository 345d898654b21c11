from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from perijove.hub.adapters.passwords import AT_ONCE, Argon2PasswordHasher
from perijove.hub.ports.passwords import PasswordHasher


async def test_a_hash_fits_its_password_only() -> None:
    hasher: PasswordHasher = Argon2PasswordHasher()
    stored = await hasher.hash("corréct horse")
    assert stored.startswith("$argon2id$")
    assert await hasher.verify(stored, "corréct horse")
    assert not await hasher.verify(stored, "correct horse")


async def test_the_same_password_is_stored_differently_each_time() -> None:
    hasher = Argon2PasswordHasher()
    assert await hasher.hash("x") != await hasher.hash("x")


@pytest.mark.parametrize("stored", ["", "x", "$argon2id$v=19$m=65536,t=3,p=4$broken", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_a_broken_hash_fits_nothing(stored: str) -> None:
    assert not await Argon2PasswordHasher().verify(stored, "x")


class CountingHash:
    """Stands in for the library: says how many callers it had at a time."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.lock = threading.Lock()
        self.full = threading.Event()

    def hash(self, password: str) -> str:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            if self.inside == AT_ONCE:
                self.full.set()
        self.full.wait(10)
        with self.lock:
            self.inside -= 1
        return "made"


async def test_without_a_hash_one_is_verified_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher: Any = Argon2PasswordHasher()
    real = hasher._argon2
    asked: list[str] = []

    class Watching:
        hash = staticmethod(real.hash)

        @staticmethod
        def verify(stored: str, password: str) -> bool:
            asked.append(stored)
            return bool(real.verify(stored, password))

    monkeypatch.setattr(hasher, "_argon2", Watching)
    assert not await hasher.verify(None, "x")
    assert [stored[:10] for stored in asked] == ["$argon2id$"]


async def test_only_a_few_are_made_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher: Any = Argon2PasswordHasher()
    counting = CountingHash()
    monkeypatch.setattr(hasher, "_argon2", counting)
    await asyncio.gather(*(hasher.hash("x") for _ in range(6)))
    assert counting.most == AT_ONCE

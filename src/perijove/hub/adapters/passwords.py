"""Passwords hashed with Argon2id (RFC 9106)."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

AT_ONCE = 2
"""How many hashes are made at a time: each takes 64 MiB and several processors."""


class Argon2PasswordHasher:
    """The password port. The work is done in threads of its own, so that a crowd that signs in delays nothing else."""

    def __init__(self) -> None:
        self._argon2 = argon2.PasswordHasher()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")

    async def hash(self, password: str) -> str:
        """Return *password* as an Argon2id hash in the usual ``$argon2id$…`` form."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._argon2.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Say whether *password* is the one that *password_hash* was made of; a broken hash fits no password.

        With None it takes as long and says no, so that timing does not tell whether a name exists.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._verify, password_hash, password)

    def _verify(self, password_hash: str | None, password: str) -> bool:
        nobody = self._nobody  # made at the first call of either kind, so that not even that one tells
        try:
            return self._argon2.verify(nobody if password_hash is None else password_hash, password)
        except (InvalidHashError, VerificationError):
            return False

    @cached_property
    def _nobody(self) -> str:
        """A hash of a password that nobody knows."""
        return self._argon2.hash(secrets.token_urlsafe())

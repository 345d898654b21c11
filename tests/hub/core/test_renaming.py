from __future__ import annotations

import pytest

from perijove.hub.core.renaming import renamed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("read:users!user=ada", "read:users!user=eva"),
        ("access:servers!server=ada/", "access:servers!server=eva/"),
        ("access:servers!server=ada/lab", "access:servers!server=eva/lab"),
        ("read:users!user=adam", None),
        ("access:servers!server=adam/lab", None),
        ("access:servers!server=bob/ada", None),
        ("access:servers!server=ada", None),
        ("read:groups!group=ada", None),
        ("access:services!service=ada", None),
        ("read:users!user", None),
        ("self", None),
        ("no scope!at=all", None),
    ],
)
def test_scopes_with_the_old_name_have_the_new_one(before: str, after: str | None) -> None:
    assert renamed(["list:users", before], "ada", "eva") == ("list:users", after or before)

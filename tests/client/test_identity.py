from __future__ import annotations

import pytest

from perijove.client.identity import HubIdentity, InvalidIdentity

MODEL = {
    "admin": False,
    "groups": ["g"],
    "name": "alice",
    "kind": "user",
    "user_info": {"display_name": "Alice"},
    "token_id": "a7",
    "session_id": "78ba",
    "scopes": ["access:servers!user=alice", "read:users:name!user=alice"],
}
ACCESS = ("access:servers!server=alice/", "access:servers!user=alice")


def test_model_of_a_user() -> None:
    identity = HubIdentity.from_model(MODEL)
    assert (identity.name, identity.kind, identity.groups, identity.session_id) == ("alice", "user", ("g",), "78ba")
    assert identity.info == {"display_name": "Alice"}
    assert identity.may_enter(ACCESS)


def test_model_of_a_service() -> None:
    identity = HubIdentity.from_model({"name": "culler", "kind": "service", "scopes": [], "session_id": None})
    assert not identity.may_enter(ACCESS)
    assert identity.refusal == "service culler is not allowed."


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (["access:servers"], True),
        (["access:servers!user=alice"], True),
        (["access:servers!server=alice/"], True),
        (["access:servers!server=alice/other"], False),
        (["access:servers!user=bob", "read:users", "admin:users"], False),
        (["access:servers!group=g"], False),
        (["nonsense!x!y", "!user=alice"], False),
        ([], False),
    ],
)
def test_may_enter(scopes: list[str], allowed: bool) -> None:
    assert HubIdentity.from_model({**MODEL, "scopes": scopes}).may_enter(ACCESS) is allowed


@pytest.mark.parametrize(
    "model",
    [
        None,
        [],
        {},
        {**MODEL, "name": ""},
        {**MODEL, "name": 1},
        {**MODEL, "kind": "robot"},
        {**MODEL, "scopes": "access:servers"},
        {**MODEL, "scopes": [1]},
    ],
)
def test_no_identity(model: object) -> None:
    with pytest.raises(InvalidIdentity):
        HubIdentity.from_model(model)


def test_refusal_is_bounded() -> None:
    assert len(HubIdentity("x" * 9999, "user", frozenset()).refusal) < 300


def test_holds_and_reads_like_the_model() -> None:
    model = {"name": "a", "kind": "user", "scopes": ["custom:report:read"], "roles": ["x"]}
    identity = HubIdentity.from_model(model)
    assert identity.holds("custom:report:write", "custom:report:read")
    assert not identity.holds("custom:report:write") and not identity.holds()
    assert (identity["name"], identity["roles"]) == ("a", ["x"])
    with pytest.raises(KeyError):
        identity["server"]
    assert "custom" not in repr(identity).partition("model")[2]

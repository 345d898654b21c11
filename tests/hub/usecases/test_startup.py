from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.events import (
    AdminChanged,
    GroupCreated,
    GroupPropertiesChanged,
    MembershipChanged,
    UserCreated,
    UserDeleted,
)
from perijove.hub.core.role_events import RoleChanged, RoleDeleted
from perijove.hub.core.roles import ADMIN_SCOPES
from perijove.hub.core.servers import State
from perijove.hub.core.services import Service
from perijove.hub.core.site import Site
from perijove.hub.core.tokens import hash_token
from perijove.hub.settings.groups import GroupSpec
from perijove.hub.settings.roles import RoleSpec
from perijove.hub.settings.services import ServiceSpec
from perijove.hub.settings.tokens import TokenSpec
from perijove.hub.testing.fakes import FakeAuthenticator
from perijove.hub.usecases import tokens
from perijove.hub.usecases.activity import Activity
from perijove.hub.usecases.identity import Identities
from perijove.hub.usecases.oauth import put_service_client
from perijove.hub.usecases.people import BY_AUTHENTICATOR
from perijove.hub.usecases.startup import BY_CONFIGURATION, apply_configuration, merged_roles
from perijove.hub.usecases.tokens import TokenRequest

House = Any
OPS = RoleSpec("ops", "Runs the place", ("list:users",))

BOTH = pytest.mark.parametrize("store", ["memory", "sql"], indirect=True)


async def apply(house: House, *roles: RoleSpec, services: Any = (), given: Any = (), **names: Any) -> None:
    await apply_configuration(house.ctx, FakeAuthenticator(**names), services, roles, given, site=Site("/jh/"))


async def roles_of(house: House, name: str) -> list[str]:
    async with house.store.transaction() as tx:
        user = await tx.users.get(name)
        return [role.name for role in await tx.roles.of("user", user.id)]


async def known(house: House, secret: str) -> str | None:
    principal = await Identities(house.ctx, Activity(house.ctx)).by_token(secret)
    return principal.name if principal else None


def service(name: str, secret: str = "", *, admin: bool = False) -> ServiceSpec:
    return ServiceSpec(name, f"{secret}-long-enough" if secret else "", admin)


@BOTH
async def test_doing_it_twice_changes_nothing(house: House) -> None:
    for _ in range(2):
        await apply(
            house,
            RoleSpec("ops", "Runs", ("list:users",), ("bob",), ("grafana",)),
            services=[service("grafana", "a", admin=True), service("quiet")],
            allowed_users={"bob"},
            admin_users={"boss"},
        )
        assert await roles_of(house, "bob") == ["ops", "user"]
        assert await roles_of(house, "boss") == ["admin", "user"]
        async with house.store.transaction() as tx:
            grafana = await tx.services.get("grafana")
            assert [role.name for role in await tx.roles.of("service", grafana.id)] == ["admin", "ops"]
            (token,) = await tx.tokens.list_of("service", grafana.id)
            assert token.scopes == ("inherit",)
            assert await tx.tokens.list_of("service", (await tx.services.get("quiet")).id) == []
            assert (await tx.users.get("boss")).admin
            assert await tx.users.count() == 3


@BOTH
async def test_a_token_changed_in_the_configuration_replaces_the_old_one(house: House) -> None:
    await apply(house, services=[service("ops", "old")])
    assert await known(house, "old-long-enough") == "ops"
    await apply(house, services=[service("ops", "new")])
    assert await known(house, "old-long-enough") is None
    assert await known(house, "new-long-enough") == "ops"
    await apply(house, services=[service("ops")])
    assert await known(house, "new-long-enough") is None


@BOTH
async def test_two_services_may_exchange_their_tokens(house: House) -> None:
    await apply(house, services=[service("one", "a"), service("two", "b")])
    await apply(house, services=[service("one", "b"), service("two", "a")])
    assert await known(house, "b-long-enough") == "one"
    assert await known(house, "a-long-enough") == "two"


@BOTH
async def test_a_service_that_is_removed_loses_its_token(house: House) -> None:
    await apply(house, services=[service("ops", "a"), service("other", "b")])
    await apply(house, services=[service("other", "b")])
    assert await known(house, "a-long-enough") is None
    assert await known(house, "b-long-enough") == "other"


@BOTH
async def test_a_service_takes_over_the_token_of_one_that_is_removed(house: House) -> None:
    await apply(house, services=[service("before", "a")])
    await apply(house, services=[service("after", "a")])
    assert await known(house, "a-long-enough") == "after"


@BOTH
async def test_a_service_that_is_no_administrator_any_more_loses_the_role(house: House) -> None:
    await apply(house, services=[service("ops", "a", admin=True)])
    await apply(house, services=[service("ops", "a")])
    principal = await Identities(house.ctx, Activity(house.ctx)).by_token("a-long-enough")
    assert principal is not None
    assert not principal.admin
    assert principal.scopes == frozenset()


async def client_of(house: House, name: str) -> Any:
    async with house.store.transaction() as tx:
        return await tx.oauth.client_of_service((await tx.services.get(name)).id)


@BOTH
async def test_a_service_is_stored_as_it_is_configured_and_signs_people_in(house: House) -> None:
    spec = ServiceSpec("whoami", "a-long-enough", url="http://127.0.0.1:1", command=("run",), info={"a": 1})
    for _ in range(2):
        await apply(house, services=[spec])
    async with house.store.transaction() as tx:
        stored = await tx.services.get("whoami")
    assert stored == replace(spec.as_service(from_config=True), id=stored.id)
    client = await client_of(house, "whoami")
    assert (client.client_id, client.redirect_uri) == ("service-whoami", "/jh/services/whoami/oauth_callback")
    assert client.secret_hash == hash_token("a-long-enough")
    await apply(house, services=[ServiceSpec("whoami", "a-long-enough")])
    assert await client_of(house, "whoami") is None


@BOTH
async def test_two_services_may_exchange_their_client_ids(house: House) -> None:
    ids = {"one": "service-a", "two": "service-b"}
    for _ in range(2):
        await apply(
            house,
            services=[ServiceSpec(name, f"{name}-long-enough", oauth_client_id=ids[name]) for name in ids],
        )
        assert {name: (await client_of(house, name)).client_id for name in ids} == ids
        ids = {"one": ids["two"], "two": ids["one"]}


@BOTH
async def test_a_service_made_while_the_hub_ran_stays_and_gives_way_to_the_configuration(house: House) -> None:
    async with house.store.transaction() as tx:
        made = await tx.services.add(Service(0, "made", oauth_client_id="service-ops", from_config=False))
        other = await tx.services.add(Service(0, "other", from_config=False))
        for each in (made, other):
            await put_service_client(house.ctx, tx, each, secret="long-enough-secret", site=Site())
    await apply(house, services=[service("ops", "a"), service("other", "b")])
    async with house.store.transaction() as tx:
        assert {each.name: each.from_config for each in await tx.services.list()} == {
            "made": False,
            "ops": True,
            "other": True,
        }
    assert (await client_of(house, "made")).client_id == "service-ops"
    assert await client_of(house, "other") is None, "the configuration says nothing of one"
    await apply(house, services=[ServiceSpec("ops", "a-long-enough", url="http://127.0.0.1:1")])
    assert (await client_of(house, "ops")).client_id == "service-ops"
    assert await client_of(house, "made") is None


@BOTH
async def test_a_users_token_as_a_services_token_is_refused(house: House) -> None:
    visitor = await house.visitor()
    view = await tokens.create(house.ctx, visitor.principal, "ada", TokenRequest(), maximum=0)
    with pytest.raises(PerijoveError, match="is one of the user ada already") as caught:
        await apply(house, services=[ServiceSpec("ops", view.value)])
    assert caught.value.code is Code.INVALID
    assert view.value not in caught.value.message
    assert await known(house, view.value) == "ada"


@BOTH
async def test_a_role_has_exactly_the_holders_that_are_listed(house: House) -> None:
    both = [service("grafana", "a"), service("other", "b")]
    await apply(house, RoleSpec("ops", scopes=("list:users",), users=("ada", "bob"), services=("grafana",)))
    await apply(
        house,
        RoleSpec("ops", scopes=("list:users",), users=("bob", "new"), services=("grafana",)),
        services=both,
    )
    assert await roles_of(house, "ada") == ["user"]
    assert [await roles_of(house, name) for name in ("bob", "new")] == [["ops", "user"]] * 2
    await apply(house, OPS, services=both)
    assert await roles_of(house, "bob") == ["ops", "user"]
    await apply(house, RoleSpec("ops", scopes=("list:users",), users=(), services=()), services=both)
    assert await roles_of(house, "bob") == ["user"]
    async with house.store.transaction() as tx:
        assert await tx.roles.of("service", (await tx.services.get("grafana")).id) == []


@BOTH
async def test_a_role_that_is_removed_is_gone(house: House) -> None:
    await apply(house, RoleSpec("ops", scopes=("list:users",), users=("ada",)))
    await apply(house)
    assert await roles_of(house, "ada") == ["user"]


@BOTH
async def test_the_role_admin_and_the_flag_go_together(house: House) -> None:
    await house.user("old", admin=True)
    await apply(house, RoleSpec("admin", users=("ada",)), admin_users={"boss"})
    async with house.store.transaction() as tx:
        flags = {name: (await tx.users.get(name)).admin for name in ("ada", "boss", "old")}
    assert flags == {"ada": True, "boss": True, "old": False}
    assert [await roles_of(house, name) for name in ("ada", "boss", "old")] == [["admin", "user"]] * 2 + [["user"]]


@BOTH
async def test_administrators_by_other_means_stay(house: House) -> None:
    await house.user("ada", admin=True)
    await apply(house)
    assert await roles_of(house, "ada") == ["admin", "user"]


def test_default_roles_are_kept_changed_and_added_to() -> None:
    merged = {role.name: role for role in merged_roles([OPS, RoleSpec("user", scopes=()), RoleSpec("token", "New")])}
    assert set(merged) == {"user", "admin", "server", "token", "ops"}
    assert merged["user"].scopes == ()
    assert merged["user"].description
    assert (merged["token"].scopes, merged["token"].description) == (("inherit",), "New")
    assert merged["admin"].scopes == ADMIN_SCOPES
    assert (merged["ops"].scopes, merged["ops"].description) == (("list:users",), "Runs the place")


@BOTH
async def test_a_blocked_user_loses_rights_sessions_tokens_and_servers(house: House) -> None:
    hub = await house.hub()
    await house.reach(hub, "ready")
    await hub.die()
    visitor = await house.visitor()
    view = await tokens.create(house.ctx, visitor.principal, "ada", TokenRequest(), maximum=0)
    everything = RoleSpec("admin", users=("ada",))
    ops = RoleSpec("ops", scopes=("list:users",), users=("ada",))
    for _ in range(2):
        await apply(house, everything, ops, admin_users={"ada"}, allowed_users={"ada"}, blocked_users={"ada"})
        assert await roles_of(house, "ada") == ["user"]
        assert await known(house, view.value) is None
        async with house.store.transaction() as tx:
            user = await tx.users.get("ada")
            assert not user.admin
            assert await tx.sessions.get(visitor.session.key_hash) is None
            assert await tx.tokens.list_of("user", user.id) == []
        assert (await house.row()).state is State.STOPPING
    await house.hub()
    await house.until("stopped")
    assert house.world.running() == []


@BOTH
async def test_a_mistake_leaves_everything_as_it_was(house: House) -> None:
    visitor = await house.visitor()
    view = await tokens.create(house.ctx, visitor.principal, "ada", TokenRequest(), maximum=0)
    with pytest.raises(PerijoveError):
        await apply(house, services=[ServiceSpec("ops", view.value)], allowed_users={"new"})
    async with house.store.transaction() as tx:
        assert await tx.users.get("new") is None


async def test_a_role_goes_to_exactly_the_groups_that_are_listed(house: House) -> None:
    await house.user("ada")
    await apply(house, RoleSpec("ops", scopes=("list:users",), groups=("staff", "guests")))
    async with house.store.transaction() as tx:
        staff = await tx.groups.get("staff")
        ada = await tx.users.get("ada")
        await tx.groups.add_members(staff.id, [ada.id])
        assert [role.name for role in await tx.roles.of("group", staff.id)] == ["ops"]
        assert "ops" in [role.name for role in await tx.roles.effective_of_user(ada.id)]
    await apply(house, RoleSpec("ops", scopes=("list:users",), groups=("guests",)))
    async with house.store.transaction() as tx:
        assert await tx.roles.of("group", staff.id) == []
        assert "ops" not in [role.name for role in await tx.roles.effective_of_user(ada.id)]
    await apply(house, RoleSpec("ops", scopes=("list:users",)))
    async with house.store.transaction() as tx:
        guests = await tx.groups.get("guests")
        assert [role.name for role in await tx.roles.of("group", guests.id)] == ["ops"]


async def test_a_blocked_user_leaves_all_groups(house: House) -> None:
    eve = await house.user("eve")
    async with house.store.transaction() as tx:
        await tx.groups.add_members((await tx.groups.add("staff")).id, [eve.id])
    await apply(house, blocked_users={"eve"})
    async with house.store.transaction() as tx:
        assert (await tx.users.get("eve")).groups == ()


@BOTH
async def test_further_tokens_of_users_and_services(house: House) -> None:
    old, new, bobs = "an-old-token-of-ops", "a-new-token-of-ops", TokenSpec("user", "bob", "bobs-token")
    await apply(
        house,
        services=[service("ops", "own")],
        given=[
            TokenSpec("service", "ops", old),
            TokenSpec("service", "ops", new),
            TokenSpec("user", "bob", "bobs-token"),
        ],
    )
    assert [await known(house, secret) for secret in (old, new, "own-long-enough", "bobs-token")] == ["ops"] * 3 + [
        "bob"
    ]
    await apply(house, given=[TokenSpec("service", "ops", new), TokenSpec("user", "bob", "bobs-token")])
    assert [await known(house, secret) for secret in (old, new, "own-long-enough")] == [None, "ops", None]
    await apply(house, given=[bobs], blocked_users={"bob"})
    assert [await known(house, secret) for secret in (new, bobs.token)] == [None, None]


async def test_a_token_is_one_persons(house: House) -> None:
    with pytest.raises(PerijoveError, match="is one of the user bob already") as caught:
        await apply(
            house, given=[TokenSpec("user", "bob", "the-same-token"), TokenSpec("user", "eve", "the-same-token")]
        )
    assert "the-same-token" not in str(caught.value)


async def test_what_the_configuration_changes_is_told_once(house: House) -> None:
    facts = house.telemetry.facts
    async with house.store.transaction() as tx:
        await tx.users.add("quiet", admin=True, now=house.clock.now())
    facts.clear()
    for _ in range(2):
        await apply(house, OPS, admin_users={"ada", "boss"}, blocked_users={"quiet"})
    assert facts == [
        RoleChanged("ops", "list:users", BY_CONFIGURATION),
        AdminChanged("ada", True, BY_CONFIGURATION),
        UserCreated("boss", BY_CONFIGURATION),
        AdminChanged("boss", True, BY_CONFIGURATION),
        AdminChanged("quiet", False, BY_CONFIGURATION),
    ]
    facts.clear()
    await apply(house, RoleSpec("user", None, ("self", "list:users")))
    assert facts == [RoleChanged("user", "self list:users", BY_CONFIGURATION), RoleDeleted("ops", BY_CONFIGURATION)]


async def load(house: House, *groups: GroupSpec) -> None:
    await apply_configuration(house.ctx, FakeAuthenticator(), (), (), (), groups, site=Site())


@BOTH
async def test_groups_of_the_configuration_are_made_and_joined_and_nobody_leaves(house: House) -> None:
    await load(house, GroupSpec("staff", ("ada", "new"), {"floor": 2}), GroupSpec("empty"))
    assert house.telemetry.of(GroupCreated) == [
        GroupCreated("staff", BY_CONFIGURATION),
        GroupCreated("empty", BY_CONFIGURATION),
    ]
    assert house.telemetry.of(UserCreated) == [UserCreated("new", BY_CONFIGURATION)]
    joined = [MembershipChanged("staff", name, True, BY_CONFIGURATION) for name in ("ada", "new")]
    assert house.telemetry.of(MembershipChanged) == joined
    house.telemetry.facts.clear()
    await load(house, GroupSpec("staff", ("ada",)))
    assert house.telemetry.facts == []
    async with house.store.transaction() as tx:
        staff = await tx.groups.get("staff")
        assert dict(staff.properties) == {"floor": 2}
        assert (await tx.groups.members([staff.id]))[staff.id] == ["ada", "new"]
    await load(house, GroupSpec("staff", (), {}))
    assert house.telemetry.facts == [GroupPropertiesChanged("staff", BY_CONFIGURATION)]


@BOTH
async def test_a_blocked_user_is_in_no_group_of_the_configuration(house: House) -> None:
    authenticator = FakeAuthenticator(blocked_users={"ada"})
    await apply_configuration(house.ctx, authenticator, (), (), (), [GroupSpec("staff", ("ada",))], site=Site())
    async with house.store.transaction() as tx:
        assert (await tx.users.get("ada")).groups == ()


class Managing(FakeAuthenticator):
    """Gives `roles` at the start of the hub."""

    def __init__(self, roles: Any, **options: Any) -> None:
        super().__init__(manage_roles=True, **options)
        self.roles = roles

    async def load_managed_roles(self) -> Any:
        if isinstance(self.roles, Exception):
            raise self.roles
        return self.roles


async def manage(house: House, roles: Any, **options: Any) -> None:
    await apply_configuration(house.ctx, Managing(roles, **options), [service("grafana")], (), site=Site())


@BOTH
async def test_roles_of_the_authenticator_are_made_and_given(house: House) -> None:
    ops = {"name": "ops", "scopes": ["list:users"], "users": ["New"], "groups": ["staff"], "services": ["grafana"]}
    await manage(house, [ops, {"name": "admin", "users": ["boss"]}])
    assert house.telemetry.of(RoleChanged) == [RoleChanged("ops", "list:users", BY_AUTHENTICATOR)]
    assert await roles_of(house, "new") == ["ops", "user"]
    async with house.store.transaction() as tx:
        assert (await tx.users.get("boss")).admin
        assert [role.name for role in await tx.roles.of("group", (await tx.groups.get("staff")).id)] == ["ops"]
        assert [role.name for role in await tx.roles.of("service", (await tx.services.get("grafana")).id)] == ["ops"]
    await manage(house, [])
    assert await roles_of(house, "new") == ["ops", "user"]


@BOTH
async def test_a_reset_leaves_nothing_of_earlier_ones(house: House) -> None:
    await manage(house, [{"name": "ops", "users": ["bob"]}, {"name": "admin", "users": ["boss"]}, {"name": "dev-team"}])
    house.telemetry.facts.clear()
    await manage(house, [{"name": "dev-team", "users": ["bob"]}], reset_managed_roles_on_startup=True)
    assert await roles_of(house, "bob") == ["dev-team", "user"]
    assert await roles_of(house, "boss") == ["user"]
    assert house.telemetry.facts == [RoleDeleted("ops", BY_AUTHENTICATOR)]
    async with house.store.transaction() as tx:
        assert not (await tx.users.get("boss")).admin


@pytest.mark.parametrize(
    ("roles", "code", "why"),
    [
        ([{"name": "ops", "scopes": ["nonsense"]}, 7], Code.INVALID, "Managing.load_managed_roles()[1]: a role is"),
        ("ops", Code.INVALID, "must give a list of roles"),
        (RuntimeError("secret"), Code.UNAVAILABLE, "failed or did not answer"),
    ],
)
async def test_wrong_roles_of_the_authenticator_keep_the_hub_from_starting(
    house: House, roles: Any, code: Code, why: str
) -> None:
    with pytest.raises(PerijoveError) as caught:
        await manage(house, roles)
    assert caught.value.code is code
    assert why in caught.value.message
    assert "secret" not in caught.value.message


async def test_a_reset_without_managed_roles_is_a_mistake(house: House) -> None:
    with pytest.raises(PerijoveError, match="manage_roles = True"):
        await apply(house, reset_managed_roles_on_startup=True)


@BOTH
async def test_users_with_invalid_names_are_deleted_if_wanted(house: House) -> None:
    await house.user("x1")
    await house.user("x2")
    hub = await house.hub()
    await hub.start("x2")
    await house.until("ready", "x2")
    await apply(house, username_pattern="[a-z]+")
    async with house.store.transaction() as tx:
        assert set(await tx.users.named(["ada", "x1", "x2"])) == {"ada", "x1", "x2"}
    assert house.telemetry.of(UserDeleted) == []
    await apply(house, username_pattern="[a-z]+", delete_invalid_users=True)
    assert house.telemetry.of(UserDeleted) == [UserDeleted(name, BY_CONFIGURATION) for name in ("x1", "x2")]
    await hub.die()
    after = await house.hub()
    await after.removal.sweep()

    async def left() -> set[str]:
        async with house.store.transaction() as tx:
            return set(await tx.users.named(["ada", "x1", "x2"]))

    async with asyncio.timeout(20):
        while await left() != {"ada"}:
            await asyncio.sleep(0.01)
    assert house.world.running() == []

"""Groups: created, listed, shown, changed, deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from perijove.hub.core.errors import conflict, forbidden, invalid
from perijove.hub.core.events import GroupCreated, GroupDeleted, GroupPropertiesChanged, MembershipChanged
from perijove.hub.core.facts import Fact
from perijove.hub.core.groups import Group
from perijove.hub.core.names import normalize_group_name, normalize_user_name
from perijove.hub.core.paging import Page, Window
from perijove.hub.core.principals import Principal
from perijove.hub.core.users import User
from perijove.hub.core.visibility import READ_GROUP, group_fields
from perijove.hub.ports.store import GroupQuery, Transaction
from perijove.hub.usecases.context import Context
from perijove.hub.usecases.gifts import beyond_reach
from perijove.hub.usecases.reach import reached_group

MAX_NEW_GROUPS = 1_000
MAX_MEMBERS_AT_ONCE = 10_000


class GroupView(Struct, frozen=True):
    """A group with what is shown beside it; *fields* names what the caller may see of it."""

    group: Group
    members: Sequence[str]
    roles: Sequence[str]
    fields: frozenset[str]


async def list_groups(ctx: Context, principal: Principal, window: Window) -> Page[GroupView]:
    """Return a part of the groups that the caller may list. Raises PerijoveError FORBIDDEN."""
    limits = principal.limits("list:groups", "group")
    query = GroupQuery(window, None if limits is None else limits["group"])
    async with ctx.store.reading() as tx:
        page = await tx.groups.list(query)
        return Page(await _views(tx, principal, page.items), page.window, page.total)


class GroupSummary(Struct, frozen=True):
    """A group, how many members it has and which roles; *fields* names what the caller may see of it."""

    group: Group
    members: int
    roles: Sequence[str]
    fields: frozenset[str]


async def find_groups(ctx: Context, principal: Principal, name_filter: str, window: Window) -> Page[GroupSummary]:
    """Return a part of the groups that the caller may list and whose names hold *name_filter*, by name.

    Raises:
        PerijoveError: FORBIDDEN.
    """
    limits = principal.limits("list:groups", "group")
    query = GroupQuery(window, None if limits is None else limits["group"], name_filter, by_name=True)
    async with ctx.store.reading() as tx:
        page = await tx.groups.list(query)
        ids = [group.id for group in page.items]
        counts, roles = await tx.groups.count_members(ids), await tx.roles.names_of("group", ids)
    found = [
        GroupSummary(group, counts[group.id], roles.get(group.id, ()), group_fields(principal, group.name))
        for group in page.items
    ]
    return Page(found, page.window, page.total)


async def get_summary(ctx: Context, principal: Principal, name: str) -> GroupSummary:
    """Return one group, however many members it has. Raises PerijoveError FORBIDDEN or NOT_FOUND."""
    async with ctx.store.reading() as tx:
        group = await reached_group(tx, principal, *READ_GROUP, name=name)
        count, roles = await tx.groups.count_members([group.id]), await tx.roles.names_of("group", [group.id])
    return GroupSummary(group, count[group.id], roles[group.id], group_fields(principal, group.name))


async def get_group(ctx: Context, principal: Principal, name: str) -> GroupView:
    """Return one group. Raises PerijoveError FORBIDDEN or NOT_FOUND."""
    async with ctx.store.reading() as tx:
        return (await _views(tx, principal, [await reached_group(tx, principal, *READ_GROUP, name=name)]))[0]


async def create_groups(
    ctx: Context, principal: Principal, names: Sequence[str], members: Sequence[str] = ()
) -> Sequence[GroupView]:
    """Create groups, each with the same *members*; all or none.

    Raises:
        PerijoveError: FORBIDDEN; INVALID for no, too many or impossible names and for members who do not exist;
            CONFLICT if one of them exists.
    """
    if not names:
        raise invalid("Must specify at least one group to create")
    if len(names) > MAX_NEW_GROUPS:
        raise invalid(f"At most {MAX_NEW_GROUPS} groups at once")
    normal = list(dict.fromkeys(map(normalize_group_name, names)))
    for name in normal:
        principal.require("admin:groups", group=name)
    async with ctx.store.transaction() as tx:
        taken = await tx.groups.named(normal)
        if taken:
            raise conflict(f"Group {sorted(taken)[0]} already exists")
        users = await _users(tx, members)
        groups = [await tx.groups.add(name) for name in normal]
        for group in groups:
            await tx.groups.add_members(group.id, [user.id for user in users])
        views = await _views(tx, principal, groups)
    for group in groups:
        ctx.telemetry.emit(GroupCreated(group.name, principal.name))
        _tell(ctx, _changes(group, (user.name for user in users), True, principal))
    return views


async def delete_group(ctx: Context, principal: Principal, name: str) -> None:
    """Delete a group; its members lose what it gave them. Raises PerijoveError FORBIDDEN or NOT_FOUND."""
    async with ctx.store.transaction() as tx:
        group = await reached_group(tx, principal, "delete:groups", name=name)
        await tx.groups.delete(group.id)
    ctx.telemetry.emit(GroupDeleted(group.name, principal.name))


async def change_members(
    ctx: Context, principal: Principal, name: str, users: Sequence[str], *, member: bool
) -> GroupView:
    """Add *users* to a group, or remove them, and return it. It is no error if they are, or are not, in it.

    Raises:
        PerijoveError: FORBIDDEN or NOT_FOUND; INVALID for users who do not exist, all of them named.
    """
    async with ctx.store.transaction() as tx:
        group = await reached_group(tx, principal, "groups", name=name)
        chosen = await _users(tx, users)
        changed = [user for user in chosen if (group.name in user.groups) is not member]
        if member and changed:
            await _check_gift(ctx, tx, principal, group)
        change = tx.groups.add_members if member else tx.groups.remove_members
        await change(group.id, [user.id for user in changed])
        view = (await _views(tx, principal, [group]))[0]
    _tell(ctx, _changes(group, (user.name for user in changed), member, principal))
    return view


async def set_properties(ctx: Context, principal: Principal, name: str, properties: Mapping[str, object]) -> GroupView:
    """Replace the properties of a group and return it. Raises PerijoveError FORBIDDEN, NOT_FOUND or INVALID."""
    async with ctx.store.transaction() as tx:
        group = await reached_group(tx, principal, "groups", name=name)
        await tx.groups.set_properties(group.id, properties)
        changed = await tx.groups.by_id(group.id)
        view = (await _views(tx, principal, [changed or group]))[0]
    ctx.telemetry.emit(GroupPropertiesChanged(group.name, principal.name))
    return view


async def set_groups_of(
    ctx: Context, tx: Transaction, principal: Principal, user: User, names: Collection[str]
) -> list[Fact]:
    """Make these the only groups of *user*, as far as the caller may change each that comes or goes; return the facts.

    Raises:
        PerijoveError: FORBIDDEN; NOT_FOUND for a group out of reach; INVALID for groups that do not exist.
    """
    wanted = {normalize_group_name(name) for name in names}
    changed = wanted ^ set(user.groups)
    for name in changed:
        principal.require("groups", group=name)
    groups = await tx.groups.named(wanted | changed)
    if missing := sorted(wanted - groups.keys()):
        raise invalid(f"No such group: {', '.join(map(repr, missing[:20]))}")
    for name in wanted - set(user.groups):
        await _check_gift(ctx, tx, principal, groups[name])
    await tx.groups.set_groups(user.id, [groups[name].id for name in wanted])
    return [MembershipChanged(name, user.name, name in wanted, principal.name) for name in sorted(changed)]


async def _check_gift(ctx: Context, tx: Transaction, principal: Principal, group: Group) -> None:
    """Refuse to make anybody a member of a group whose roles allow more than the caller may do.

    What roles allow members with what is their own does not count.

    Raises:
        PerijoveError: FORBIDDEN.
    """
    raw = [scope for role in await tx.roles.of("group", group.id) for scope in role.scopes]
    if missing := await beyond_reach(ctx, tx, principal, raw):
        raise forbidden(
            f"The roles of group {group.name} allow more than you may do: {', '.join(map(str, missing[:5]))}"
        )


async def _users(tx: Transaction, names: Sequence[str]) -> list[User]:
    if len(names) > MAX_MEMBERS_AT_ONCE:
        raise invalid(f"At most {MAX_MEMBERS_AT_ONCE} users at once")
    normal = dict.fromkeys(map(normalize_user_name, names))
    found = await tx.users.named(list(normal))
    if missing := [name for name in normal if name not in found]:
        raise invalid(f"No such user: {', '.join(map(repr, missing[:20]))}")
    return [found[name] for name in normal]


async def _views(tx: Transaction, principal: Principal, groups: Sequence[Group]) -> list[GroupView]:
    ids = [group.id for group in groups]
    members, roles = await tx.groups.members(ids), await tx.roles.names_of("group", ids)
    return [
        GroupView(group, members.get(group.id, ()), roles.get(group.id, ()), group_fields(principal, group.name))
        for group in groups
    ]


def _changes(group: Group, users: Iterable[str], member: bool, principal: Principal) -> list[Fact]:
    return [MembershipChanged(group.name, user, member, principal.name) for user in users]


def _tell(ctx: Context, facts: Iterable[Fact]) -> None:
    for fact in facts:
        ctx.telemetry.emit(fact)

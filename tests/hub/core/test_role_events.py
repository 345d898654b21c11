from __future__ import annotations

from perijove.hub.core.events import kinds
from perijove.hub.core.role_events import RoleChanged, RoleDeleted, RoleHolderChanged, RolesChanged


def test_they_are_known_with_the_other_facts() -> None:
    assert {RoleChanged, RoleDeleted, RoleHolderChanged, RolesChanged} <= set(kinds())


def test_who_was_given_what_is_told_in_words() -> None:
    given = RoleHolderChanged("tutor", "group", "physics", holds=True, by="root")
    assert given.sentence() == "The role tutor was given to the group physics by root"
    taken = RoleHolderChanged("tutor", "user", "ada", holds=False, by="root")
    assert taken.sentence() == "The role tutor was taken from the user ada by root"

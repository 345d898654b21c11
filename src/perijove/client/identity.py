"""Whose token it is, and whether that user or service may enter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from perijove.wire.scopes import check_scopes

MAX_SHOWN_NAME = 255


class InvalidIdentity(ValueError):
    """The hub's answer is no identity model; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class HubIdentity:
    """The owner of a token, from the hub's answer to ``GET /hub/api/user``.

    Attributes:
        name: name of the user or service.
        kind: ``user`` or ``service``.
        scopes: everything the token permits, fully expanded.
        groups: names of the groups the user is in.
        admin: whether the user is an administrator.
        session_id: the browser session the token belongs to; empty for other tokens.
        info: what the hub tells about the person, such as ``display_name``.
        model: the hub's whole answer.
    """

    name: str
    kind: str
    scopes: frozenset[str]
    groups: tuple[str, ...] = ()
    admin: bool = False
    session_id: str = ""
    info: Mapping[str, object] | None = None
    model: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)

    def __getitem__(self, key: str) -> object:
        """Return one field of the hub's answer, as services on JupyterHub's own library read it: ``user["name"]``."""
        return self.model[key]

    @classmethod
    def from_model(cls, model: object) -> HubIdentity:
        """Return the identity that the JSON *model* describes.

        Raises:
            InvalidIdentity: a name, kind or list of scopes is missing or of the wrong type.
        """
        if not isinstance(model, Mapping):
            raise InvalidIdentity("the model is not an object")
        name, kind, scopes = model.get("name"), model.get("kind"), model.get("scopes")
        if not isinstance(name, str) or not name:
            raise InvalidIdentity("the model has no name")
        if kind not in {"user", "service"}:
            raise InvalidIdentity("the model's kind is neither user nor service")
        if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
            raise InvalidIdentity("the model has no list of scopes")
        groups, info = model.get("groups"), model.get("user_info")
        return cls(
            name=name,
            kind=kind,
            scopes=frozenset(scopes),
            groups=tuple(group for group in groups if isinstance(group, str)) if isinstance(groups, list) else (),
            admin=model.get("admin") is True,
            session_id=str(model.get("session_id") or ""),
            info=info if isinstance(info, Mapping) else None,
            model=model,
        )

    def holds(self, *scopes: str) -> bool:
        """Say whether one of *scopes* is held, as ``holds("custom:report:write")``."""
        return bool(check_scopes(scopes, self.scopes))

    def may_enter(self, access_scopes: Iterable[str]) -> bool:
        """Say whether one of *access_scopes* is held."""
        return self.holds(*access_scopes)

    @property
    def refusal(self) -> str:
        """The sentence for one who may not enter."""
        return f"{self.kind} {self.name[:MAX_SHOWN_NAME]} is not allowed."

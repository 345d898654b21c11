"""Services in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, delete, select

from perijove.hub.adapters.store.dialects import MAX_ID, upsert, within
from perijove.hub.adapters.store.endings import delete_clients
from perijove.hub.adapters.store.tables import oauth_clients, services
from perijove.hub.adapters.store.worker import Repository, in_worker
from perijove.hub.core.services import Service

_SERVICE: Final = select(services)


def _service(row: Row[Any]) -> Service:
    texts = {name: tuple(row._mapping[name]) for name in ("command", "oauth_client_allowed_scopes")}
    return Service(**dict(row._mapping) | texts)


def _values(service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "admin": service.admin,
        "url": service.url,
        "command": list(service.command),
        "info": dict(service.info),
        "display": service.display,
        "oauth_client_id": service.oauth_client_id,
        "oauth_redirect_uri": service.oauth_redirect_uri,
        "oauth_client_allowed_scopes": list(service.oauth_client_allowed_scopes),
        "oauth_no_confirm": service.oauth_no_confirm,
        "from_config": service.from_config,
    }


class SqlServices(Repository):
    """Services."""

    @in_worker
    def list(self) -> Sequence[Service]:
        return [_service(row) for row in self.connection.execute(_SERVICE.order_by(services.c.name))]

    @in_worker
    def get(self, name: str) -> Service | None:
        row = self.connection.execute(_SERVICE.where(services.c.name == name)).one_or_none()
        return None if row is None else _service(row)

    @in_worker
    def by_id(self, service_id: int) -> Service | None:
        if service_id > MAX_ID:
            return None
        row = self.connection.execute(_SERVICE.where(services.c.id == service_id)).one_or_none()
        return None if row is None else _service(row)

    @in_worker
    def add(self, service: Service) -> Service:
        self.insert(services, _values(service))
        return _service(self.connection.execute(_SERVICE.where(services.c.name == service.name)).one())

    @in_worker
    def put(self, service: Service) -> Service:
        values = _values(service)
        new = upsert(self.connection, services).values(values)
        self.connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=values))
        return _service(self.connection.execute(_SERVICE.where(services.c.name == service.name)).one())

    @in_worker
    def delete(self, service_id: int) -> None:
        self._delete(services.c.id == service_id)

    @in_worker
    def keep_only(self, names: Collection[str]) -> None:
        self._delete(services.c.from_config & ~within(services.c.name, names))

    def _delete(self, which: ColumnElement[bool]) -> None:
        gone = select(services.c.id).where(which)
        delete_clients(self.connection, oauth_clients.c.service_id.in_(gone))
        self.connection.execute(delete(services).where(which))

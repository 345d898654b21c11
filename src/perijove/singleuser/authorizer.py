"""Whether a visitor may do something here: everything, if the hub lets the visitor in, and nothing otherwise."""

from __future__ import annotations

from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.auth.identity import User
from jupyter_server.base.handlers import JupyterHandler

from perijove.singleuser.identity_provider import HubIdentityProvider, HubUser


class HubAuthorizer(Authorizer):
    """Asks for one of the access scopes, on every action; JupyterHub 5 and 6 know no finer ones."""

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:
        """Say whether *user* came from the hub and holds an access scope."""
        provider = self.identity_provider
        if not isinstance(user, HubUser) or not isinstance(provider, HubIdentityProvider):
            return False
        return user.hub_identity.may_enter(provider.environment.access_scopes)

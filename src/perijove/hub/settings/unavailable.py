"""What JupyterHub has and this version lacks: every such option, section and plug-in, with what to do about it.

A configuration written for JupyterHub either works or is refused with one of these sentences. They follow the name of
the option, so they begin in the middle of a sentence.
"""

from __future__ import annotations

_GONE = "is not available in this version; remove it"
_NO_EFFECT = "has no effect; remove it"


def _moved(to: str) -> str:
    return f"is the old name of {to}; write that instead"


def _lacks(what: str, instead: str = "remove it") -> str:
    return f"belongs to {what}, which this version does not have; {instead}"


_INTERNAL_TLS = _lacks("encryption between hub, proxy and servers")
_LOOKS = "is not available in this version; see c.JupyterHub.template_paths and docs/customising.md"
_SYSTEM_GROUPS = _lacks("sign-in with accounts of the system")
_LOG = "is not available in this version; set c.JupyterHub.log_level, and send the output where you want it"

OPTIONS: dict[str, dict[str, str]] = {
    "JupyterHub": {
        "active_user_window": _NO_EFFECT,
        "admin_access": "is not available in this version; give the scope access:servers in c.JupyterHub.load_roles",
        "admin_users": _moved("c.Authenticator.admin_users"),
        "allow_existing_invalid_named_servers": "is not needed: there are no servers with old names; remove it",
        "answer_yes": "is for the command line only: write perijove -y",
        "confirm_no_ssl": _NO_EFFECT,
        "data_files_path": _LOOKS,
        "db_kwargs": _GONE,
        "debug_db": "is not available in this version; set c.JupyterHub.log_level",
        "reset_db": "is not available in this version; remove the database file by hand",
        "upgrade_db": "is not needed: the database is brought up to date at each start; remove it",
        "debug_proxy": _moved("c.ConfigurableHTTPProxy.debug"),
        "proxy_cmd": _moved("c.ConfigurableHTTPProxy.command"),
        "proxy_auth_token": _moved("c.ConfigurableHTTPProxy.auth_token"),
        "proxy_check_interval": _moved("c.Proxy.check_running_interval"),
        "proxy_api_ip": "is a part of c.ConfigurableHTTPProxy.api_url now; write that instead",
        "proxy_api_port": "is a part of c.ConfigurableHTTPProxy.api_url now; write that instead",
        "external_ssl_authorities": _INTERNAL_TLS,
        "extra_handlers": _lacks("handlers of its framework", "run them as a service of c.JupyterHub.services"),
        "extra_log_file": _LOG,
        "extra_log_handlers": _LOG,
        "forwarded_host_header": _NO_EFFECT,
        "generate_config": "is for the command line only: write perijove --generate-config",
        "generate_certs": _INTERNAL_TLS,
        "hub_bind_url": "is not available in this version; write c.JupyterHub.hub_ip and c.JupyterHub.hub_port",
        "hub_connect_port": "is not available in this version; write c.JupyterHub.hub_connect_url",
        "hub_socket_mode": "belongs to Unix sockets, which this version does not have; remove it",
        "hub_routespec": _GONE,
        "init_spawners_timeout": "is not needed: the hub answers while it looks for running servers; remove it",
        "internal_ssl": _INTERNAL_TLS,
        "internal_certs_location": _INTERNAL_TLS,
        "recreate_internal_certs": _INTERNAL_TLS,
        "trusted_alt_names": _INTERNAL_TLS,
        "jinja_environment_options": _LOOKS,
        "log_datefmt": _LOG,
        "log_format": _LOG,
        "logging_config": _LOG,
        "show_config": "is for the command line only: write perijove --show-config",
        "show_config_json": "is for the command line only: write perijove --show-config-json",
        "spawn_throttle_retry_range": "is not needed: a start over the limit waits in a queue; remove it",
        "tornado_settings": "is not available in this version; write c.JupyterHub.slow_spawn_timeout and "
        "c.JupyterHub.slow_stop_timeout, and remove the rest",
        "trust_user_provided_tokens": _NO_EFFECT,
    },
    "Authenticator": {
        "any_allow_config": "follows from the other options of c.Authenticator; remove it",
        "otp_prompt": _GONE,
        "request_otp": _GONE,
        "whitelist": _moved("c.Authenticator.allowed_users"),
        "blacklist": _moved("c.Authenticator.blocked_users"),
        "admin_groups": _SYSTEM_GROUPS,
        "allowed_groups": _SYSTEM_GROUPS,
        "group_whitelist": _SYSTEM_GROUPS,
    },
    "Spawner": {
        "oauth_roles": _GONE,
        "ssl_alt_names": _INTERNAL_TLS,
        "ssl_alt_names_include_local": _INTERNAL_TLS,
    },
    "SimpleLocalProcessSpawner": {
        "home_dir": _GONE,
    },
    "ConfigurableHTTPProxy": {
        "command_umask": _GONE,
    },
}
"""Options by class. An option that a class has after all is never looked up here."""

_USE_PASSWORD = (
    'use "password" (accounts kept by Perijove itself), "dummy" (for trials), or a class of your own '
    "derived from perijove.hub.ports.authenticator.Authenticator"
)
_USE_SIMPLE = 'use "simple" (local processes), or a class of your own derived from perijove.hub.ports.spawner.Spawner'
_USE_LOCAL = 'use "localprocess" (a hub that runs as root starts each server as its user)'
_USE_CHP = 'use "configurable-http-proxy"'

_SYSTEM_ACCOUNTS = f"signs in with accounts of the system, which this version cannot do; {_USE_PASSWORD}"
_OTHER_PARTY = f"signs in with another party's accounts, which this version cannot do; {_USE_PASSWORD}"

AUTHENTICATORS: dict[str, str] = {
    "MultiAuthenticator": 'is built in; write "multi" instead',
    **dict.fromkeys(("PAMAuthenticator", "LocalAuthenticator", "pam", "local", "default"), _SYSTEM_ACCOUNTS),
    **dict.fromkeys(
        (
            "OAuthenticator",
            "GenericOAuthenticator",
            "LocalGenericOAuthenticator",
            "GitHubOAuthenticator",
            "LocalGitHubOAuthenticator",
            "GitLabOAuthenticator",
            "GoogleOAuthenticator",
            "AzureAdOAuthenticator",
            "Auth0OAuthenticator",
            "BitbucketOAuthenticator",
            "CILogonOAuthenticator",
            "FeishuOAuthenticator",
            "GlobusOAuthenticator",
            "MediaWikiOAuthenticator",
            "OpenShiftOAuthenticator",
            "OkpyOAuthenticator",
            "LTIAuthenticator",
            "LTI11Authenticator",
            "LTI13Authenticator",
            "LDAPAuthenticator",
            "KerberosAuthenticator",
            "RemoteUserAuthenticator",
            "SAMLAuthenticator",
            "CASAuthenticator",
            "JSONWebTokenAuthenticator",
            "github",
            "gitlab",
            "google",
            "azuread",
            "auth0",
            "bitbucket",
            "cilogon",
            "generic-oauth",
            "globus",
            "mediawiki",
            "openshift",
            "ldap",
            "lti11",
            "lti13",
        ),
        _OTHER_PARTY,
    ),
    **dict.fromkeys(
        (
            "SharedPasswordAuthenticator",
            "NullAuthenticator",
            "NativeAuthenticator",
            "FirstUseAuthenticator",
            "TmpAuthenticator",
            "HashAuthenticator",
            "shared-password",
            "null",
            "native",
            "firstuse",
            "tmp",
        ),
        f"is not available in this version; {_USE_PASSWORD}",
    ),
    **dict.fromkeys(("DummyAuthenticator", "jupyterhub-dummy"), 'is called "dummy" here; write that'),
}
"""Authenticators by class or short name."""

SPAWNERS: dict[str, str] = {
    **dict.fromkeys(
        ("SudoSpawner", "sudospawner", "SystemdSpawner", "systemd"),
        f"starts servers as users of the system, which this version cannot do that way; {_USE_LOCAL}",
    ),
    **dict.fromkeys(
        (
            "DockerSpawner",
            "SystemUserSpawner",
            "SwarmSpawner",
            "KubeSpawner",
            "docker",
            "docker-swarm",
            "kubespawner",
            "kube",
        ),
        f"starts containers, which this version cannot do; {_USE_SIMPLE}",
    ),
    **dict.fromkeys(
        (
            "BatchSpawnerBase",
            "SlurmSpawner",
            "TorqueSpawner",
            "MoabSpawner",
            "PBSSpawner",
            "UserEnvMixin",
            "GridengineSpawner",
            "UGESpawner",
            "CondorSpawner",
            "LsfSpawner",
            "YarnSpawner",
            "SSHSpawner",
            "MultiSlurmSpawner",
        ),
        f"starts servers on other machines, which this version cannot do; {_USE_SIMPLE}",
    ),
    **dict.fromkeys(
        ("WrapSpawner", "ProfilesSpawner", "DockerProfilesSpawner"), f"is not available in this version; {_USE_SIMPLE}"
    ),
    **dict.fromkeys(("LocalProcessSpawner", "default"), 'is called "localprocess" here; write that'),
    "SimpleLocalProcessSpawner": 'is called "simple" here; write that',
}
"""Spawners by class or short name."""

PROXIES: dict[str, str] = {
    **dict.fromkeys(
        (
            "TraefikProxy",
            "TraefikFileProviderProxy",
            "TraefikTomlProxy",
            "TraefikEtcdProxy",
            "TraefikConsulProxy",
            "TraefikRedisProxy",
            "KubeIngressProxy",
            "traefik_file",
            "traefik_etcd",
            "traefik_consul",
            "traefik_redis",
        ),
        f"is not available in this version; {_USE_CHP}",
    ),
    **dict.fromkeys(("ConfigurableHTTPProxy", "default"), 'is called "configurable-http-proxy" here; write that'),
}
"""Proxies by class or short name."""

SECTIONS: dict[str, str] = {
    **{
        name: text
        for table in (AUTHENTICATORS, SPAWNERS, PROXIES)
        for name, text in table.items()
        if name[:1].isupper() and "is called" not in text
    },
    "Application": "is not a section here; write c.JupyterHub",
    "SingletonConfigurable": "is not a section here; write c.JupyterHub",
    "Service": "is not a section here; write c.JupyterHub.services",
    "CryptKeeper": "is not a section here; write the keys into the environment variable JUPYTERHUB_CRYPT_KEY",
    "JupyterHubHTTPClient": _GONE,
    "AsyncHTTPClient": _GONE,
    "EventLogger": _GONE,
    "EventLog": _GONE,
    "HubAuth": "is for the configuration of servers and services, not for the hub's; remove it",
    "HubOAuth": "is for the configuration of servers and services, not for the hub's; remove it",
    "ServerApp": "is for servers, not for the hub; put it into c.Spawner.args as --ServerApp.…",
    "NotebookApp": "is for servers, not for the hub; put it into c.Spawner.args as --ServerApp.…",
    "SingleUserNotebookApp": "is for servers, not for the hub; put it into c.Spawner.args",
}
"""Whole sections, by name."""

"""The list below is that of JupyterHub 6, section by section; nothing of it may be unknown here."""

from __future__ import annotations

import re

import pytest

from perijove.hub.adapters.authenticators.dummy import DummyAuthenticator
from perijove.hub.adapters.authenticators.password import PasswordAuthenticator
from perijove.hub.adapters.proxies.configurable_http_proxy import ConfigurableHTTPProxy
from perijove.hub.adapters.spawners.local import LocalProcessSpawner, SimpleLocalProcessSpawner
from perijove.hub.settings.checking import sections_of
from perijove.hub.settings.jupyterhub import JupyterHub
from perijove.hub.settings.metrics import PeriodicMetricsCollector
from perijove.hub.settings.unavailable import AUTHENTICATORS, OPTIONS, PROXIES, SECTIONS, SPAWNERS

UPSTREAM = {
    "JupyterHub": """
        active_server_limit active_user_window activity_resolution admin_access admin_users
        allow_existing_invalid_named_servers allow_named_servers answer_yes api_page_default_limit
        api_page_max_limit api_tokens authenticate_prometheus authenticator_class base_url bind_url
        cleanup_proxy cleanup_servers concurrent_spawn_limit config_file confirm_no_ssl
        cookie_host_prefix_enabled cookie_max_age_days cookie_secret cookie_secret_file custom_scopes
        data_files_path db_url db_kwargs debug_db reset_db upgrade_db debug_proxy proxy_cmd proxy_auth_token
        proxy_check_interval proxy_api_ip proxy_api_port default_server_name default_url
        external_ssl_authorities extra_handlers extra_log_file extra_log_handlers extra_user_scopes
        forwarded_host_header generate_config generate_certs hub_bind_url hub_connect_url hub_connect_ip
        hub_connect_port hub_ip hub_port hub_socket_mode hub_routespec implicit_spawn_seconds
        init_spawners_timeout internal_ssl internal_certs_location recreate_internal_certs trusted_alt_names
        ip port jinja_environment_options last_activity_interval
        load_groups load_roles log_level log_datefmt log_format named_server_limit_per_user
        oauth_token_expires_in oauth_require_pkce pid_file proxy_class public_url redirect_to_server
        service_check_interval service_tokens services shutdown_on_logout spawn_throttle_retry_range
        spawner_class ssl_cert ssl_key subdomain_host subdomain_hook token_expires_in_max_seconds
        tornado_settings trust_user_provided_tokens trusted_downstream_ips
        use_legacy_stopped_server_status_code user_redirect_hook logging_config show_config show_config_json
    """,
    "Authenticator": """
        admin_users allow_all allow_existing_users allowed_users blocked_users any_allow_config
        auth_refresh_age auto_login auto_login_oauth2_authorize delete_invalid_users enable_auth_state
        manage_groups manage_roles reset_managed_roles_on_startup otp_prompt request_otp post_auth_hook
        refresh_pre_spawn refresh_pre_stop username_map username_pattern whitelist blacklist
    """,
    "LocalAuthenticator": "add_user_cmd allowed_groups create_system_users uids group_whitelist",
    "PAMAuthenticator": "admin_groups check_account encoding executor_threads open_sessions service",
    "DummyAuthenticator": "password",
    "SharedPasswordAuthenticator": "user_password admin_password password_groups",
    "Spawner": """
        cmd args environment env_keep ip port default_url notebook_dir start_timeout http_timeout
        poll_interval poll_jitter consecutive_failure_limit debug disable_user_config mem_limit
        mem_guarantee cpu_limit cpu_guarantee options_form options_from_form apply_user_options
        pre_spawn_hook post_stop_hook auth_state_hook progress_ready_hook group_overrides hub_connect_url
        oauth_client_allowed_scopes oauth_roles server_token_scopes ssl_alt_names
        ssl_alt_names_include_local interrupt_timeout term_timeout kill_timeout popen_kwargs shell_cmd
        home_dir_template
    """,
    "LocalProcessSpawner": "interrupt_timeout term_timeout kill_timeout popen_kwargs shell_cmd",
    "SimpleLocalProcessSpawner": "home_dir_template",
    "Proxy": "should_start extra_routes",
    "ConfigurableHTTPProxy": """
        api_url auth_token command command_umask check_running_interval concurrency log_level debug pid_file
    """,
    "PeriodicMetricsCollector": "active_users_enabled event_loop_interval_enabled",
    "CryptKeeper": "keys n_threads",
    "JupyterHubHTTPClient": "session_options connector_options",
    "EventLogger": "handlers",
    "HubAuth": "api_url api_token",
    "HubOAuth": "pkce_enabled",
}
CLASSES = (
    JupyterHub,
    PeriodicMetricsCollector,
    DummyAuthenticator,
    PasswordAuthenticator,
    LocalProcessSpawner,
    SimpleLocalProcessSpawner,
    ConfigurableHTTPProxy,
)


def has(section: str, option: str) -> bool:
    """Whether an installed class takes the option from that section."""
    return any(
        option in cls.class_trait_names(config=True) and any(base.__name__ == section for base in sections_of(cls))
        for cls in CLASSES
    )


def is_explained(section: str, option: str) -> bool:
    users = [cls for cls in CLASSES if any(base.__name__ == section for base in sections_of(cls))]
    names = {base.__name__ for cls in users for base in sections_of(cls)}
    return any(option in OPTIONS.get(name, {}) for name in names) or (not users and section in SECTIONS)


@pytest.mark.parametrize(
    ("section", "option"), [(name, option) for name, text in UPSTREAM.items() for option in text.split()]
)
def test_every_upstream_option_works_or_is_explained(section: str, option: str) -> None:
    assert has(section, option) or is_explained(section, option)


def test_no_option_is_both_there_and_called_missing() -> None:
    assert [(name, option) for name, table in OPTIONS.items() for option in table if has(name, option)] == []


def test_no_section_is_both_there_and_called_missing() -> None:
    here = {base.__name__ for cls in CLASSES for base in sections_of(cls)}
    assert here & set(SECTIONS) == set()


def test_every_option_that_advice_names_exists() -> None:
    tables = [*OPTIONS.values(), SECTIONS, AUTHENTICATORS, SPAWNERS, PROXIES]
    named = {name for table in tables for text in table.values() for name in re.findall(r"c\.(\w+)\.([a-z]\w*)", text)}
    assert named
    assert [name for name in named if not has(*name)] == []


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (AUTHENTICATORS, "PAMAuthenticator"),
        (AUTHENTICATORS, "GitHubOAuthenticator"),
        (AUTHENTICATORS, "pam"),
        (SPAWNERS, "SudoSpawner"),
        (SPAWNERS, "DockerSpawner"),
        (SPAWNERS, "KubeSpawner"),
        (SPAWNERS, "SystemdSpawner"),
        (PROXIES, "TraefikProxy"),
    ],
)
def test_well_known_plugins_come_with_advice(table: dict[str, str], name: str) -> None:
    assert "use " in table[name]

"""HTTP ⇄ use cases: the REST API (one file a resource), the OAuth provider, the pages, one table from error code to status."""

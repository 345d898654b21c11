"""HTTP ⇄ use cases: the REST API (one file a resource), the OAuth provider, the pages, a table of errors."""

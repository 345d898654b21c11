"""The REST admin API, compatible with that of configurable-http-proxy."""

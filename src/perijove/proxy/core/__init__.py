"""Decisions of the proxy, values in and values out: no clock, no randomness, no sockets, no event loop."""

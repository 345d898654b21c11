"""The pure domain: values in, values out. No clock, no randomness, no I/O; time and secrets arrive as arguments.

A *user* owns *servers*; a *principal* is whoever asks (a user or a service, by session or token); a *scope* is one
permission; a *role* is a named set of scopes; an *attempt* is one start of a server.
"""

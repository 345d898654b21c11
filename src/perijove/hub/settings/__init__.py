"""Every option with type, default and help; reading jupyterhub_config.py, environment and flags; checking all of it.

The words: a *section* is a class name (``c.Spawner``), an *option* one of its settings, a *flag* an option given on the
command line, a *mistake* one thing that keeps the hub from starting. Mistakes are gathered and told all at once.
"""

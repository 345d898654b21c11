"""The command line of the hub: the only place that prints.

Nothing heavy is imported before it is needed, so that ``--help`` and ``--version`` answer at once.
"""

"""Finding the authenticator, the spawner and the proxy that the operator chose, and checking the whole configuration.

A plug-in is a class derived from one of the port classes, registered as an entry point (``perijove.authenticators``,
``perijove.spawners``, ``perijove.proxies``), named by its import path, or given as a class in the configuration file.
"""

"""The hub: signs people in, starts and stops their servers, and keeps the proxy's routes right.

Layers, each importing only what stands below it: cli, testing → bootstrap → web, adapters, plugins → usecases →
ports, settings → core. The store is the only truth; a hub process may die at any line.
"""

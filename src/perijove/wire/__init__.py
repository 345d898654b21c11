"""What crosses a process boundary, and nothing else: prefixes, scope strings, JSON models, environment names, versions.

Standard library only, and pure: hub, proxy, client and single-user server share these words, and no other code.
"""

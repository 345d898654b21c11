"""Perijove: a Jupyter server for every member of a group, behind one address.

The words: the *hub* signs people in and starts servers; an *authenticator* says who somebody is; a *spawner* starts a
*single-user server*; the *proxy* carries traffic to hub and servers; a *service* is a program that uses the hub's API.
"""

__version__ = "0.1.0"

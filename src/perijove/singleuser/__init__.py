"""A person's own Jupyter server, as the hub starts it: Jupyter Server that lets in whom the hub lets in.

Words: the *owner* is the user whom the server belongs to; a *visitor* is whoever makes a request; the *prefix* is the
part of the address space that is this server's, such as ``/user/alice/``.
"""

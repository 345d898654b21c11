"""The stand-alone reverse proxy: one public address in front of the hub, the users' servers and the services.

The words: a *route* says that everything below a *prefix* goes to a *target*; the *table* is all routes at one moment;
an *exchange* is one request with its response; a *relay* carries one exchange between a *client* and an *upstream* (the
connection to a target); a *tunnel* is what an exchange becomes after 101; *activity* is when a route was last in use.
The proxy knows nothing of the hub: whoever holds the token of its admin API tells it the routes.
"""

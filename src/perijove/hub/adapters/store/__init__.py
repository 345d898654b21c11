"""The store in SQL, on SQLite.

A *location* is what the operator wrote as database URL, understood; the *worker* is the one thread that talks to the
database; a *repository* is one group of the port's methods; the *schema* is `tables`, and `migrate` brings a database
up to it.
"""

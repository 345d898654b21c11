"""Several processes that serve on one port, and the one that leads them.

The *supervisor* owns the admin API, the metrics, the redirect port and the file with the routes; it serves no requests.
Each *worker* listens on the public port by itself (SO_REUSEPORT, so that the kernel spreads connections) and holds the
whole route table. Between them runs a socket pair: changes of the table go down, acknowledgements, times of last
activity and counters come up. A worker that dies is started again at once; only its own connections are lost. A
worker whose supervisor is gone finishes what is under way and ends.
"""

"""Keeps queries of addresses out of the log, because tokens and OAuth codes stand in them.

Jupyter Server's own lines about requests are clean; tornado's lines about errors are not.
"""

from __future__ import annotations

import logging
import re

from tornado.httputil import HTTPServerRequest

QUERY = re.compile(r"\?[^\s'\"()]+")


def without_query(argument: object) -> object:
    """Return *argument* of a log record with queries cut off; a request becomes its description."""
    if isinstance(argument, HTTPServerRequest):
        argument = repr(argument)
    return QUERY.sub("?[hidden]", argument) if isinstance(argument, str) else argument


def hide_queries(record: logging.LogRecord) -> bool:
    """Clean *record*, and let it pass; a filter for tornado's loggers."""
    if isinstance(record.args, tuple):
        record.args = tuple(without_query(argument) for argument in record.args)
    return True

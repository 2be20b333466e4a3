"""Dub's customers API as Python methods: one connection pool, one rate limiter, one table of errors.

``api`` has the methods, ``routes`` their addresses, ``sales`` what is read of sales and ``key`` what is
learnt of a key. ``caller`` makes one call: with the retries of
``retry``, the limiter of ``rate_limit`` (its arithmetic in ``sliding_window``, the headers in
``retry_after``), the bytes of ``transport`` and the errors of ``error_table``.
"""

from dub_source.client.api import DubClient, SortBy, SortOrder
from dub_source.client.rate_limit import RateLimiter
from dub_source.client.retry import NO_RETRY, RetryPolicy
from dub_source.client.routes import external

__all__ = ["NO_RETRY", "DubClient", "RateLimiter", "RetryPolicy", "SortBy", "SortOrder", "external"]

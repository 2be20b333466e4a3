"""Reading every customer of a workspace: the anchored walk.

Dub's list has two orders. Without a cursor rows sort by ``createdAt``; with ``startingAfter`` they sort
by ``id``. Importers create customers with old ``createdAt`` values and new ids, so a walk that takes the
first page and then follows its last id loses rows, and every answer on the way says 200.

The anchored walk never mixes the two. It takes any one customer (the *anchor*), reads everything after
it in id order, then everything before it, and adds the anchor: each customer once, from any anchor.
What the server may do to it meanwhile:

- The customer that a cursor names is deleted: the walk goes on from an earlier one of the same line.
- A customer without ``externalId`` makes its page fail. The rows up to it are read by a smaller page;
  those behind it from another anchor, found by offset. It is counted as unread, and its neighbours named.

``Walk`` needs a client and nothing else::

    with DubClient(Settings(api_key)) as client:
        walk = Walk(client)
        for page in walk:
            ...
        print(walk.certificate)
"""

from dub_source.walk.certificate import Certificate
from dub_source.walk.walk import Walk

__all__ = ["Certificate", "Walk"]

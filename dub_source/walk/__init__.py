"""Reading every customer of a workspace, with a proof: the sweep.

Dub's list has two orders. Without a cursor rows sort by ``createdAt``; with ``startingAfter`` they sort by
``id``. Importers create customers with old ``createdAt`` values and new ids, so a walk that takes the first
page and then follows its last id loses rows, and every answer on the way says 200. The order of ids cannot
be told from outside either: ids of three ages, sorted by a collation nobody knows, with new ones in the
middle.

The sweep never mixes the two orders and never compares ids. It takes some customers, whichever (*anchors*),
and reads from each in both directions of the server's id order, many at once, until what was read around
one anchor touches what was read around the next, or the start or the end of the table. A chain of such
*segments* from the start to the end leaves no room for a customer that was there all the time: that chain
is the *certificate*.

What may happen meanwhile, and why it loses nobody:

- *The customer that a cursor names is deleted* (422): the front goes on from the one before it. Nothing
  that is still alive stands between the two.
- *A whole segment is deleted*, its anchor too: whoever had stopped because of it goes on in its stead.
- *An anchor is deleted before it was asked for anything*: the same, it is a segment of one row.
- *The edge of a segment is deleted before its neighbour arrives*: the neighbour meets a later row of it.
  What it passed on the way is gone; rows prove the link, not the anchor's id.
- *A new customer appears inside of what was read, and is taken for an anchor*: its segment touches the
  others on both sides and is read aside; the chain does not need it.
- *A customer without externalId* (another 422) spoils its page: the rows up to it are read by a smaller
  page, those behind it from the other side, or from a new anchor. It is counted as unread and its
  neighbours are named.

``Sweep`` needs a client and nothing else::

    with DubClient(Settings(api_key)) as client:
        sweep = Sweep(client)
        for page in sweep:
            ...
        print(sweep.certificate)

``territory`` holds the reasoning and knows no requests, ``sweep`` makes them, ``anchors`` and ``offsets``
find customers to begin with, ``certificate`` is the proof and ``verify`` its judge.
"""

from dub_source.walk.certificate import Certificate, SegmentProof, verify
from dub_source.walk.sweep import Sweep, workers_for

__all__ = ["Certificate", "SegmentProof", "Sweep", "verify", "workers_for"]

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
- *An anchor was read long before a segment begins at it*, and is deleted by then: it is a row that was read,
  like any other; its segment has nowhere to go on from, and the others go on in its stead.
- *A customer without externalId* (another 422) spoils its page: the rows up to it are read by a smaller
  page, those behind it from the other side, or from a new anchor. It is counted as unread and its
  neighbours are named.

*A sweep can be killed and gone on with*, on the same machine or another one. What a segment is follows
from the answers it was made of and nothing else; they are told as events, and replaying these makes the same
segments, with the same places to go on from. A pause is no different from a slow request: whoever was
deleted in it is one of the cases above.

How it gets to use the whole rate limit of a key, from the first request to the last. One front has one
request under way at a time, so at 150 ms it reads six pages a second, and fifty a second need eight fronts:

- *To begin with*, anchors cost few requests. Of customers that are known already, 100 are asked for at once.
  Else a page in the order of revenue holds 100 customers of all ages. Both are kept in reserve: to begin a
  segment at one of them later costs nothing, whether it is still alive or not.
- *While there are gaps enough*, each is read from its lower side only. Where two fronts meet each other, one
  of them has asked for a page in vain.
- *When fronts become few*, the rest is shared out again: gaps are read from both sides, and new segments
  begin where most is unread. How many customers were created between two positions in the order of creation
  is known from the positions, how many of those were read is counted; that finds what is left of an import,
  too, and what lies behind known ids that say nothing. Offset pages reach 100,000 customers from either end
  of that order, and farther inside within a country.

Where it looks is a guess that costs a request if it is wrong. That everybody was read is never a guess.

``Sweep`` needs a client and nothing else::

    with DubClient(Settings(api_key)) as client:
        sweep = Sweep(client)
        for page in sweep:
            ...
        print(sweep.certificate)

To survive a kill, store what it tells together with what it reads, and hand it over the next time::

    sweep = Sweep(client, replay=stored_events)
    for page in sweep:
        store(page, sweep.drain_events())  # both or neither
    store(None, sweep.drain_events())

``territory`` holds the reasoning and knows no requests; ``growth`` makes them; ``sweep`` is the whole, from
the first look to the ``certificate``, whose judge is ``verify``. ``anchors`` finds customers to begin with,
by ``ages`` (what is unread in the order of creation) and ``sampler`` (who is at a position in it);
``offsets`` finds those whom no cursor reaches; ``journal`` collects the events.
"""

from dub_source.walk.certificate import Certificate, SegmentProof, verify
from dub_source.walk.sweep import Sweep, workers_for

__all__ = ["Certificate", "SegmentProof", "Sweep", "verify", "workers_for"]

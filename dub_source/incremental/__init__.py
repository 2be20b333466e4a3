"""What came since the last run, for a handful of requests whatever the size of the workspace.

``run`` puts together what an incremental run reads: new customers (``newcomers``) from where the last walk
ended (``frontier``), first sales and cancellations (``by_date``), and some known customers again
(``refresh``), those first of whom Dub tells that they have bought (``hints``). It finds neither deletes nor
all changes, nor a customer that was stored later after its id was made than the overlap is long, or whose
id was made by a clock that is more than that behind: that is what sweeps are for.

``walking`` reads on in the order of ids, ``stretches`` judges what may hide where a customer cannot be read,
``by_position`` reads in the other orders.
"""

from dub_source.incremental.frontier import DEFAULT_OVERLAP_S, Frontier, FrontierBuilder
from dub_source.incremental.hints import Hints, hinted_ids
from dub_source.incremental.refresh import refresh_bound
from dub_source.incremental.run import DEFAULT_REFRESH_REQUESTS, Incremental

__all__ = [
    "DEFAULT_OVERLAP_S",
    "DEFAULT_REFRESH_REQUESTS",
    "Frontier",
    "FrontierBuilder",
    "Hints",
    "Incremental",
    "hinted_ids",
    "refresh_bound",
]

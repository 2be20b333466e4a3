"""Delta tables in a folder or a bucket: dlt's filesystem destination, made to keep the promises.

What dlt's own has not is added here: a merge in which the newer observation wins, also against another run
at the same moment; SQL over the tables without a download; and deleting rows for good.
"""

from dub_source.destinations.delta.destination import delta_lake

__all__ = ["delta_lake"]

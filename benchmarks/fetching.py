"""``python -m benchmarks.fetching``: a sweep of the workspace of ``SOURCES__DUB__BASE_URL``, no more."""

import os

from dub_source.client import DubClient
from dub_source.settings import Settings
from dub_source.walk import Sweep, workers_for


def main() -> None:
    """Read everybody, as a load does, and print how many there are."""
    url, key = (os.environ[f"SOURCES__DUB__{part}"] for part in ("BASE_URL", "API_KEY"))
    settings = Settings(api_key=key, base_url=url, max_rate_share=1.0)
    with DubClient(settings) as client:
        client.probe()
        client.count()
        workers = workers_for(client.round_trip_s or 0.0, None, most=settings.max_connections)
        print(sum(len(page.customers) for page in Sweep(client, workers=workers)))


if __name__ == "__main__":
    main()

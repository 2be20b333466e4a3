"""Every customer of a Dub workspace in your warehouse, provably: a dlt source."""

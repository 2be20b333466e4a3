"""The reverse pipeline: decisions of the warehouse, planned, applied and logged as changes in Dub."""

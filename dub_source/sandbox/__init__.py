"""A Dub API to practise and test on.

It behaves like Dub's open-source server in everything that the recordings of that server show.
It shares no code with the client, so that one misreading of the API cannot hide in both.
"""

from dub_source.sandbox.control import Sandbox
from dub_source.sandbox.faults import Fault
from dub_source.sandbox.model import Customer, Dataset, Token, Workspace
from dub_source.sandbox.seed import load_seed

__all__ = ["Customer", "Dataset", "Fault", "Sandbox", "Token", "Workspace", "load_seed"]

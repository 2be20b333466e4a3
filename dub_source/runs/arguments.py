"""What all runs ask of their arguments."""

from collections.abc import Mapping
from typing import Any

from dub_source.errors import SettingsError


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not None.

    Empty texts are refused: dlt takes them for missing, so that ``base_url=""`` would be Dub's own address.

    Raises:
        SettingsError: naming the first empty one.
    """
    for name, value in options.items():
        if isinstance(value, str) and not value.strip():
            raise SettingsError(f"The argument {name} is empty: give it a value, or leave it out.")
    return {name: value for name, value in options.items() if value is not None}

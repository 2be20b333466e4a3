"""What both runs ask of their arguments."""

from dub_source.errors import SettingsError


def refuse_empty(**given: object) -> None:
    """Refuse empty texts: dlt takes them for missing, so that ``base_url=""`` would be Dub's own address.

    Raises:
        SettingsError: naming the first empty one.
    """
    for name, value in given.items():
        if isinstance(value, str) and not value.strip():
            raise SettingsError(f"The argument {name} is empty: give it a value, or leave it out.")

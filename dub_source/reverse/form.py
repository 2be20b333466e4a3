"""In which form the warehouse has its customers: plans compare with it, and answers are stored in it."""

from dataclasses import dataclass, field

from dlt.common.configuration import with_config
from dlt.common.typing import TSecretStrValue

from dub_source.errors import SettingsError
from dub_source.privacy import Privacy
from dub_source.sync import Options


@dataclass(frozen=True, slots=True)
class Form:
    """What is loaded of a customer, and how.

    Attributes:
        expanded: whether link, partner and discount come along.
        privacy: columns that are left out or hashed.
    """

    expanded: bool = True
    privacy: Privacy = field(default_factory=Privacy)

    @property
    def options(self) -> Options:
        """The same as settings of a run."""
        return Options(expanded=self.expanded, privacy=self.privacy)

    @property
    def baseline(self) -> str:
        """The form in short, as every ``row_hash`` begins with it."""
        return self.options.baseline

    def check_stored(self, baseline: str | None, table: str) -> None:
        """Make sure that the rows in the warehouse are of this form.

        Args:
            baseline: of the last load.
            table: that it was loaded into.

        Raises:
            SettingsError: if they are not, or if there are none.
        """
        if baseline is None:
            raise SettingsError(
                f"No customers have been loaded into the table {table} yet: run dub-source load first."
            )
        if baseline != self.baseline:
            raise SettingsError(
                f"The customers in the table {table} were loaded with other settings than these "
                "(include_expanded_fields, exclude_columns, hash_columns, hash_key): use the settings of the "
                "last load here, too, or run dub-source load with these first."
            )


@with_config(sections=("sources", "dub", "dub"))
def configured_form(
    include_expanded_fields: bool = True,
    exclude_columns: list[str] | None = None,
    hash_columns: list[str] | None = None,
    hash_key: TSecretStrValue | None = None,
) -> Form:
    """The form from the same places of dlt's configuration as that of :func:`dub_source.source.dub`.

    Raises:
        SettingsError: for what the source would refuse, too.
    """
    return Form(include_expanded_fields, Privacy.configured(exclude_columns, hash_columns, hash_key))

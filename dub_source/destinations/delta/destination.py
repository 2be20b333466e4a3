"""``delta_lake``: the dlt destination."""

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.destinations import filesystem

from dub_source.destinations.delta.client import DeltaClient


class delta_lake(filesystem):  # noqa: N801 - dlt's destinations are called so
    """dlt's filesystem destination, in which every table is a Delta table.

    ``dlt.pipeline("dub", destination=delta_lake("file:///lake"), dataset_name="dub")``. It is configured like
    dlt's own: section ``destination.filesystem``, with ``bucket_url`` and credentials. Needs the extra
    ``lake``.
    """

    def resolve_destination_name(self, destination_name: str | None) -> str:
        """Under which name it is configured, unless it was given one."""
        return destination_name or "filesystem"

    @property
    def client_class(self) -> type[DeltaClient]:
        """The client with the additions."""
        return DeltaClient

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = super()._raw_capabilities()
        capabilities.preferred_table_format = "delta"
        capabilities.supported_table_formats = ["delta"]
        capabilities.preferred_loader_file_format = "parquet"
        capabilities.supported_loader_file_formats = ["parquet", "reference"]
        capabilities.loader_file_format_selector = None  # type: ignore[assignment]
        return capabilities

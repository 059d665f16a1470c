"""One account: what it has, and how many workers it may have."""

from emulator.management.problems import look_up, require
from emulator.management.records import Endpoint, Registry, Template, Volume


class Account:
    """In memory.

    Args:
        quota: the sum of the maxima of all endpoints' workers is at most this.
        promised_elsewhere: what endpoints take of it that are not managed by the API.

    """

    def __init__(self, *, quota: int, promised_elsewhere: int = 0) -> None:
        self.quota = quota
        self.endpoints: dict[str, Endpoint] = {}
        self.templates: dict[str, Template] = {}
        self.volumes: dict[str, Volume] = {}
        self.registries: dict[str, Registry] = {}
        self._elsewhere = promised_elsewhere

    def endpoint(self, endpoint_id: str) -> Endpoint:
        """Find an endpoint.

        Raises:
            Problem: there is none (404).

        """
        return look_up(self.endpoints, endpoint_id, "endpoint")

    def template(self, template_id: str) -> Template:
        """Find a template.

        Raises:
            Problem: there is none (404).

        """
        return look_up(self.templates, template_id, "template")

    def volume(self, volume_id: str) -> Volume:
        """Find a network volume.

        Raises:
            Problem: there is none (404).

        """
        return look_up(self.volumes, volume_id, "network volume")

    def registry(self, registry_id: str) -> Registry:
        """Find the credentials of a registry.

        Raises:
            Problem: there are none (404).

        """
        return look_up(self.registries, registry_id, "registry")

    def require_room(self, endpoint: Endpoint) -> None:
        """See that the quota suffices for an endpoint as it is to be.

        Raises:
            Problem: it does not (400), in RunPod's own words.

        """
        others = self._elsewhere + sum(
            other.workers_max for other in self.endpoints.values() if other.id != endpoint.id
        )
        message = (
            f"Max workers across all endpoints must not exceed your workers quota "
            f"({self.quota}). Reduce the max workers for other endpoints or lower the max "
            f"worker count for this endpoint to at most {max(0, self.quota - others)}."
        )
        require(message, holds=others + endpoint.workers_max <= self.quota)

    def require_template_name(self, name: str, *, own: str = "") -> None:
        """See that no other template has this name.

        Raises:
            Problem: one has (400).

        """
        others = (other.name for other in self.templates.values() if other.id != own)
        require("Template name must be unique.", holds=name not in others)

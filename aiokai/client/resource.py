"""Which collection of the API server is meant, and its path."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object as the API server serves it.

    Attributes:
        group: API group; empty for the core group.
        version: `v1`, `v1alpha1`, …
        plural: the name in the path, such as `pods`.
        namespaced: objects of this kind live in namespaces.
    """

    group: str
    version: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """As objects say it: `v1`, `batch/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """Path of the group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Path of an object; of the collection without `name`; over all namespaces without `namespace`."""
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        path = f"{self.root}{scope}/{self.plural}"
        if name:
            path += f"/{name}"
        return f"{path}/{subresource}" if subresource else path

    def __str__(self) -> str:
        return f"{self.plural}.{self.version}.{self.group}" if self.group else self.plural


PODS: Final = Resource("", "v1", "pods", namespaced=True)
SERVICES: Final = Resource("", "v1", "services", namespaced=True)
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", namespaced=True)
SECRETS: Final = Resource("", "v1", "secrets", namespaced=True)
NODES: Final = Resource("", "v1", "nodes", namespaced=False)
NAMESPACES: Final = Resource("", "v1", "namespaces", namespaced=False)
EVENTS: Final = Resource("events.k8s.io", "v1", "events", namespaced=True)
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", namespaced=True)
PRIORITY_CLASSES: Final = Resource("scheduling.k8s.io", "v1", "priorityclasses", namespaced=False)
DISRUPTION_BUDGETS: Final = Resource("policy", "v1", "poddisruptionbudgets", namespaced=True)
CUSTOM_RESOURCES: Final = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False)

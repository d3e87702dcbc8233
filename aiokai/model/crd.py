"""CustomResourceDefinitions, generated from the models, so that the API server and aiokai agree on what may be written.

`aiokai crds` writes them into `crds/`, one file a kind; a test fails when they are stale.
A CRD's schema is structural: types everywhere, no references, no unions but integer-or-string. A default is written
into every object by the server, so only those that say something are kept, and none in a status.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml
from pydantic import BaseModel

from aiokai.model import keys
from aiokai.model.base import Rule, UserModel
from aiokai.model.job import JOB_RULES, JobSpec, JobStatus
from aiokai.model.pod_group import PodGroupSpec, PodGroupStatus
from aiokai.model.queue import QUEUE_RULES, QueueSpec, QueueStatus

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """What `kubectl get` shows. Those of priority 1 only with `-o wide`."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0
    description: str = ""

    def as_json(self) -> Json:
        column: Json = {"name": self.name, "type": self.type, "jsonPath": self.path}
        if self.description:
            column["description"] = self.description
        if self.priority:
            column["priority"] = self.priority
        return column


@dataclass(frozen=True, slots=True)
class CustomKind:
    """A kind of ours, as its CRD names and shows it.

    Attributes:
        rules: those that take more than the spec, such as the object's name.
    """

    kind: str
    plural: str
    short: str
    description: str
    spec: type[UserModel]
    status: type[UserModel]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    namespaced: bool = True


_AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")

KINDS: Final = (
    CustomKind(
        kind="Queue",
        plural="queues",
        short="aq",
        description="Who may use how much of the cluster, and what becomes of the rest.",
        spec=QueueSpec,
        status=QueueStatus,
        rules=QUEUE_RULES,
        namespaced=False,
        columns=(
            Column("Parent", ".spec.parent"),
            Column("Weight", ".spec.weight", "integer"),
            Column("State", ".status.state"),
            Column(
                "GPUs", r".status.allocated.nvidia\.com/gpu", description="Allocated now, shares of a card included."
            ),
            Column("Running", ".status.running", "integer", description="Gangs."),
            Column("Inqueue", ".status.inqueue", "integer", priority=1, description="Gangs."),
            Column("Pending", ".status.pending", "integer", description="Gangs."),
            Column("Deserved", r".status.deserved.nvidia\.com/gpu", priority=1, description="GPUs."),
            _AGE,
        ),
    ),
    CustomKind(
        kind="PodGroup",
        plural="podgroups",
        short="apg",
        description="Pods that start together or not at all.",
        spec=PodGroupSpec,
        status=PodGroupStatus,
        columns=(
            Column("Status", ".status.phase"),
            Column("minMember", ".spec.minMember", "integer"),
            Column("Runnings", ".status.running", "integer"),
            _AGE,
            Column("Queue", ".spec.queue"),
            Column("Priority", ".spec.priorityClassName", priority=1),
            Column("Why", ".status.conditions[?(@.status=='False')].message", priority=1),
        ),
    ),
    CustomKind(
        kind="Job",
        plural="jobs",
        short="aj",
        description="Tasks whose pods start together or not at all.",
        spec=JobSpec,
        status=JobStatus,
        rules=JOB_RULES,
        columns=(
            Column("Status", ".status.state.phase"),
            Column("minAvailable", ".status.minAvailable", "integer"),
            Column("Runnings", ".status.running", "integer"),
            _AGE,
            Column("Queue", ".spec.queue"),
            Column("Reason", ".status.state.reason"),
            Column("Why", ".status.state.message", priority=1),
        ),
    ),
)


def definition(kind: CustomKind) -> Json:
    """The CustomResourceDefinition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{keys.GROUP}"},
        "spec": {
            "group": keys.GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [kind.short],
                "categories": ["aiokai"],
            },
            "versions": [
                {
                    "name": keys.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [column.as_json() for column in kind.columns],
                    "schema": {"openAPIV3Schema": object_schema(kind)},
                }
            ],
        },
    }


def object_schema(kind: CustomKind) -> Json:
    """The structural schema of a whole object."""
    schema: Json = {
        "type": "object",
        "description": kind.description,
        "required": ["spec"] if _required(kind.spec) else [],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _structural(kind.spec, defaults=True),
            "status": _structural(kind.status, defaults=False),
        },
    }
    if not schema["required"]:
        del schema["required"]
    if not _required(kind.spec):
        # Without it an object that says nothing would lack the defaults below.
        schema["properties"]["spec"]["default"] = {}
    if kind.rules:
        schema["x-kubernetes-validations"] = _validations(kind.rules)
    return schema


def _required(model: type[BaseModel]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


def _validations(rules: tuple[Rule, ...]) -> list[Json]:
    return [{"rule": rule.cel, "message": rule.message} for rule in rules]


class _Models:
    """Model classes below a root by the name that pydantic gives their schema."""

    def __init__(self, root: type[BaseModel]) -> None:
        self.schema = root.model_json_schema()
        self.definitions: Mapping[str, Json] = self.schema.get("$defs", {})
        self.rules: dict[str, tuple[Rule, ...]] = {}
        self._collect(root)

    def _collect(self, model: type[BaseModel]) -> None:
        if issubclass(model, UserModel):
            self.rules[model.__name__] = model.rules
        for below in _models_in(model):
            if below.__name__ not in self.rules:
                self._collect(below)


def _models_in(model: type[BaseModel]) -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = []
    waiting: list[Any] = [field.annotation for field in model.model_fields.values()]
    while waiting:
        annotation = waiting.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found.append(annotation)
        waiting += getattr(annotation, "__args__", ())
    return found


def _structural(model: type[UserModel], *, defaults: bool) -> Json:
    models = _Models(model)
    schema = _flatten(models.schema, models, defaults=defaults)
    schema.pop("description", None)
    return schema


_KEPT: Final[tuple[str, ...]] = (
    "type", "format", "description", "pattern", "enum", "required", "minimum", "maximum", "minLength", "maxLength",
    "minItems", "maxItems", "minProperties", "maxProperties", "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-int-or-string", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
)  # fmt: skip


def _flatten(schema: Json, models: _Models, *, defaults: bool) -> Json:
    """One node of pydantic's schema as a structural schema."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        target = _flatten(models.definitions[name], models, defaults=defaults)
        # What is said of the field goes before what is said of its type, which speaks to readers of the code.
        target.pop("description", None)
        return target | _own(schema, defaults=defaults)
    if "x-kubernetes-int-or-string" in schema:
        either: Json = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
        return either | _own(schema, defaults=defaults)
    if choices := schema.get("anyOf"):
        (some,) = (choice for choice in choices if choice.get("type") != "null")
        return _flatten(some, models, defaults=defaults) | _own(schema, defaults=defaults)
    flat = _own(schema, defaults=defaults)
    if "items" in schema:
        flat["items"] = _flatten(schema["items"], models, defaults=defaults)
    if isinstance(values := schema.get("additionalProperties"), dict):
        flat["additionalProperties"] = _flatten(values, models, defaults=defaults)
    if "properties" in schema:
        flat["properties"] = {
            name: _flatten(value, models, defaults=defaults) for name, value in schema["properties"].items()
        }
    if rules := models.rules.get(schema.get("title", "")):
        flat["x-kubernetes-validations"] = _validations(rules)
    return flat


def _own(schema: Json, *, defaults: bool) -> Json:
    own = {name: schema[name] for name in _KEPT if name in schema}
    if defaults and schema.get("default") not in (None, "", [], {}):
        own["default"] = schema["default"]
    return own


def crd_files() -> dict[str, str]:
    """The files in `crds/`: name and text, one a kind."""
    told = "# Generated by `make crds` from aiokai/model. Change it there.\n"
    return {
        f"{keys.GROUP}_{kind.plural}.yaml": told
        + yaml.safe_dump(definition(kind), sort_keys=False, width=120, allow_unicode=True)
        for kind in KINDS
    }

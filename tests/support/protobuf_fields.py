"""Writes aiokai/localcluster/protobuf_fields.json from the Go types of the Kubernetes API.

    python -m tests.support.protobuf_fields

The types' struct tags name each field's number, JSON name and whether zero is left out; so this is the one place that
needs Go's module cache (`make controlplane` fills it), and the program that ships the table needs none. Kinds that a
client might send as protobuf are the roots; whatever they refer to comes along.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

CONTROLPLANE = Path(__file__).parents[1] / "controlplane"
TABLE = Path(__file__).parents[2] / "aiokai" / "localcluster" / "protobuf_fields.json"
PACKAGES = {
    "core/v1": "k8s.io/api",
    "apps/v1": "k8s.io/api",
    "autoscaling/v1": "k8s.io/api",
    "batch/v1": "k8s.io/api",
    "policy/v1": "k8s.io/api",
    "rbac/v1": "k8s.io/api",
    "scheduling/v1": "k8s.io/api",
    "pkg/apis/meta/v1": "k8s.io/apimachinery",
}
ROOTS = {
    "core/v1": "Binding ConfigMap Event Namespace Pod ResourceQuota Secret Service ServiceAccount",
    "apps/v1": "DaemonSet Deployment ReplicaSet StatefulSet",
    "autoscaling/v1": "Scale",
    "batch/v1": "Job",
    "policy/v1": "Eviction PodDisruptionBudget",
    "rbac/v1": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "scheduling/v1": "PriorityClass",
    "pkg/apis/meta/v1": "DeleteOptions",
}
IMPORTS = {"v1": "core/v1", "apiv1": "core/v1", "corev1": "core/v1", "metav1": "pkg/apis/meta/v1"}
SPECIAL = {
    "metav1.Time": "time",
    "metav1.MicroTime": "time",
    "Time": "time",
    "MicroTime": "time",
    "FieldsV1": "json",
    "resource.Quantity": "quantity",
    "intstr.IntOrString": "int or string",
    "types.UID": "string",
    "types.NodeName": "string",
    "int32": "int",
    "int64": "int",
    "uint32": "int",
    "string": "string",
    "bool": "bool",
    "[]byte": "bytes",
}
STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
ALIAS = re.compile(r"^type (\w+) ([\w.\[\]]+)$", re.MULTILINE)
FIELD = re.compile(r'^\t(?:\w+ +)?(\S+) +`json:"(\w*)(,[^"]*)?".*?protobuf:"\w+,(\d+)', re.MULTILINE)

Fields = dict[str, list[str]]


class Package:
    """The Go types of one package."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        text = (directory / "types.go").read_text()
        self.structs = dict(STRUCT.findall(text))
        self.aliases = dict(ALIAS.findall(text))

    def fields(self, struct: str) -> Iterator[tuple[str, str, str, bool]]:
        """Number, JSON name, Go type of each field, and whether zero says nothing."""
        for go_type, name, options, number in FIELD.findall(self.structs[struct]):
            yield number, name, go_type.lstrip("*"), "omitempty" in options and not go_type.startswith("*")


def table() -> dict[str, Fields]:
    """By message: what each field number is called and holds."""
    packages = {name: Package(name, directory(module) / name) for name, module in PACKAGES.items()}
    found: dict[str, Fields] = {}
    due = [(name, kind) for name, kinds in ROOTS.items() for kind in kinds.split()]
    while due:
        name, struct = due.pop()
        message = f"{name.removeprefix('pkg/apis/')}.{struct}"
        if message in found:
            continue
        fields = found[message] = {}
        for number, field, go_type, left_out in packages[name].fields(struct):
            word, referred = resolved(packages, name, go_type)
            fields[number] = [field, word, *(["omitempty"] if left_out else [])]
            due += referred
    return {message: found[message] for message in sorted(found)}


def resolved(packages: dict[str, Package], package: str, go_type: str) -> tuple[str, list[tuple[str, str]]]:
    """A Go type in the words of the table, and the structs that it refers to."""
    if go_type in SPECIAL:
        return SPECIAL[go_type], []
    for prefix, word in (("[]", "list of "), ("map[string]", "map of "), ("map[ResourceName]", "map of ")):
        if go_type.startswith(prefix):
            inner, referred = resolved(packages, package, go_type.removeprefix(prefix).lstrip("*"))
            return word + inner, referred
    prefix, _, short = go_type.rpartition(".")
    owner = IMPORTS[prefix] if prefix else package
    if alias := packages[owner].aliases.get(short):
        return resolved(packages, owner, alias)
    return f"{owner.removeprefix('pkg/apis/')}.{short}", [(owner, short)]


def directory(module: str) -> Path:
    words = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module]
    return Path(subprocess.run(words, cwd=CONTROLPLANE, check=True, capture_output=True, text=True).stdout.strip())


def main() -> None:
    lines = [f"  {json.dumps(message)}: {json.dumps(fields)}" for message, fields in table().items()]
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()

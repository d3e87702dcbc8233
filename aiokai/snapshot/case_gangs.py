"""Gangs of a case's short form: a PodGroup with its pods, its PriorityClass, and what the world does with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from aiokai.dialects import AIOKAI
from aiokai.errors import InvalidObjectError
from aiokai.model import keys, kube
from aiokai.model.base import Envelope
from aiokai.model.configuration import Configuration
from aiokai.model.pod_group import GangPhase, PodGroup, PodGroupSpec
from aiokai.model.quantity import base_to_quantity
from aiokai.snapshot.arrays import PODS
from aiokai.snapshot.case_model import UNSUPPORTED, CaseGang, CaseOther, CaseTask, TaskFields
from aiokai.snapshot.case_pods import Place, PodMaker
from aiokai.snapshot.reading import request_of
from aiokai.snapshot.strict import refuse_unknown, validate

GROUP_FIELDS: Final = {f.alias or name: f.annotation for name, f in PodGroupSpec.model_fields.items()}
DEFAULT_NAMESPACE: Final = "default"


@dataclass(frozen=True, slots=True)
class Gang:
    """One gang as a case has it.

    Attributes:
        group: None for lone pods.
        pods: all that it has or will have.
        created: False if its pods are made only when it is admitted.
        recreated: False if nobody makes its pods again.
    """

    namespace: str
    name: str
    group: PodGroup | None
    pods: tuple[kube.Pod, ...]
    priority_class: kube.PriorityClass | None
    created: bool = True
    recreated: bool = True


@dataclass(frozen=True, slots=True)
class _Story:
    """A gang as it is written: its own fields, its PodGroup's, its tasks'."""

    path: str
    namespace: str
    name: str
    told: CaseGang
    group: Mapping[str, Any]
    tasks: tuple[tuple[CaseTask | None, int], ...]
    created: datetime
    priority_class: kube.PriorityClass | None = field(default=None)

    @property
    def size(self) -> int:
        return sum(count for _, count in self.tasks)


def make_gang(key: str, content: Mapping[str, Any], maker: PodMaker, config: Configuration, now: datetime) -> Gang:
    """A gang from what a case says of it.

    Raises:
        InvalidObjectError: names the first wrong field.
    """
    story = _read(key, content, now)
    pods = _pods(story, maker, config)
    group = None if story.told.lone else _group(story, pods)
    told = story.told
    return Gang(story.namespace, story.name, group, pods, story.priority_class, told.created, told.recreated)


def make_others(name: str, content: Mapping[str, Any], maker: PodMaker, now: datetime) -> list[kube.Pod]:
    """Pods of another scheduler.

    Raises:
        InvalidObjectError: names the first wrong field.
    """
    path = f"others.{name}"
    told = validate(CaseOther, content, path)
    names = [name] if told.tasks is None else [f"{name}-{i}" for i in range(told.tasks)]
    return [
        maker.make(Place(told.namespace, pod, "default-scheduler", now, {}, index=i), (told,), path)
        for i, pod in enumerate(names)
    ]


def _read(key: str, content: Mapping[str, Any], now: datetime) -> _Story:
    path = f"gangs.{key}"
    stale = next((name for name in ("stale_since", "staleSince") if name in content), None)
    if stale:
        raise InvalidObjectError(f"{path}.{stale}", UNSUPPORTED)
    namespace, _, name = key.rpartition("/")
    namespace = str(content.get("namespace") or namespace or DEFAULT_NAMESPACE)
    group = {name: value for name, value in content.items() if name in GROUP_FIELDS}
    for field_name, value in group.items():
        refuse_unknown(GROUP_FIELDS[field_name], value, f"{path}.{field_name}")
    rest = {name: value for name, value in content.items() if name not in GROUP_FIELDS and name != "namespace"}
    told = validate(CaseGang, rest, path)
    story = _Story(
        path, namespace, name, told, group, _tasks(told, group, path), now - timedelta(seconds=told.age),
        _priority_class(told, group, path),
    )  # fmt: skip
    _check_lone(story)
    _check_subgroups(story)
    return story


def _tasks(told: CaseGang, group: Mapping[str, Any], path: str) -> tuple[tuple[CaseTask | None, int], ...]:
    """Each task and how many pods it has; None for pods that are of no named task."""
    if told.tasks is None:
        return ((None, 0 if "minResources" in group else 1),)
    if isinstance(told.tasks, list):
        tasks = [validate(CaseTask, one, f"{path}.tasks[{i}]") for i, one in enumerate(told.tasks)]
        names = [task.name for task in tasks if task.name]
        for i, task in enumerate(tasks):
            if task.name and names.count(task.name) > 1:
                raise InvalidObjectError(f"{path}.tasks[{i}].name", f"two tasks have the name {task.name!r}")
        return tuple((task, task.count) for task in tasks)
    if not isinstance(told.tasks, int) or isinstance(told.tasks, bool) or told.tasks < 0:
        raise InvalidObjectError(f"{path}.tasks", f"is neither a number nor a list of tasks (got {told.tasks!r})")
    return ((None, told.tasks),)


def _priority_class(told: CaseGang, group: Mapping[str, Any], path: str) -> kube.PriorityClass | None:
    if told.priority is None:
        return None
    if group.get("priorityClassName"):
        raise InvalidObjectError(f"{path}.priority", "stands beside priorityClassName: one of both")
    return kube.PriorityClass(kube.ObjectMeta(name=f"priority-{told.priority}"), told.priority)


def _check_lone(story: _Story) -> None:
    if not story.told.lone:
        return
    for name in story.group:
        if name != "queue":
            raise InvalidObjectError(f"{story.path}.{name}", "is a PodGroup's, and lone pods have none")
    if not story.told.created or story.told.phase:
        raise InvalidObjectError(f"{story.path}.lone", "lone pods exist, and have no phase")


def _check_subgroups(story: _Story) -> None:
    groups = story.group.get("subGroups") or ()
    names = {group.get("name") for group in groups if isinstance(group, dict)}
    for i, (task, _) in enumerate(story.tasks):
        named = (task.sub_group if task else None) or story.told.sub_group
        if named and named not in names:
            path = f"{story.path}.tasks[{i}]" if task else story.path
            raise InvalidObjectError(f"{path}.subGroup", f"there is no subgroup {named!r}")


def _pods(story: _Story, maker: PodMaker, config: Configuration) -> tuple[kube.Pod, ...]:
    pods: list[kube.Pod] = []
    own = {keys.QUEUE: str(story.group.get("queue") or "")} if story.told.lone else {keys.POD_GROUP: story.name}
    own = {key: value for key, value in own.items() if value}
    value = story.priority_class.value if story.priority_class else 0
    for k, (task, count) in enumerate(story.tasks):
        name = (task.name or f"task{k}") if task else ""
        annotations = {**own, keys.TASK: name} if name and not story.told.lone else own
        fields: tuple[TaskFields, ...] = (task, story.told) if task else (story.told,)
        path = f"{story.path}.tasks[{k}]" if task else story.path
        for i in range(count):
            place = Place(
                story.namespace,
                f"{story.name}-{name}-{i}" if name else f"{story.name}-{i}",
                scheduler_of(config),
                story.created,
                annotations,
                task.priority if task and task.priority is not None else value,
                _class_name(story),
                i,
            )
            pods.append(maker.make(place, fields, path))
    return tuple(pods)


def _class_name(story: _Story) -> str:
    if story.priority_class:
        return story.priority_class.metadata.name
    return str(story.group.get("priorityClassName") or "")


def _group(story: _Story, pods: tuple[kube.Pod, ...]) -> PodGroup:
    spec = dict(story.group)
    if "minMember" not in spec and story.size:
        spec["minMember"] = story.size
    if story.priority_class:
        spec["priorityClassName"] = story.priority_class.metadata.name
    if story.told.preemptible is not None:
        if "preemptibility" in spec:
            raise InvalidObjectError(f"{story.path}.preemptible", "stands beside preemptibility: one of both")
        spec["preemptibility"] = "preemptible" if story.told.preemptible else "non-preemptible"
    meta = kube.ObjectMeta(
        name=story.name,
        namespace=story.namespace,
        uid=f"{story.namespace}/{story.name}",
        creation_timestamp=story.created,
    )
    try:
        group = AIOKAI.pod_group.decode(Envelope(meta, spec))
    except InvalidObjectError as error:
        raise InvalidObjectError(f"{story.path}{error.path.removeprefix('spec')}", error.reason) from error
    if "minResources" not in spec and pods:
        spec["minResources"] = _minimum(pods[: group.spec.min_member])
    placed = sum(bool(pod.spec.node_name) for pod in pods) if story.told.created else 0
    phase = story.told.phase or _phase(placed, group.spec.min_member)
    return AIOKAI.pod_group.decode(Envelope(meta, spec, {"phase": phase}))


def _minimum(pods: tuple[kube.Pod, ...]) -> dict[str, str]:
    """What the first pods need together, as the Job controller writes it."""
    total: dict[str, int] = {}
    for pod in pods:
        for resource, amount in request_of(pod):
            total[resource] = total.get(resource, 0) + amount
    total.pop(PODS, None)
    return {resource: base_to_quantity(resource, amount) for resource, amount in sorted(total.items())}


def _phase(placed: int, minimum: int) -> str:
    if not placed:
        return GangPhase.PENDING
    return GangPhase.RUNNING if placed >= minimum else GangPhase.INQUEUE


def scheduler_of(config: Configuration) -> str:
    """The schedulerName of pods that are ours."""
    for choice in config.dialects:
        if choice.name == AIOKAI.name and choice.scheduler_names:
            return choice.scheduler_names[0]
    return keys.SCHEDULER_NAME

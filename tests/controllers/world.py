"""An API server of dictionaries: carries out what the Job controller wants; plays scheduler and kubelet when told."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from aiokai.controllers.changes import Answer, Changes, Create
from aiokai.controllers.job import JobChildren, reconcile
from aiokai.dialects import AIOKAI
from aiokai.model.configuration import Configuration
from aiokai.model.kube import ObjectMeta, Pod
from aiokai.model.resource import CONFIG_MAPS, NETWORK_POLICIES, PODS, SERVICES, Resource

Json = dict[str, Any]

START = datetime(2026, 1, 1, tzinfo=UTC)
GROUPS = AIOKAI.pod_group.resource
OTHERS = (SERVICES, CONFIG_MAPS, NETWORK_POLICIES)

Verdict = Callable[[Create], tuple[int, str]]


def container(**resources: str) -> Json:
    return {"name": "main", "image": "busybox", "resources": {"requests": resources}}


def task(name: str = "worker", replicas: int = 1, **fields: Any) -> Json:
    template = fields.pop("template", {"spec": {"containers": [container(cpu="1")]}})
    return {"name": name, "replicas": replicas, "template": template, **fields}


class World:
    """One Job, what exists of it, and everything that was done.

    Attributes:
        verdict: what the server says to a create, as HTTP code and text; 201 creates it.
        priorities: what admission makes of a pod's priorityClassName.
        limit_range: requests that admission gives to containers without any.
        events: all Events so far, as `type reason`.
    """

    def __init__(self, *tasks: Json, **spec: Any) -> None:
        metadata = {"name": "train", "namespace": "lab", "uid": "u1", "generation": 1, "labels": {"team": "a"}}
        self.body: Json = {"metadata": metadata, "spec": {"tasks": list(tasks), **spec}}
        self.objects: dict[tuple[Resource, str], Json] = {}
        self.answers: dict[str, Answer] = {}
        self.now = START
        self.verdict: Verdict = lambda _: (201, "")
        self.priorities: Mapping[str, int] = {}
        self.limit_range: Mapping[str, str] = {}
        self.events: list[str] = []
        self.asked: list[str] = []
        self._uids = 0

    # What is there

    @property
    def status(self) -> Json:
        return self.body.get("status") or {}

    @property
    def phase(self) -> str:
        return str(self.status["state"]["phase"])

    @property
    def pods(self) -> list[str]:
        return [name for resource, name in self.objects if resource == PODS]

    @property
    def group(self) -> Json:
        return self.objects[GROUPS, "train-u1"]

    def pod(self, name: str) -> Json:
        return self.objects[PODS, f"train-{name}"]

    def condition(self, kind: str) -> Json | None:
        return next((c for c in self.status.get("conditions", []) if c["type"] == kind), None)

    # What happens

    def admit(self) -> "World":
        """The scheduler admits the gang."""
        self.settle()
        self.group["status"] = {"phase": "Inqueue"}
        return self.settle()

    def set(self, phase: str, *names: str, reason: str = "") -> "World":
        """Pods reach a phase; all of them without names."""
        for name in names or [pod.removeprefix("train-") for pod in self.pods]:
            self.pod(name)["status"] = {"phase": phase, "reason": reason}
        return self.settle()

    def edit(self, **spec: Any) -> "World":
        self.body["spec"] = {**self.body["spec"], **spec}
        self.body["metadata"]["generation"] += 1
        return self.settle()

    def settle(self) -> "World":
        """Reconcile until nothing is left to do now."""
        for _ in range(20):
            changes = self.step()
            if not does_something(changes):
                return self
        raise AssertionError(f"the controller never rests: {changes}")

    def step(self) -> Changes:
        changes = self.look()
        for create in changes.dry_run:
            self.asked.append(create.key)
            self._answer(create, pod=True)
        for create in changes.create:
            if self._answer(create):
                self._uids += 1
                made = deepcopy(dict(create.body))
                made["metadata"]["uid"] = f"uid-{self._uids}"
                self.objects[create.resource, made["metadata"]["name"]] = json.loads(json.dumps(made))
        for patch in changes.patch:
            merge(self.objects[patch.resource, patch.name], patch.body)
        for delete in changes.delete:
            gone = self.objects.pop((delete.resource, delete.name))
            assert gone["metadata"]["uid"] == delete.uid
        if changes.status is not None:
            merge(self.body.setdefault("status", {}), changes.status)
        self.events += [f"{event.type} {event.reason}" for event in changes.events]
        return changes

    def look(self) -> Changes:
        return reconcile(self.body, self._children(), self.answers, self.now, AIOKAI, Configuration())

    def wait(self, seconds: float) -> "World":
        self.now += timedelta(seconds=seconds)
        return self

    def _children(self) -> JobChildren:
        group = self.objects.get((GROUPS, "train-u1"))
        return JobChildren(
            AIOKAI.pod_group.decode(json.dumps(group).encode()) if group else None,
            tuple(msgspec.convert(body, Pod) for (kind, _), body in self.objects.items() if kind == PODS),
            {
                place: msgspec.convert(body["metadata"], ObjectMeta)
                for place, body in self.objects.items()
                if place[0] in OTHERS
            },
        )

    def _answer(self, create: Create, *, pod: bool = False) -> bool:
        code, message = self.verdict(create)
        if code >= 300 or code == 0:
            old = self.answers.get(create.key)
            self.answers[create.key] = Answer(code, self.now, message, (old.attempt if old else 0) + 1)
            return False
        self.answers.pop(create.key, None)
        if pod:
            body = deepcopy(dict(create.body))
            body["spec"]["priority"] = self.priorities.get(body["spec"].get("priorityClassName", ""), 0)
            for asked in body["spec"]["containers"]:
                asked.setdefault("resources", {"requests": dict(self.limit_range)})
            self.answers[create.key] = Answer(code, self.now, pod=msgspec.convert(body, Pod))
        return True


def merge(old: Json, patch: Mapping[str, Any]) -> None:
    for name, value in patch.items():
        if value is None:
            old.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(old.get(name), dict):
            merge(old[name], value)
        else:
            old[name] = json.loads(json.dumps(value))


def does_something(changes: Changes) -> bool:
    """True if something was to be done now."""
    return bool(changes.dry_run or changes.create or changes.patch or changes.delete or changes.status)

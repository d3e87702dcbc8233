"""Gangs, their subgroups, and which gang names which queue."""

from dataclasses import dataclass, replace

import numpy as np

from aiokai.model.configuration import Configuration
from aiokai.model.pod_group import GangKey, PodGroup, PodGroupSpec
from aiokai.snapshot import derive
from aiokai.snapshot.arrays import GangFacts, Gangs, Subgroups
from aiokai.snapshot.reading import PodReading
from aiokai.snapshot.table import Column, Resources, Table

_ROOT = ""
"""The name under which a gang's top subgroup is kept."""


@dataclass(frozen=True, slots=True)
class GangReading:
    """All that a gang's row follows from.

    Attributes:
        pod: the pod that speaks for a gang without PodGroup.
        named: the queue it names, and `queue` that queue's row, -1 if there is none.
        error: why its PodGroup cannot be decoded, if it cannot.
    """

    group: PodGroup | None
    pod: PodReading | None
    has_pods: bool
    named: str
    queue: int
    error: str | None
    priority: int


class GangTable:
    def __init__(self, resources: Resources, configuration: Configuration) -> None:
        self._resources = resources
        self._configuration = configuration
        self._gangs: Table[GangKey, GangFacts] = resources.table(
            {
                "live": Column(np.bool_), "grouped": Column(np.bool_), "queue": Column(np.int32, -1),
                "priority": Column(np.int32),
                "created_s": Column(np.int64), "admitted": Column(np.bool_), "root": Column(np.int32, -1),
                "min_request": Column(np.int64, 0, ("R",)), "min_charge": Column(np.int64, 0, ("R",)),
                "obstacle": Column(np.int32), "written": Column(np.int32, 0, (5,)), "version": Column(np.int64),
            }
        )  # fmt: skip
        self._subgroups: Table[tuple[int, str], None] = Table(
            {"gang": Column(np.int32, -1), "parent": Column(np.int32, -1), "min_member": Column(np.int32)}
        )
        self._tasks: list[tuple[int, ...]] = []
        self._naming: dict[str, set[GangKey]] = {}

    def __contains__(self, key: GangKey) -> bool:
        return key in self._gangs

    def keys(self, namespace: str | None = None) -> list[GangKey]:
        """All gangs, or those of a namespace."""
        return [key for key in self._gangs if namespace in (None, key.namespace)]

    def naming(self, queue: str) -> list[GangKey]:
        """The gangs that name this queue, whether it exists or not."""
        return list(self._naming.get(queue, ()))

    def find(self, key: GangKey) -> int:
        return self._gangs.find(key)

    def queue(self, row: int) -> int:
        return int(self._gangs.of["queue"][row])

    def is_live(self, row: int) -> bool:
        return bool(self._gangs.of["live"][row])

    def version(self, row: int) -> int:
        return int(self._gangs.of["version"][row])

    def touch(self, key: GangKey, version: int) -> None:
        """Decisions of before `version` rest on another state of this gang."""
        self._gangs.of["version"][self._gangs.find(key)] = version

    def apply(self, key: GangKey, reading: GangReading, smallest_memory: int) -> bool:
        """Bring a gang's row up to date, or make it; returns True if it names another queue than before."""
        row = self._gangs.take(key)
        old, group = self._gangs.values[row], reading.group
        obstacle, problem = derive.gang_obstacle(key, group, reading.error, reading.queue, reading.named)
        self._gangs.values[row] = GangFacts(
            *key, pod_group=group, queue=reading.named, problem=problem, subgroups=old.subgroups if old else ()
        )
        if old is None:
            self._tasks += [()] * (row + 1 - len(self._tasks))
        elif old.queue != reading.named:
            self._naming[old.queue].discard(key)
        self._naming.setdefault(reading.named, set()).add(key)
        self._fill(row, key, reading, obstacle, smallest_memory)
        if old is None:
            self.divide(key, group.spec if group else None)
        return old is not None and old.queue != reading.named

    def _fill(self, row: int, key: GangKey, reading: GangReading, obstacle: int, smallest_memory: int) -> None:
        group, pod = reading.group, reading.pod
        created = group.metadata.creation_timestamp if group else pod.created if pod else None
        minimum = derive.base_amounts(group.spec.min_resources) if group else {}
        charge = derive.charge_of_minimum(minimum, self._configuration.devices.vgpu, smallest_memory)
        request_row, charge_row = self._resources.vector(minimum.items()), self._resources.vector(charge.items())
        of = self._gangs.of
        of["live"][row] = derive.is_ours(key, group, reading.has_pods, self._configuration)
        of["grouped"][row] = group is not None
        of["queue"][row], of["obstacle"][row] = reading.queue, obstacle
        of["priority"][row] = reading.priority
        of["created_s"][row] = derive.seconds_of(created)
        of["admitted"][row] = derive.is_admitted(group) and (key.lone or group is not None)
        of["min_request"][row], of["min_charge"][row] = request_row, charge_row
        of["written"][row] = derive.written_status(group)

    def remove(self, key: GangKey) -> None:
        row = self._gangs.find(key)
        facts = self._gangs.value(row)
        self._gangs.release(key)
        self._naming[facts.queue].discard(key)
        if not self._naming[facts.queue]:
            del self._naming[facts.queue]
        for name, _ in (*facts.subgroups, (_ROOT, 0)):
            self._subgroups.release((row, name))
        self._tasks[row] = ()

    def divide(self, key: GangKey, spec: PodGroupSpec | None) -> None:
        """Lay out a gang's subgroups anew."""
        row = self._gangs.find(key)
        facts, wanted = self._gangs.value(row), derive.subgroups_of(spec)
        for name in {name for name, _ in facts.subgroups} - {name for name, _, _ in wanted}:
            self._subgroups.release((row, name))
        root = self._subgroups.take((row, _ROOT))
        rows = {name: self._subgroups.take((row, name)) for name, _, _ in wanted}
        of = self._subgroups.of
        of["gang"][root], of["parent"][root] = row, -1
        of["min_member"][root] = spec.min_member if spec else 1
        for name, parent, minimum in wanted:
            of["gang"][rows[name]], of["min_member"][rows[name]] = row, minimum
            of["parent"][rows[name]] = rows[parent] if parent is not None else root
        self._gangs.of["root"][row] = root
        self._gangs.values[row] = replace(facts, subgroups=tuple(rows.items()))

    def subgroup(self, row: int, name: str) -> int:
        """The gang's subgroup of this name, else its root."""
        found = self._subgroups.find((row, name))
        return found if found >= 0 else int(self._gangs.of["root"][row])

    def add_task(self, row: int, task: int) -> None:
        self._tasks[row] += (task,)

    def remove_task(self, row: int, task: int) -> None:
        self._tasks[row] = tuple(other for other in self._tasks[row] if other != task)

    # For a snapshot

    def arrays(self) -> tuple[Gangs, Subgroups]:
        gangs, subgroups, width = self._gangs, self._subgroups, len(self._resources)
        return Gangs(
            live=gangs.copy("live"), grouped=gangs.copy("grouped"), queue=gangs.copy("queue"),
            priority=gangs.copy("priority"), created_s=gangs.copy("created_s"), admitted=gangs.copy("admitted"),
            min_request=gangs.copy("min_request", width), min_charge=gangs.copy("min_charge", width),
            root=gangs.copy("root"), obstacle=gangs.copy("obstacle"), written=gangs.copy("written"),
        ), Subgroups(subgroups.copy("gang"), subgroups.copy("parent"), subgroups.copy("min_member"))  # fmt: skip

    def facts(self) -> tuple[GangFacts | None, ...]:
        return tuple(self._gangs.values)

    def tasks(self) -> tuple[tuple[int, ...], ...]:
        return tuple(self._tasks)

"""A case written in full form, as `aiokai dump` writes it, is the same case."""

from pathlib import Path

import pytest

from aiokai.dialects import AIOKAI
from aiokai.model.base import Envelope
from aiokai.model.kube import ObjectMeta
from aiokai.simulator.replay import CycleOutcome, replay
from aiokai.snapshot.case import Case, parse_case
from aiokai.snapshot.dump import RawGroup, dump

GOLDEN = [
    file
    for file in sorted((Path(__file__).parent.parent / "golden").glob("*/*.yaml"))
    # Pods that do not exist yet are in no dump.
    if "created: false" not in file.read_text(encoding="utf-8")
]


def first_cycle(case: Case) -> CycleOutcome:
    return next(replay(case))


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_the_full_form_decides_the_same(file: Path) -> None:
    case = parse_case(file.read_text(encoding="utf-8"), file.name)
    broken = [
        RawGroup(name.dialect, Envelope(ObjectMeta(name=name.name, namespace=name.namespace), {"minMember": -1}))
        for name in case.objects.invalid
    ]
    text = dump(case.objects, broken, case.configuration, case.now, "a test")
    again = parse_case(text, "dump.yaml")
    assert again.configuration == case.configuration
    assert first_cycle(again) == first_cycle(case)


POD = """
objects:
  - apiVersion: v1
    kind: List
    items:
      - apiVersion: v1
        kind: Pod
        metadata:
          name: secretive
          namespace: team
          labels: {app: web}
          annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}", aiokai.io/queue: q}
          managedFields: [{manager: kubectl}]
        spec:
          schedulerName: aiokai
          containers:
            - {name: main, image: busybox, args: [--password=x], env: [{name: TOKEN, value: hunter2}]}
        status: {phase: Pending, message: "pull failed", hostIP: 10.0.0.1}
"""


def test_only_what_the_scheduler_reads_is_written() -> None:
    case = parse_case(POD, "case.yaml")
    text = dump(case.objects, [], case.configuration, case.now, "a test")
    for secret in ("hunter2", "TOKEN", "password", "busybox", "last-applied", "kubectl", "app:", "pull failed", "10.0"):
        assert secret not in text
    assert "aiokai.io/queue: q" in text


def test_objects_of_other_dialects_come_back_as_theirs() -> None:
    text = """
config: {dialects: [aiokai, volcano]}
nodes: {n0: {cpu: 4}}
objects:
  - {apiVersion: scheduling.volcano.sh/v1beta1, kind: Queue, metadata: {name: q}, spec: {capability: {cpu: 1}}}
  - {apiVersion: scheduling.volcano.sh/v1beta1, kind: PodGroup, metadata: {name: g}, spec: {minMember: 1, queue: q}}
  - apiVersion: v1
    kind: Pod
    metadata: {name: g-0, annotations: {scheduling.k8s.io/group-name: g}}
    spec: {schedulerName: volcano, containers: [{name: main, resources: {requests: {cpu: 1}}}]}
expect: {g: bound on n0}
"""
    case = parse_case(text, "case.yaml")
    written = dump(case.objects, [], case.configuration, case.now, "a test")
    assert written.count("scheduling.volcano.sh/v1beta1") == 2
    assert first_cycle(parse_case(written, "dump.yaml")) == first_cycle(case)
    assert AIOKAI.queue.resource.api_version in written  # the queue `default`, which is always there

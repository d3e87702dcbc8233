"""Placing, undoing and evicting against a twin that looks at every node each time.

The tournament trees have two slots, so that classes take them from each other, and a short journal, so that ratings are
renewed in both ways.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiokai.kernels.ledger import over_capability
from aiokai.kernels.place import lacks_devices
from aiokai.model import kube
from aiokai.model.configuration import Plugin, Profile
from aiokai.plugins import make_plugins
from aiokai.session.session import Memo, Session
from aiokai.session.statement import Statement
from aiokai.snapshot.arrays import Ledger, Snapshot, TaskState
from tests.kernels.plain import Plain
from tests.support.building import NOW, make_group, make_node, make_pod, make_queue
from tests.support.mirror import Mirror

VGPU = "volcano.sh/vgpu-"
REQUESTS = (
    {"cpu": "1"},
    {"cpu": "2", "memory": "1Gi"},
    {"cpu": "1", "nvidia.com/gpu": "1"},
    {"nvidia.com/gpu": "2"},
    {VGPU + "number": "1", VGPU + "memory": "1000", VGPU + "cores": "25"},
    {VGPU + "number": "2", VGPU + "memory": "600"},
    {VGPU + "number": "1", VGPU + "cores": "100"},
    {},
)
SHARED = {VGPU + "number": "20", VGPU + "memory": "100000", VGPU + "cores": "400"}
NODES = (
    ({"cpu": "4", "memory": "4Gi"}, ()),
    ({"cpu": "8", "memory": "8Gi", "nvidia.com/gpu": "4"}, ()),
    ({"cpu": "2", "nvidia.com/gpu": "2", "pods": "3"}, ()),
    ({"cpu": "6", "memory": "1Gi", **SHARED}, ((3, 2000), (2, 3000))),
    ({"cpu": "6", **SHARED}, ((10, 1000),)),
)
PLUGINS = (
    (Plugin(name="binpack", weight=10, args={"nvidia.com/gpu": 10, "cpu": 1}), Plugin(name="devicepack", weight=5)),
    (Plugin(name="spread", weight=3), Plugin(name="devicespread", weight=2)),
    (Plugin(name="devicepack", weight=1),),
)


class Case(NamedTuple):
    session: Session
    plain: Plain
    pending: list[int]
    running: list[int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A small cluster with some pods on it, its twin, and small trees."""
    mirror = Mirror()
    limit = {"capability": {"nvidia.com/gpu": draw(st.integers(1, 6)), "cpu": 12}} if draw(st.booleans()) else {}
    mirror.put(make_queue("top", **limit), make_queue("default", parent="top"), make_queue("free"))
    for n in range(draw(st.integers(0, 6))):
        amounts, cards = draw(st.sampled_from(NODES))
        taints = [kube.Taint("worse", "", "PreferNoSchedule")] * draw(st.booleans())
        mirror.put(make_node(f"n{n}", amounts, cards=cards, taints=taints, labels={"even": str(n % 2)}))
    mirror.put(make_group("g", 0), make_group("other", 0, queue="free"))
    for t in range(draw(st.integers(1, 12))):
        mirror.put(
            make_pod(
                f"t{t}",
                draw(st.sampled_from(REQUESTS)),
                group=draw(st.sampled_from(["g", "g", "other"])),
                node_selector={"even": "0"} if draw(st.integers(0, 3)) == 0 else None,
            )
        )
    mirror.schedule(Profile(actions=("allocate", "backfill")), assume=draw(st.booleans()))
    for uid in sorted(mirror.assumed):
        match draw(st.integers(0, 3)):
            case 0:
                mirror.forget(uid)
            case 1:
                mirror.put(_deleted(mirror, uid))
    snapshot, ledger = mirror.cache.snapshot(NOW)
    profile = Profile(plugins=draw(st.sampled_from(PLUGINS)))
    session = Session(snapshot, ledger, profile, make_plugins(profile), Memo())
    session.table = _small(session)
    tasks = [row for row, task in enumerate(snapshot.tasks) if task is not None]
    session.prepare(tasks)
    plain = Plain.of(snapshot.facts, ledger, session.table.weights, session.table.static)
    state = ledger.task_state
    pending = [task for task in tasks if state[task] == TaskState.PENDING]
    return Case(session, plain, pending, [t for t in tasks if state[t] == TaskState.BOUND])


def _deleted(mirror: Mirror, uid: str) -> kube.Pod:
    """The pod as it is bound and being deleted."""
    mirror.confirm(uid)
    pod, old = mirror.pods[uid], mirror.pods[uid].metadata
    meta = kube.ObjectMeta(
        old.name, old.namespace, old.uid, deletion_timestamp=NOW, creation_timestamp=NOW, annotations=old.annotations
    )
    return kube.Pod(meta, pod.spec, pod.status)


def _small(session: Session) -> Any:
    trees, journal = session.table.trees, session.table.journal
    slots = min(2, len(trees.owner))
    small = trees._replace(
        rating=trees.rating[:slots].copy(), owner=trees.owner[:slots].copy(), seen=trees.seen[:slots].copy()
    )
    return session.table._replace(trees=small, journal=journal._replace(touched=np.zeros(5, np.int32)))


def assert_equal(case: Case) -> None:
    names = Ledger._fields
    for name, array, plain in zip(names, case.session.ledger, case.plain.lists(), strict=True):
        assert array.tolist() == plain, name


@settings(max_examples=150)
@given(cases(), st.data())
def test_every_task_goes_to_the_best_node_and_undoing_leaves_no_trace(case: Case, data: st.DataObject) -> None:
    marks: list[tuple[int, Plain]] = []
    statement = case.session.statement()
    for _ in range(data.draw(st.integers(1, 8))):
        match data.draw(st.sampled_from(["place", "place", "place", "mark", "undo", "evict"])):
            case "place":
                waiting = [t for t in case.pending if case.plain.state[t] == TaskState.PENDING]
                tasks = data.draw(st.permutations(waiting))[: data.draw(st.integers(0, 6))]
                pipeline = data.draw(st.integers(0, 3)) == 0
                done, why = case.plain.place(tasks, pipeline)
                assert statement.place(tasks, pipeline=pipeline) == done
                assert why is None or statement.stopped == why
            case "mark":
                marks.append((statement.checkpoint(), case.plain.copy()))
            case "undo" if marks:
                to, before = marks.pop()
                statement.rollback(to)
                case = case._replace(plain=before)
            case "evict":
                running = [
                    t for t in case.running if case.plain.state[t] == TaskState.BOUND and case.plain.node[t] >= 0
                ]
                victims = running[: data.draw(st.integers(0, 2))]
                case.plain.evict(victims)
                statement.evict(victims)
        assert_equal(case)


@given(cases(), st.booleans())
def test_leaving_a_statement_restores_every_number(case: Case, pipeline: bool) -> None:
    before = [array.copy() for array in case.session.ledger]
    with case.session.statement() as statement:
        statement.place(case.pending, pipeline=pipeline)
        statement.evict([t for t in case.running if case.plain.node[t] >= 0])
    for name, array, old in zip(Ledger._fields, case.session.ledger, before, strict=True):
        assert np.array_equal(array, old), name


@given(cases())
def test_what_is_left_is_what_there_is_less_what_is_placed(case: Case) -> None:
    facts, ledger = case.session.facts, case.session.ledger
    before = ledger.node_idle.copy()
    with case.session.statement() as statement:
        placed = case.pending[: statement.place(case.pending)]
        statement.commit()
    for task in placed:
        before[ledger.task_node[task]] -= facts.classes.request[facts.tasks.of_class[task]]
    assert np.array_equal(before, ledger.node_idle)
    assert (ledger.device_free >= 0).all()
    assert [operation.task for operation in case.session.operations] == placed


@given(cases())
def test_the_first_queue_upwards_that_may_have_no_more_is_named(case: Case) -> None:
    facts, ledger = case.session.facts, case.session.ledger
    for task in case.pending:
        for pipeline in (False, True):
            got = over_capability(facts, ledger, task, -1, pipeline)
            assert got == case.plain.over_capability(task, case.plain.charge(task, -1, []), pipeline)


@given(cases())
def test_nodes_without_a_card_for_a_class_are_named(case: Case) -> None:
    facts, plain = case.session.facts, case.plain
    for task in case.pending:
        kind = int(facts.tasks.of_class[task])
        out = np.zeros(len(facts.nodes.live), np.bool_)
        lacks_devices(facts, case.session.ledger, kind, out, case.session.table.trees.scratch)
        for node in np.flatnonzero(facts.nodes.live).tolist():
            bare = plain.facts.classes.request.copy()
            bare[:] = 0
            easy = Plain(
                facts._replace(classes=facts.classes._replace(request=bare)),
                plain.weights,
                plain.static,
                *plain.lists(),
            )
            easy.static.feasible[:] = True
            assert out[node] == (bool(plain.asks(kind)) and easy.rate(kind, node, False) is None)


def test_ties_go_to_the_first_in_natural_order_of_names() -> None:
    mirror = Mirror()
    mirror.put(
        make_queue("default"), *(make_node(f"n{i}", {"cpu": "1"}) for i in (10, 9, 2)), make_pod("p", {"cpu": "1"})
    )
    assert [bind.node for gang in mirror.schedule().gangs for bind in gang.binds] == ["n2"]


def test_a_node_that_is_only_unwelcome_is_still_taken() -> None:
    mirror = Mirror()
    taint = kube.Taint("maintenance", "soon", "PreferNoSchedule")
    mirror.put(make_queue("default"), make_node("n0", {"cpu": "1"}, taints=[taint]), make_pod("p", {"cpu": "1"}))
    bare = Profile(plugins=())
    mirror.cache.snapshot(NOW)
    assert mirror.schedule(bare).binds == 1


def test_the_compiler_keeps_kernels_from_writing_facts() -> None:
    mirror = Mirror()
    mirror.put(make_node("n0", {"cpu": "1"}))
    snapshot, _ = mirror.cache.snapshot(NOW)
    with pytest.raises(ValueError, match="read-only"):
        snapshot.facts.nodes.allocatable[0, 0] = 7


def test_a_statement_does_not_begin_inside_another() -> None:
    mirror = Mirror()
    mirror.put(make_queue("default"), make_node("n0", {"cpu": "1"}), make_pod("p", {"cpu": "1"}))
    session = _session(*mirror.cache.snapshot(NOW))
    with session.statement() as statement:
        statement.place([0])
        with pytest.raises(AssertionError, match="open already"):
            Statement(session.table, [])


def _session(snapshot: Snapshot, ledger: Ledger) -> Session:
    session = Session(snapshot, ledger, Profile(), make_plugins(Profile()), Memo())
    session.prepare([0])
    return session

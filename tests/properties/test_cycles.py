"""What holds in any cluster, whatever happens to it: random events against Cache and schedule(), decisions carried out.

The checks read the objects again and count on their own: nothing of the arrays is trusted.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aiokai.model import kube
from aiokai.model.base import Identity
from aiokai.model.configuration import Plugin, Profile
from aiokai.model.pod_group import PodGroup
from aiokai.model.quantity import parse_quantity
from aiokai.scheduler import Memo, schedule
from aiokai.session.decisions import Bind, Decisions
from aiokai.snapshot.arrays import Ledger, Snapshot
from tests.support.building import NAMESPACE, NOW, make_group, make_node, make_pod, make_queue
from tests.support.mirror import Mirror, decided

Event = Callable[[Mirror], None]

VGPU = "volcano.sh/vgpu-"
NUMBER, MEMORY, CORES = VGPU + "number", VGPU + "memory", VGPU + "cores"
SHARED = {NUMBER: "40", MEMORY: "100000", CORES: "400"}
REQUESTS: tuple[Mapping[str, str], ...] = (
    {},
    {"cpu": "1"},
    {"cpu": "2", "memory": "1Gi"},
    {"nvidia.com/gpu": "1"},
    {"nvidia.com/gpu": "3", "cpu": "1"},
    {NUMBER: "1", MEMORY: "700", CORES: "30"},
    {NUMBER: "2", MEMORY: "300"},
    {NUMBER: "1", CORES: "100"},
)
GATE = kube.SchedulingGate("wait")
ANTI = kube.Affinity(pod_anti_affinity=kube.InterPodAffinity(required=({"topologyKey": "zone"},)))
ZONE_A = kube.Affinity(
    node_affinity=kube.NodeAffinity(
        required=kube.NodeSelector((kube.NodeSelectorTerm((kube.SelectorRequirement("zone", "In", ("a",)),)),))
    )
)
TAINT = kube.Taint("reserved", "team", "NoSchedule")
TOLERATION = kube.Toleration("reserved", "Equal", "team", "NoSchedule")
PROFILES = (
    Profile(),
    Profile(plugins=(Plugin(name="gang"), Plugin(name="fairshare"), Plugin(name="spread"))),
    Profile(actions=("allocate", "backfill"), plugins=(Plugin(name="devicespread", weight=3),)),
)


@st.composite
def nodes(draw: st.DrawFn) -> kube.Node:
    cards = draw(st.sampled_from([(), (), ((3, 1000), (2, 2000)), ((10, 1500),)]))
    amounts = {"cpu": draw(st.sampled_from("248")), "memory": "4Gi", "pods": draw(st.sampled_from(["2", "5", "110"]))}
    return make_node(
        f"n{draw(st.integers(0, 4))}",
        {**amounts, **(SHARED if cards else {"nvidia.com/gpu": draw(st.sampled_from("0248"))})},
        cards=cards,
        labels={"zone": draw(st.sampled_from("ab"))},
        taints=[TAINT] * (draw(st.integers(0, 3)) == 0),
        unschedulable=draw(st.integers(0, 5)) == 0,
        ready=draw(st.integers(0, 5)) > 0,
    )


@st.composite
def gangs(draw: st.DrawFn) -> list[PodGroup | kube.Pod]:
    """A PodGroup and its pods; all alike, or each different."""
    name, size = f"g{draw(st.integers(0, 8))}", draw(st.integers(1, 4))
    queue = draw(st.sampled_from(["default", "left", "right", "top", "nowhere"]))
    request, alike = draw(st.sampled_from(REQUESTS)), draw(st.booleans())
    odd = draw(st.integers(0, 9))
    spec: dict[str, object] = {
        0: {"affinity": ANTI},
        1: {"affinity": ZONE_A},
        2: {"tolerations": (TOLERATION,)},
        3: {"node_selector": {"zone": "b"}},
        4: {"scheduling_gates": (GATE,)},
    }.get(odd, {})
    pods = [
        make_pod(
            f"{name}-{i}",
            request if alike else draw(st.sampled_from(REQUESTS)),
            group=name,
            **(spec if alike or i == 0 else {}),  # type: ignore[arg-type]
        )
        for i in range(size)
    ]
    group = make_group(
        name, draw(st.integers(1, 4)), queue=queue, phase=draw(st.sampled_from(["", "Inqueue"])),
        age_s=draw(st.integers(0, 3)),
    )  # fmt: skip
    return [group, *pods]


lone_pods = st.builds(
    lambda i, request, queue, priority: make_pod(f"lone-{i}", request, queue=queue, priority=priority),
    st.integers(0, 9),
    st.sampled_from(REQUESTS),
    st.sampled_from(["", "left", "right"]),
    st.integers(0, 2),
)


@st.composite
def queues(draw: st.DrawFn) -> list[object]:
    """Two queues below one, and one beside them."""
    limits = [
        {"capability": {draw(st.sampled_from(["cpu", "nvidia.com/gpu", "pods"])): draw(st.integers(0, 6))}}
        if draw(st.booleans())
        else {}
        for _ in range(4)
    ]
    return [
        make_queue("default", **limits[0]),
        make_queue("top", **limits[1]),
        make_queue("left", parent="top", weight=draw(st.integers(1, 3)), deserved={"nvidia.com/gpu": 1}, **limits[2])
        if "nvidia.com/gpu" not in limits[2].get("capability", {})
        else make_queue("left", parent="top", **limits[2]),
        make_queue("right", parent="top", priority=draw(st.integers(0, 1)), **limits[3]),
    ]


@st.composite
def worldly_events(draw: st.DrawFn) -> Event:
    """Nodes come, change and go; gangs come; pods start, end, are deleted; others put pods onto nodes."""
    which = draw(st.integers(0, 20))
    match draw(st.integers(0, 8)):
        case 0 | 1:
            node = draw(nodes())
            return lambda mirror: mirror.put(node)
        case 2:
            return lambda mirror: mirror.drop_node(_pick(mirror.nodes, which)) if mirror.nodes else None
        case 3 | 4:
            gang = draw(gangs())
            return lambda mirror: _put_new(mirror, gang)
        case 5:
            pod = draw(lone_pods)
            return lambda mirror: _put_new(mirror, [pod])
        case 6:
            phase = draw(st.sampled_from(["Running", "Succeeded", "Failed"]))
            return lambda mirror: _advance(mirror, which, phase)
        case 7:
            return lambda mirror: _delete(mirror, which)
    foreign = make_pod(f"foreign-{which}", draw(st.sampled_from(REQUESTS[:3])), node=f"n{which % 5}", scheduler="other")
    return lambda mirror: mirror.put(foreign) if f"n{which % 5}" in mirror.nodes else None


def _pick(keyed: Iterable[str], which: int) -> str:
    names = sorted(keyed)
    return names[which % len(names)]


def _put_new(mirror: Mirror, objects: list[PodGroup | kube.Pod]) -> None:
    """Create what is not there yet: nobody changes a pod's spec."""
    for obj in objects:
        if isinstance(obj, kube.Pod) and obj.metadata.uid in mirror.pods:
            continue
        if not isinstance(obj, kube.Pod) and obj.identity in mirror.groups:
            continue
        mirror.put(obj)


def _advance(mirror: Mirror, which: int, phase: str) -> None:
    if mirror.assumed:
        mirror.confirm(_pick(mirror.assumed, which), "Running")
        return
    bound = [
        uid for uid, pod in mirror.pods.items() if pod.spec.node_name and pod.status.phase in ("Pending", "Running")
    ]
    if bound:
        pod = mirror.pods[_pick(bound, which)]
        mirror.put(msgspec.structs.replace(pod, status=kube.PodStatus(phase=phase)))


def _delete(mirror: Mirror, which: int) -> None:
    """A pod that sits on a node is releasing first; any other is gone at once."""
    if not mirror.pods:
        return
    uid = _pick(mirror.pods, which)
    pod = mirror.pods[uid]
    if pod.spec.node_name and pod.metadata.deletion_timestamp is None and pod.status.phase in ("Pending", "Running"):
        meta = msgspec.structs.replace(pod.metadata, deletion_timestamp=NOW)
        mirror.put(msgspec.structs.replace(pod, metadata=meta))
    else:
        mirror.drop_pod(uid)


histories = st.lists(worldly_events(), min_size=3, max_size=25)


def begin(first: list[object]) -> Mirror:
    mirror = Mirror()
    mirror.put(*first)
    return mirror


# What must hold, counted from objects


def sits_on(mirror: Mirror, uid: str) -> str:
    """The node that a pod occupies, bound or about to be; empty for one that waits or has ended."""
    pod = mirror.pods[uid]
    if pod.status.phase in ("Succeeded", "Failed"):
        return ""
    return pod.spec.node_name or (mirror.assumed[uid].node if uid in mirror.assumed else "")


def amount(text: object) -> int:
    return int(parse_quantity(str(text)) * 1000)


def asked(pod: kube.Pod) -> dict[str, int]:
    told: Counter[str] = Counter({"pods": 1000})
    for container in pod.spec.containers:
        for name, text in (container.resources.requests or {}).items():
            told[name] += amount(text)
    return dict(told)


def use_by_node(mirror: Mirror) -> dict[str, Counter[str]]:
    use: dict[str, Counter[str]] = {}
    for uid, pod in mirror.pods.items():
        if node := sits_on(mirror, uid):
            use.setdefault(node, Counter()).update(asked(pod))
    return use


def grants_of(mirror: Mirror, uid: str) -> list[tuple[str, int, int]]:
    """Card, memory and cores of what a pod was given, read off the text that the plugin reads."""
    annotations = {**(mirror.pods[uid].metadata.annotations or {})}
    if uid in mirror.assumed:
        annotations |= mirror.assumed[uid].annotations
    parts = annotations.get(VGPU + "ids-new", "").replace(";", ":").split(":")
    return [(f[0], int(f[2]), int(f[3])) for part in parts if part for f in [part.split(",")]]


def overcommitted(mirror: Mirror) -> set[tuple[str, str]]:
    """Node and resource, or node and card, of which more is used than there is."""
    over = set()
    for node, use in use_by_node(mirror).items():
        if node not in mirror.nodes:
            continue
        allocatable = mirror.nodes[node].status.allocatable or {}
        over |= {(node, name) for name, used in use.items() if used > amount(allocatable.get(name, 0))}
        over |= {(node, card) for card in _full_cards(mirror, node)}
    return over


def _full_cards(mirror: Mirror, node: str) -> set[str]:
    text = (mirror.nodes[node].metadata.annotations or {}).get(VGPU.replace("vgpu-", "node-vgpu-register"), "")
    cards = {f[0]: (int(f[1]), int(f[2])) for part in text.split(":") if part for f in [part.split(",")]}
    given = [grant for uid in mirror.pods if sits_on(mirror, uid) == node for grant in grants_of(mirror, uid)]
    over = set()
    for card, (slots, memory) in cards.items():
        mine = [(m, c) for name, m, c in given if name == card]
        alone = any(cores == 100 for _, cores in mine)
        if len(mine) > slots or sum(m for m, _ in mine) > memory or sum(c for _, c in mine) > 100:
            over.add(card)
        if alone and len(mine) > 1:
            over.add(card)
    return over | {name for name, _, _ in given if name not in cards}


def assert_nothing_is_overcommitted_by(binds: list[Bind], before: set[tuple[str, str]], mirror: Mirror) -> None:
    """What a resize, another scheduler or a lost card overcommitted stays so, but gets nothing more of that."""
    asks = {(bind.node, name) for bind in binds for name in asked(mirror.pods[bind.uid])}
    asks |= {(bind.node, card) for bind in binds for card, _, _ in grants_of(mirror, bind.uid)}
    assert not (overcommitted(mirror) & asks), before


def assert_limits_kept(mirror: Mirror, binds: list[Bind]) -> None:
    """No queue that got something is above its capability, nor one above it; shared cards are left to test_place."""
    use: dict[str, Counter[str]] = {}
    got = set()
    bound = {bind.uid for bind in binds}
    for uid, pod in mirror.pods.items():
        if pod.spec.scheduler_name != "aiokai" or not sits_on(mirror, uid):
            continue
        queue: str | None = queue_of(mirror, pod)
        while queue is not None:
            use.setdefault(queue, Counter()).update(asked(pod))
            got |= {(queue, name) for name in asked(pod) if uid in bound}
            found = mirror.queues.get(Identity("aiokai", "", queue))
            queue = found.spec.parent if found else None
    for (_, _, name), queue_object in mirror.queues.items():
        for resource, limit in (queue_object.spec.capability or {}).items():
            if (name, resource) in got:
                assert use[name][resource] <= amount(limit), (name, resource)


def queue_of(mirror: Mirror, pod: kube.Pod) -> str:
    annotations = pod.metadata.annotations or {}
    group = mirror.groups.get(Identity("aiokai", NAMESPACE, annotations.get("aiokai.io/pod-group", "")))
    return (group.spec.queue if group else annotations.get("aiokai.io/queue", "")) or "default"


def assert_filters_respected(mirror: Mirror, binds: list[Bind]) -> None:
    for bind in binds:
        pod, node = mirror.pods[bind.uid], mirror.nodes[bind.node]
        labels = node.metadata.labels or {}
        assert not node.spec.unschedulable
        assert all(c.status == "True" for c in node.status.conditions if c.type == "Ready")
        assert not node.spec.taints or pod.spec.tolerations
        assert all(labels.get(key) == value for key, value in (pod.spec.node_selector or {}).items())
        assert pod.spec.affinity is not ANTI, "an unsupported constraint is never ignored"
        assert pod.spec.affinity is not ZONE_A or labels["zone"] == "a"
        assert not pod.spec.scheduling_gates
        assert queue_of(mirror, pod) in ("default", "left", "right")


def assert_gangs_whole(mirror: Mirror, decisions: Decisions) -> None:
    """Whoever got something has its minimum now, ended ones counted."""
    for gang in decisions.gangs:
        if not gang.binds or gang.gang.lone:
            continue
        members = [
            uid
            for uid, pod in mirror.pods.items()
            if (pod.metadata.annotations or {}).get("aiokai.io/pod-group") == gang.gang.name
        ]
        there = [
            uid
            for uid in members
            if mirror.pods[uid].status.phase == "Succeeded"
            or (sits_on(mirror, uid) and mirror.pods[uid].metadata.deletion_timestamp is None)
        ]
        assert len(there) >= mirror.groups[gang.gang.identity].spec.min_member


@settings(max_examples=120)
@given(queues(), histories, st.sampled_from(PROFILES))
def test_no_cycle_breaks_a_promise(first: list[object], history: list[Event], profile: Profile) -> None:
    mirror = begin(first)
    for event in history:
        event(mirror)
        before = overcommitted(mirror)
        decisions = mirror.schedule(profile)
        binds = [bind for gang in decisions.gangs for bind in gang.binds]
        assert len({bind.uid for bind in binds}) == len(binds)
        assert_nothing_is_overcommitted_by(binds, before, mirror)
        assert_limits_kept(mirror, binds)
        assert_filters_respected(mirror, binds)
        assert_gangs_whole(mirror, decisions)


@settings(max_examples=60)
@given(queues(), histories, st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(first: list[object], history: list[Event], random: object) -> None:
    mirror = begin(first)
    for event in history:
        event(mirror)
    objects = [*mirror.queues.values(), *mirror.nodes.values(), *mirror.groups.values(), *mirror.pods.values()]
    random.shuffle(objects)  # type: ignore[attr-defined]
    again = begin(objects)
    assert decided(mirror.schedule(assume=False)) == decided(again.schedule(assume=False))


@settings(max_examples=60)
@given(queues(), histories)
def test_a_second_cycle_binds_nothing_that_the_first_could_have(first: list[object], history: list[Event]) -> None:
    mirror = begin(first)
    for event in history:
        event(mirror)
    write_back(mirror, mirror.schedule())
    write_back(mirror, mirror.schedule())
    assert mirror.schedule().binds == 0


def write_back(mirror: Mirror, decisions: Decisions) -> None:
    """The edge writes statuses, and the watch brings them."""
    for gang in decisions.gangs:
        if gang.status is not None:
            group = mirror.groups[gang.gang.identity]
            mirror.put(type(group)(group.dialect, group.metadata, group.spec, gang.status))
    for told in decisions.queues:
        queue = mirror.queues[told.queue]
        mirror.put(type(queue)(queue.dialect, queue.metadata, queue.spec, told.status))


@settings(max_examples=60)
@given(queues(), histories)
def test_statuses_come_to_rest(first: list[object], history: list[Event]) -> None:
    mirror = begin(first)
    for event in history:
        event(mirror)
    for _ in range(4):
        write_back(mirror, mirror.schedule())
    decisions = mirror.schedule()
    assert decisions.binds == 0
    assert [gang.status for gang in decisions.gangs if gang.status is not None] == []
    assert decisions.queues == ()


@settings(max_examples=60)
@given(queues(), histories)
def test_a_memo_changes_no_decision_and_no_cycle_changes_the_snapshot(
    first: list[object], history: list[Event]
) -> None:
    mirror, memo = begin(first), Memo()
    for event in history:
        event(mirror)
        (snapshot, ledger), (_, fresh) = mirror.cache.snapshot(NOW), mirror.cache.snapshot(NOW)
        before = [array.copy() for array in arrays_of(snapshot, ledger)]
        with_memo, memo = schedule(snapshot, ledger, Profile(), memo)
        without, _ = schedule(snapshot, fresh, Profile())
        assert with_memo == without
        facts = arrays_of(snapshot, ledger)[: -len(Ledger._fields)]
        assert all(np.array_equal(a, b) for a, b in zip(facts, before, strict=False))
        for gang in without.gangs:
            for bind in gang.binds:
                mirror.assume(bind)


def arrays_of(snapshot: Snapshot, ledger: Ledger) -> list[np.ndarray]:
    facts = [array for record in snapshot.facts for array in record if isinstance(array, np.ndarray)]
    return [*facts, snapshot.total, *ledger]

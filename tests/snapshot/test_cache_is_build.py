"""The incremental cache and the plain way say the same, whatever happened before and in which order."""

from collections.abc import Callable

from hypothesis import given, note, settings
from hypothesis import strategies as st

from aiokai.model import keys, kube
from aiokai.model.base import Identity
from aiokai.model.configuration import Profile
from aiokai.scheduler import schedule
from tests.support.building import NAMESPACE, NOW, make_group, make_node, make_pod, make_queue
from tests.support.mirror import Mirror, canonical, decided

Event = Callable[[Mirror], None]

few = st.integers(0, 2)
flag = st.booleans()
VGPU = "volcano.sh/vgpu-"
REQUESTS = (
    {},
    {"cpu": "1"},
    {"cpu": "2", "memory": "1Gi"},
    {"nvidia.com/gpu": "1"},
    {"nvidia.com/gpu": "2", "example.com/nic": "1"},
    {VGPU + "number": "1", VGPU + "memory": "1000", VGPU + "cores": "25"},
    {VGPU + "number": "2", VGPU + "memory": "600"},
    {VGPU + "number": "1"},
    *({f"example.com/part-{i}": "1"} for i in range(6)),
)
ALLOCATABLE = (
    {"cpu": "4", "memory": "8Gi"},
    {"cpu": "8", "memory": "4Gi", "nvidia.com/gpu": "4", "example.com/nic": "2"},
    {"cpu": "2", "nvidia.com/gpu": "2"},
    {"cpu": "6", **{f"example.com/part-{i}": "1" for i in range(6)}},
)
CARDS = ((), ((2, 2000),), ((10, 1000), (10, 3000)), ((1, 4000), (3, 1500), (2, 1500)))


@st.composite
def node_events(draw: st.DrawFn) -> Event:
    name = f"n{draw(st.sampled_from(['0', '1', '01']))}"
    if draw(st.integers(0, 3)) == 0:
        return lambda mirror: mirror.drop_node(name) if name in mirror.nodes else None
    cards = draw(st.sampled_from(CARDS))
    amounts = dict(draw(st.sampled_from(ALLOCATABLE)))
    if cards and draw(st.integers(0, 4)):
        amounts = {"cpu": "8", "memory": "8Gi"}
    node = make_node(
        name,
        amounts,
        cards=cards,
        labels={"zone": draw(st.sampled_from("ab"))},
        taints=[kube.Taint("soft", "", draw(st.sampled_from(["PreferNoSchedule", "NoSchedule"])))] * draw(flag),
        unschedulable=draw(st.integers(0, 4)) == 0,
        ready=draw(st.integers(0, 4)) > 0,
    )
    return lambda mirror: mirror.put(node)


@st.composite
def pod_events(draw: st.DrawFn) -> Event:
    name, uid = f"p{draw(st.integers(0, 5))}", f"uid{draw(st.integers(0, 7))}"
    if draw(st.integers(0, 4)) == 0:
        return lambda mirror: mirror.drop_pod(uid) if uid in mirror.pods else None
    node = draw(st.sampled_from(["", "", "", "n0", "n1", "n01", "gone"]))
    request = draw(st.sampled_from(REQUESTS))
    annotations = {}
    if node and draw(flag):
        asked = int(request.get(VGPU + "number", 1))
        annotations = {VGPU + "ids-new": "".join(f"{node}-{i},NVIDIA,500,{10 * i}:" for i in range(asked)) + ";"}
    pod = make_pod(
        name,
        request,
        uid=uid,
        group=draw(st.sampled_from(["", "g0", "g1"])),
        subgroup=draw(st.sampled_from(["", "left", "right"])),
        queue=draw(st.sampled_from(["", "", "q0", "q1"])),
        node=node,
        phase=draw(st.sampled_from(["Pending", "Running", "Running", "Succeeded", "Failed"])) if node else "Pending",
        priority=draw(few),
        scheduler=draw(st.sampled_from(["aiokai", "aiokai", "aiokai", "default-scheduler"])),
        deleted=draw(st.integers(0, 4)) == 0,
        age_s=draw(few),
        annotations=annotations,
        node_selector={"zone": "a"} if draw(st.integers(0, 3)) == 0 else None,
        scheduling_gates=(kube.SchedulingGate("later"),) * (draw(st.integers(0, 5)) == 0),
        volumes=(kube.Volume("data", kube.ClaimSource(f"c{draw(few)}")),) * (draw(st.integers(0, 3)) == 0),
    )
    return lambda mirror: mirror.put(pod)


@st.composite
def group_events(draw: st.DrawFn) -> Event:
    identity = Identity("aiokai", NAMESPACE, f"g{draw(st.integers(0, 1))}")
    match draw(st.integers(0, 5)):
        case 0:
            return lambda mirror: mirror.drop_group(identity) if identity in mirror.groups else None
        case 1:
            return lambda mirror: mirror.spoil(identity)
    spec: dict[str, object] = {}
    if draw(flag):
        spec["queue"] = f"q{draw(few)}"
    if draw(flag):
        spec["priorityClassName"] = draw(st.sampled_from(["high", "low"]))
    if draw(flag):
        spec["minResources"] = dict(draw(st.sampled_from(REQUESTS)))
    match draw(few):
        case 1:
            spec["minTaskMember"] = {"left": draw(few), "right": draw(few)}
        case 2:
            spec["subGroups"] = [
                {"name": "left", "minMember": draw(few), "parent": draw(st.sampled_from(["right", None]))},
                {"name": "right", "minMember": draw(few)},
            ]
    phase = draw(st.sampled_from(["", "Pending", "Inqueue", "Running", "Completed"]))
    group = make_group(identity.name, draw(few), phase=phase, age_s=draw(few), **spec)
    return lambda mirror: mirror.put(group)


@st.composite
def queue_events(draw: st.DrawFn) -> Event:
    name = draw(st.sampled_from(["default", "q0", "q1"]))
    if draw(st.integers(0, 3)) == 0:
        identity = Identity("aiokai", "", name)
        return lambda mirror: mirror.drop_queue(identity) if identity in mirror.queues else None
    spec: dict[str, object] = {"weight": draw(st.integers(1, 3)), "priority": draw(few)}
    if draw(flag):
        spec["deserved"] = {draw(st.sampled_from(["cpu", "nvidia.com/gpu", "example.com/nic"])): draw(few)}
    elif draw(flag):
        spec["capability"] = {draw(st.sampled_from(["cpu", "nvidia.com/gpu", "example.com/odd"])): draw(few)}
    if draw(st.integers(0, 3)) == 0:
        spec["parent"] = draw(st.sampled_from(["q0", "q1", "nowhere"]))
    spec["state"] = draw(st.sampled_from(["Open", "Open", "Closed"]))
    queue = make_queue(name, age_s=draw(few), **spec)
    return lambda mirror: mirror.put(queue)


@st.composite
def volume_events(draw: st.DrawFn) -> Event:
    name = draw(st.sampled_from(["c0", "c1", "v0", "v1"]))
    if name.startswith("c"):
        if draw(st.integers(0, 3)) == 0:
            return lambda mirror: mirror.drop_claim(name) if name in mirror.claims else None
        phase, modes = draw(st.sampled_from(["Bound", "Bound", "Pending"])), ("ReadWriteOncePod",) * draw(flag)
        spec = kube.ClaimSpec(draw(st.sampled_from(["v0", "v1"])), modes)
        claim = kube.PersistentVolumeClaim(kube.ObjectMeta(name, NAMESPACE), spec, kube.ClaimStatus(phase))
        return lambda mirror: mirror.put(claim)
    if draw(st.integers(0, 3)) == 0:
        return lambda mirror: mirror.drop_volume(name) if name in mirror.volumes else None
    zone = kube.SelectorRequirement("zone", "In", (draw(st.sampled_from("ab")),))
    affinity = kube.VolumeNodeAffinity(kube.NodeSelector((kube.NodeSelectorTerm((zone,)),)))
    volume = kube.PersistentVolume(kube.ObjectMeta(name), kube.VolumeSpec(draw(st.sampled_from([affinity, None]))))
    return lambda mirror: mirror.put(volume)


@st.composite
def other_events(draw: st.DrawFn) -> Event:
    match draw(st.integers(0, 3)):
        case 0:
            return lambda mirror: mirror.drop_namespace(NAMESPACE) if NAMESPACE in mirror.namespaces else None
        case 1:
            queue = draw(st.sampled_from(["q0", "q1", ""]))
            meta = kube.ObjectMeta(name=NAMESPACE, annotations={keys.QUEUE: queue} if queue else None)
            return lambda mirror: mirror.put(kube.Namespace(meta))
        case 2:
            name = draw(st.sampled_from(["high", "low"]))
            return lambda mirror: mirror.drop_class(name) if name in mirror.classes else None
    meta = kube.ObjectMeta(name=draw(st.sampled_from(["high", "low"])))
    priority_class = kube.PriorityClass(meta, draw(few), draw(flag))
    return lambda mirror: mirror.put(priority_class)


@st.composite
def cycle_events(draw: st.DrawFn) -> Event:
    """Decide and assume; or one of the binds in flight arrives, or fails."""
    what, which = draw(few), draw(st.integers(0, 5))

    def event(mirror: Mirror) -> None:
        if what == 0 or not mirror.assumed:
            mirror.schedule()
            return
        uid = sorted(mirror.assumed)[which % len(mirror.assumed)]
        if what == 1:
            mirror.confirm(uid)
        else:
            mirror.forget(uid)

    return event


events = st.one_of(
    node_events(), pod_events(), pod_events(), pod_events(), group_events(), queue_events(), volume_events(),
    other_events(), cycle_events(),
)  # fmt: skip


def start(mirror: Mirror) -> None:
    """Something to begin with, so that short sequences are not about nothing."""
    mirror.put(make_queue("default"), make_node("n0", ALLOCATABLE[1]), make_node("n1", ALLOCATABLE[0], cards=CARDS[2]))


def assert_same(mirror: Mirror) -> None:
    mine, plain = mirror.cache.snapshot(NOW), mirror.build()
    ours, theirs = canonical(*mine), canonical(*plain)
    for part, value in theirs.items():
        assert ours[part] == value, part
    mine_decided, plain_decided = decided(schedule(*mine, Profile())[0]), decided(schedule(*plain, Profile())[0])
    for part, value in plain_decided.items():
        assert mine_decided[part] == value, part


@settings(max_examples=150)
@given(sequence=st.lists(events, max_size=40), often=st.booleans())
def test_after_any_events_the_cache_says_what_the_objects_say(sequence: list[Event], often: bool) -> None:
    mirror = Mirror()
    start(mirror)
    for event in sequence:
        event(mirror)
        if often:
            assert_same(mirror)
    note(str(mirror.objects()))
    assert_same(mirror)

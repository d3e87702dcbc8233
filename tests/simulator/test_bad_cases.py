"""A case file that says something impossible is refused, with the file, the path in it, and the reason."""

import pytest

from aiokai.errors import DumpError
from aiokai.snapshot.case import parse_case

NODE = "nodes: {n0: {cpu: 4}}\n"

BAD = {
    "nope: 1": "nope: unknown field; there are why",
    "[1]": "a mapping is wanted at the top, not list",
    "why: a\nwhy: b": "line 2, column 1: the key 'why' occurs twice",
    "nodes: {n0: {cpu: 4": "line",
    "why: 3": "why: is not text",
    "nodes: {n0: {cpu: many}}": "nodes.n0.cpu: 'many' is not a quantity",
    "nodes: {n0: {cpu: -1}}": "nodes.n0.cpu: -1 is negative",
    "nodes: {n0: {cpux: 4}}": "nodes.n0.cpux: 'cpux' is neither a field nor a resource",
    "nodes: {n0: {labels: {a: 1}}}": "nodes.n0.labels.a: Input should be a valid string",
    "nodes: {n0: {taints: [x]}}": "nodes.n0.taints[0].effect",
    "nodes: {n0: {conditions: {Ready: maybe}}}": "nodes.n0.conditions.Ready",
    "nodes: {n0: {devices: {numa: 2}}}": "nodes.n0.devices.numa: is not supported yet",
    "nodes: {n0: {devices: {vgpu: {memory: 4}, registration: a}}}": "nodes.n0.devices: holds vgpu and registration",
    "queues: {q: {weigth: 1}}": "queues.q.weigth: unknown field",
    "queues: {q: {weight: 0}}": "queues.q.weight: Input should be greater",
    "queues: {q: {deserved: {cpu: x}}}": "queues.q.deserved.cpu: 'x' is not a quantity",
    "queues: {q: {capability: {cpu: 1}, deserved: {cpu: 2}}}": "queues.q.deserved[cpu]: deserved is more than",
    "queues: {q: {parent: q}}": "queues.q.parent: a queue is not its own parent",
    "gangs: {a: {taks: 1}}": "gangs.a.taks: unknown field",
    "gangs: {a: {tasks: -1}}": "gangs.a.tasks: is neither a number nor a list",
    "gangs: {a: {tasks: [{cont: 1}]}}": "gangs.a.tasks[0].cont: unknown field",
    "gangs: {a: {tasks: [{name: x}, {name: x}]}}": "gangs.a.tasks[0].name: two tasks have the name 'x'",
    "gangs: {a: {on: n9}}": "gangs.a.on: there is no node 'n9'",
    NODE + "gangs: {a: {on: n0, state: pending}}": "gangs.a.state: pending, but `on` names node 'n0'",
    "gangs: {a: {state: running}}": "gangs.a.state: running, but `on` names no node",
    "gangs: {a: {state: dancing}}": "gangs.a.state: Input should be 'pending'",
    "gangs: {a: {state: pipelined}}": "gangs.a.state: pipelined is not supported yet",
    "gangs: {a: {stale_since: 1h}}": "gangs.a.stale_since: is not supported yet",
    "gangs: {a: {age: soon}}": "gangs.a.age: 'soon' is not a duration",
    "gangs: {a: {request: {gpu: 1}}}": "gangs.a.request: 'gpu' is neither a field nor a resource",
    "gangs: {a: {request: {vgpu-cores: 150}}}": "at most 100 (got 150)",
    "gangs: {a: {containers: [{name: a}], request: {cpu: 1}}}": "gangs.a.containers: stand beside a request",
    "gangs: {a: {minMember: x}}": "gangs.a.minMember: Input should be a valid integer",
    "gangs: {a: {subGroups: [{nam: a}]}}": "gangs.a.subGroups[0].nam: unknown field; there are minMember",
    "gangs: {a: {subGroup: a}}": "gangs.a.subGroup: there is no subgroup 'a'",
    "gangs: {a: {lone: true, minMember: 2}}": "gangs.a.minMember: is a PodGroup's",
    "gangs: {a: {priority: 1, priorityClassName: x}}": "gangs.a.priority: stands beside priorityClassName",
    "gangs: {a: {tolerations: [{keyy: x}]}}": "gangs.a.tolerations[0].keyy: unknown field; there are effect, key",
    "gangs: {a: {tolerations: [{key: 1}]}}": "gangs.a.tolerations[0].key: Expected `str`, got `int`",
    "gangs: {a: {affinity: {nodeAffinity: {required: []}}}}": "gangs.a.affinity.nodeAffinity.required: unknown field",
    NODE + "gangs: {a: {request: {vgpu-memory: 15}, on: n0}}": "gangs.a.on: n0 has no card left",
    "gangs: {a: {request: {vgpu-memory: 15}, devices: [0]}}": "gangs.a.devices: are of a pod that is on a node",
    "gangs: {a: {namespace: b}, b/a: {}}": "gangs.b/a: aiokai/b/a occurs twice",
    "others: {x: {on: n8}}": "others.x.on: there is no node 'n8'",
    "topologies: {t: [a]}": "topologies: is not supported yet",
    "pdbs: {}": "pdbs: is not supported yet",
    "usage: {}": "usage: is not supported yet",
    "cycles: 0": "cycles: is a number from 1",
    "cycles: 2\nexpect: [{}]": "expect: has 1 entries for 2 cycles",
    "then: {bound: dance}": "then.bound: Input should be 'running'",
    "now: yesterday": "now: 'yesterday' is neither a time",
    "now: 2026-01-01T00:00:00": "has no time zone",
    "config: {plugin: []}": "config.plugin: unknown field",
    "config: {actions: [dance]}": "config.actions[0]: Input should be",
    "config: {dialects: [volcno]}": "config.dialects[0]: 'volcno' is no dialect",
    "config: {profiles: [{nam: a}]}": "config.profiles[0].nam: unknown field",
    "expect: {a: bound}": "expect.a: there is no such gang or task",
    "gangs: {a: {}}\nexpect: {a: bund}": "expect.a: 'bund' is none of running",
    "gangs: {a: {}}\nexpect: {a: bound n0}": "expect.a: 'bound n0' is not like `bound on NODE`",
    "gangs: {a: {}}\nexpect: {a: bound on n7}": "expect.a: there is no node 'n7'",
    "gangs: {a: {}}\nexpect: {a: {bnd: 1}}": "expect.a.bnd: unknown field",
    "gangs: {a: {}}\nexpect: {a: {reason: Nope}}": "expect.a.reason: there is no reason 'Nope'",
    "gangs: {x/a: {}, y/a: {}}\nexpect: {a: bound}": "expect.a: occurs in several namespaces",
    "expect: {queues: {q: {cpu: 1}}}": "expect.queues.q: there is no such queue",
    "expect: {queues: {default: {cpu: x}}}": "expect.queues.default.cpu: 'x' is not a quantity",
    "objects: [{kind: Pod}]": "objects[0].metadata.name: is missing",
    "objects: [{apiVersion: v1, kind: Pod, metadata: {name: a}, spek: 1}]": "objects[0].spek: unknown field",
    "objects: [{apiVersion: v1, kind: Secret, metadata: {name: a}}]": "objects[0]: kind Secret of v1 is not supported",
    "objects: [{apiVersion: aiokai.io/v1alpha1, kind: Job, metadata: {name: a}}]": "a Job is not replayed",
    "objects: [{apiVersion: aiokai.io/v1alpha1, kind: PodGroup, metadata: {name: a}, spec: {minMembr: 1}}]": (
        "objects[0].spec.minMembr: unknown field"
    ),
    "objects: [{apiVersion: aiokai.io/v1alpha1, kind: Queue, metadata: {name: a}, spec: {weight: 0}}]": (
        "objects[0].spec.weight: Input should be greater"
    ),
    "objects: [{apiVersion: scheduling.volcano.sh/v1beta1, kind: Queue, metadata: {name: a}}]": (
        "which config.dialects does not list"
    ),
}


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_be_is_refused_with_path_and_reason(text: str) -> None:
    with pytest.raises(DumpError) as refused:
        parse_case(text, "case.yaml")
    assert str(refused.value).startswith("case.yaml: ")
    assert BAD[text] in str(refused.value)


def test_the_word_on_is_a_key_and_times_are_times() -> None:
    case = parse_case(f"now: 2026-01-01T03:00:00Z\n{NODE}gangs: {{a: {{on: n0, age: 2h}}}}", "case.yaml")
    assert case.now.hour == 3
    (pod,) = case.objects.pods
    assert (pod.spec.node_name, pod.status.phase) == ("n0", "Running")
    assert pod.metadata.creation_timestamp is not None
    assert pod.metadata.creation_timestamp.hour == 1

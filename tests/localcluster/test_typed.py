"""Built-in kinds: what their types let through."""

import pytest

from aiokai.localcluster.objects import Json
from aiokai.localcluster.status import Refusal
from aiokai.localcluster.typed import admit, schema_of_model

POD = schema_of_model("V1Pod")


def admitted(pod: Json) -> list[str]:
    return admit(POD, pod, "Pod", "v1")


def test_unknown_fields_are_removed_and_named() -> None:
    pod: Json = {"spec": {"containers": [{"name": "c", "imagee": "x"}], "nodename": "n"}, "data": {}}
    assert sorted(admitted(pod)) == ["data", "spec.containers[0].imagee", "spec.nodename"]
    assert pod["spec"] == {"containers": [{"name": "c"}]}


def test_numbers_are_quantities_too() -> None:
    resources: Json = {"limits": {"cpu": 1, "memory": 1.5}}
    assert admitted({"spec": {"containers": [{"name": "c", "resources": resources}]}}) == []
    assert resources == {"limits": {"cpu": "1", "memory": "1.5"}}


def test_what_is_empty_is_left_out_but_an_empty_struct_stays() -> None:
    pod: Json = {
        "metadata": {"labels": {}, "creationTimestamp": None},
        "spec": {"volumes": [{"name": "v", "emptyDir": {}}], "nodeSelector": {}, "schedulingGates": []},
    }
    assert admitted(pod) == []
    assert pod == {"metadata": {}, "spec": {"volumes": [{"name": "v", "emptyDir": {}}]}, "status": {}}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"priority": "high"}, "cannot unmarshal string into Go struct field spec.priority of type int64"),
        ({"hostNetwork": 1}, "cannot unmarshal number into Go struct field spec.hostNetwork of type bool"),
        (
            {"nodeSelector": {"a": True}},
            "cannot unmarshal bool into Go struct field spec.nodeSelector.a of type string",
        ),
        ({"containers": {}}, "cannot unmarshal object into Go struct field spec.containers of type slice"),
        ({"overhead": {"cpu": "much"}}, "quantities must match the regular expression"),
    ],
)
def test_a_wrong_type_is_a_bad_request(spec: Json, why: str) -> None:
    with pytest.raises(Refusal, match=why) as refused:
        admitted({"spec": spec})
    assert refused.value.code == 400


def test_types_that_hold_themselves_are_one_schema() -> None:
    schema = schema_of_model("V1JSONSchemaProps")
    properties = schema["properties"]["properties"]["additionalProperties"]
    assert properties["properties"] is schema["properties"]

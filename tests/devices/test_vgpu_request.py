import pytest

from aiokai.devices.vgpu_request import rewrite_vgpu
from aiokai.errors import InvalidObjectError
from aiokai.model.configuration import VgpuNames

NAMES = VgpuNames()


def limits_of(limits: dict[str, object], requests: dict[str, object] | None = None) -> dict[str, str]:
    resources = {"limits": limits} | ({"requests": requests} if requests else {})
    spec = rewrite_vgpu({"containers": [{"name": "main", "resources": resources}]}, NAMES)
    return dict(spec["containers"][0]["resources"]["limits"])


def problem_of(limits: dict[str, object], requests: dict[str, object] | None = None) -> InvalidObjectError:
    with pytest.raises(InvalidObjectError) as caught:
        limits_of(limits, requests)
    return caught.value


def test_aliases_become_what_the_plugin_advertises_and_one_card_is_asked_for() -> None:
    assert limits_of({"nvidia.com/vgpu-memory": "4Gi", "nvidia.com/vgpu-cores": "25", "cpu": "2"}) == {
        "cpu": "2",
        "volcano.sh/vgpu-memory": "4096",
        "volcano.sh/vgpu-cores": "25",
        "volcano.sh/vgpu-number": "1",
    }


@pytest.mark.parametrize(
    ("written", "units"),
    [("4Gi", "4096"), ("4096", "4096"), (4096, "4096"), ("1", "1"), ("1k", "1"), ("1500M", "1431")],
)
def test_a_memory_with_a_unit_is_bytes_rounded_up_and_a_bare_number_is_in_units(written: object, units: str) -> None:
    assert limits_of({"nvidia.com/vgpu-memory": written})["volcano.sh/vgpu-memory"] == units


def test_real_names_get_the_same_treatment() -> None:
    assert limits_of({"volcano.sh/vgpu-memory": "1Gi"}) == {
        "volcano.sh/vgpu-memory": "1024",
        "volcano.sh/vgpu-number": "1",
    }


def test_a_number_that_is_there_is_kept() -> None:
    assert limits_of({"nvidia.com/vgpu-number": 2, "nvidia.com/vgpu-cores": 50})["volcano.sh/vgpu-number"] == "2"


def test_a_request_alone_becomes_a_limit_since_the_server_wants_both_equal() -> None:
    spec = {"containers": [{"resources": {"requests": {"nvidia.com/vgpu-cores": "30", "cpu": "1"}}}]}
    assert rewrite_vgpu(spec, NAMES)["containers"][0]["resources"] == {
        "requests": {"cpu": "1"},
        "limits": {"volcano.sh/vgpu-cores": "30", "volcano.sh/vgpu-number": "1"},
    }


def test_what_asks_for_no_vgpu_stays_as_it_is_and_the_template_is_never_changed() -> None:
    plain = {"containers": [{"name": "a", "resources": {"limits": {"nvidia.com/gpu": 8}}}, {"name": "b"}]}
    assert rewrite_vgpu(plain, NAMES) == plain
    asking = {"containers": [{"resources": {"limits": {"nvidia.com/vgpu-cores": 5}}}]}
    rewrite_vgpu(asking, NAMES)
    assert asking == {"containers": [{"resources": {"limits": {"nvidia.com/vgpu-cores": 5}}}]}


def test_init_containers_are_rewritten_too() -> None:
    spec = {"containers": [], "initContainers": [{"resources": {"limits": {"nvidia.com/vgpu-memory": "1Gi"}}}]}
    limits = rewrite_vgpu(spec, NAMES)["initContainers"][0]["resources"]["limits"]
    assert limits == {"volcano.sh/vgpu-memory": "1024", "volcano.sh/vgpu-number": "1"}


def test_names_and_unit_are_the_configurations() -> None:
    names = VgpuNames(number="hami.io/gpu", memory="hami.io/mem", cores="hami.io/cores", memory_unit="1Gi")
    spec = {"containers": [{"resources": {"limits": {"nvidia.com/vgpu-memory": "1500Mi"}}}]}
    limits = rewrite_vgpu(spec, names)["containers"][0]["resources"]["limits"]
    assert limits == {"hami.io/mem": "2", "hami.io/gpu": "1"}


@pytest.mark.parametrize(
    ("limits", "requests", "path", "reason"),
    [
        ({"nvidia.com/vgpu-memory": "lots"}, None, "limits[nvidia.com/vgpu-memory]", "'lots' is not a quantity"),
        ({"nvidia.com/vgpu-memory": "1.5"}, None, "limits[nvidia.com/vgpu-memory]", "must be a whole number"),
        ({"nvidia.com/vgpu-cores": "500m"}, None, "limits[nvidia.com/vgpu-cores]", "must be a whole number"),
        ({"nvidia.com/vgpu-cores": 101}, None, "limits[nvidia.com/vgpu-cores]", "at most 100"),
        ({"nvidia.com/vgpu-cores": -1}, None, "limits[nvidia.com/vgpu-cores]", "negative"),
        ({"nvidia.com/vgpu-number": 0, "nvidia.com/vgpu-cores": 1}, None, "limits[volcano.sh/vgpu-number]", "is 0"),
        ({"nvidia.com/vgpu-cores": 10}, {"volcano.sh/vgpu-cores": 20}, "requests[volcano.sh/vgpu-cores]", "equal"),
    ],
)
def test_what_no_plugin_could_serve_is_named_by_path(
    limits: dict[str, object], requests: dict[str, object] | None, path: str, reason: str
) -> None:
    problem = problem_of(limits, requests)
    assert problem.path == f"spec.containers[0].resources.{path}"
    assert reason in problem.reason

import pytest

from aiokai.errors import ConfigError
from aiokai.localcluster.deviceplugin import SharedCards
from aiokai.localcluster.nodes import Taint, node_object, read_nodes


def test_a_pool_is_so_many_nodes_and_a_name_without_count_is_one() -> None:
    nodes = read_nodes(
        """
        - {name: gpu, count: 2, gpus: 8, labels: {rack: r1}}
        - name: shared
          allocatable: {cpu: 32, memory: 256Gi}
          taints: [{key: gpu}]
          cards: {number: 4, memoryMiB: 40960}
        """
    )
    assert [node.name for node in nodes] == ["gpu-0", "gpu-1", "shared"]
    assert nodes[0].capacity["nvidia.com/gpu"] == "8"
    assert (nodes[0].capacity["pods"], nodes[2].capacity["cpu"]) == ("110", "32")
    assert nodes[2].cards == SharedCards(number=4, memory_mib=40960)
    assert nodes[2].capacity["volcano.sh/vgpu-memory"] == str(4 * 40960)
    assert nodes[2].taints == (Taint("gpu"),)


def test_every_node_has_its_hostname_as_a_label() -> None:
    (node,) = read_nodes("[{name: n, labels: {rack: r1}}]")
    labels = node_object(node)["metadata"]["labels"]
    assert (labels["kubernetes.io/hostname"], labels["rack"]) == ("n", "r1")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[{name: n, gpu: 8}]", "nodes[0].gpu"),
        ("[{name: n}, {name: m, count: -1}]", "nodes[1].count"),
        ("[{name: n, allocatable: {cpu: many}}]", "nodes[0].allocatable"),
        ("[{count: 2}]", "nodes[0].name"),
        ("{name: [", "nodes"),
    ],
)
def test_a_mistake_is_named_with_its_path(text: str, path: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_nodes(text)
    assert str(raised.value).startswith(path)

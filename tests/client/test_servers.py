"""The client against whole servers: localcluster, and a real kube-apiserver."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from aiokai.client import ApiClient, connect
from aiokai.client.discovery import is_served, resource_of
from aiokai.client.reflector import Reflector
from aiokai.errors import BadRequestError, ConflictError, NotFoundError
from aiokai.model.base import Envelope
from aiokai.model.resource import CONFIG_MAPS, LEASES, NAMESPACES, PODS, Resource


class Place(NamedTuple):
    """A server, and a namespace of the test's own on it."""

    client: ApiClient
    namespace: str

    async def config_map(self, name: str, **options: Any) -> Envelope:
        body = {"metadata": {"name": name}, "data": {"k": "v"}}
        return await self.client.create(CONFIG_MAPS, body, self.namespace, into=Envelope, **options)


@pytest.fixture(params=["localcluster", pytest.param("real", marks=pytest.mark.realserver)])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    from aiokai.localcluster import LocalCluster

    async with AsyncExitStack() as stack:
        if request.param == "real":
            kubeconfig = request.getfixturevalue("control_plane").kubeconfig
        else:
            cluster = LocalCluster()
            await cluster.start()
            stack.push_async_callback(cluster.stop)
            kubeconfig = tmp_path / "kubeconfig"
            kubeconfig.write_text(cluster.kubeconfig())
        client = await stack.enter_async_context(await connect(kubeconfig))
        namespace = f"t-{uuid.uuid4().hex[:8]}"
        await client.create(NAMESPACES, {"metadata": {"name": namespace}}, into=bytes)
        yield Place(client, namespace)
        await client.delete(NAMESPACES, namespace)


async def test_a_dry_run_answers_and_leaves_nothing(place: Place) -> None:
    assert (await place.config_map("c", dry_run=True)).metadata.uid
    with pytest.raises(NotFoundError):
        await place.client.get(CONFIG_MAPS, "c", place.namespace, into=Envelope)


async def test_somebody_faster_is_a_conflict(place: Place) -> None:
    first = await place.config_map("c")
    with pytest.raises(ConflictError) as raised:
        await place.config_map("c")
    assert raised.value.reason == "AlreadyExists"
    changed = {"metadata": {"labels": {"a": "b"}}}
    await place.client.patch(CONFIG_MAPS, "c", changed, place.namespace, into=bytes)
    stale = {"metadata": {"name": "c", "resourceVersion": first.metadata.resource_version}}
    with pytest.raises(ConflictError) as raised:
        await place.client.update(CONFIG_MAPS, "c", stale, place.namespace, into=bytes)
    assert raised.value.reason == "Conflict"


async def test_an_earlier_object_of_the_same_name_is_not_meant(place: Place) -> None:
    uid = (await place.config_map("c")).metadata.uid
    with pytest.raises(ConflictError):
        await place.client.delete(CONFIG_MAPS, "c", place.namespace, uid="another")
    with pytest.raises(BadRequestError, match="field is immutable"):
        await place.client.patch(CONFIG_MAPS, "c", {"metadata": {"uid": "another"}}, place.namespace, into=bytes)
    await place.client.delete(CONFIG_MAPS, "c", place.namespace, uid=uid)
    with pytest.raises(NotFoundError):
        await place.client.get(CONFIG_MAPS, "c", place.namespace, into=bytes)


async def test_a_binding_to_an_earlier_pod_is_refused(place: Place) -> None:
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    pod = await place.client.create(PODS, body, place.namespace, into=Envelope)
    with pytest.raises(ConflictError):
        await place.client.bind("p", place.namespace, "n", uid="another")
    await place.client.bind("p", place.namespace, "n", uid=pod.metadata.uid, annotations={"a": "b"})
    bound = await place.client.get(PODS, "p", place.namespace, into=Envelope)
    assert (bound.spec or {})["nodeName"] == "n"
    assert (bound.metadata.annotations or {})["a"] == "b"
    await place.client.delete(PODS, "p", place.namespace, grace_period_s=0)


async def test_what_the_server_will_never_take_is_told_in_its_words(place: Place) -> None:
    with pytest.raises(BadRequestError, match=r"spec\.containers") as raised:
        await place.client.create(PODS, {"metadata": {"name": "p"}, "spec": {}}, place.namespace, into=bytes)
    assert (raised.value.code, raised.value.reason) == (422, "Invalid")
    assert raised.value.cause == "FieldValueRequired"


async def test_pages_hold_everything_once(place: Place) -> None:
    names = {f"c{i}" for i in range(7)}
    for name in names:
        await place.config_map(name)
    pages = place.client.list_pages(CONFIG_MAPS, place.namespace, into=Envelope, page_size=3)
    sizes = []
    found: list[str] = []
    async for page in pages:
        sizes.append(len(page.items))
        found += [item.metadata.name for item in page.items if item.metadata.name in names]
    assert len(sizes) >= 3
    assert max(sizes) <= 3
    assert sorted(found) == sorted(names)


async def test_a_reflector_shows_a_write_once_it_has_seen_it(place: Place) -> None:
    decode = msgspec.json.Decoder(Envelope).decode
    changes: list[tuple[bool, bool]] = []
    reflector = Reflector(
        place.client,
        CONFIG_MAPS,
        decode,
        lambda old, new: changes.append((old is not None, new is not None)),
        namespace=place.namespace,
        field_selector="metadata.name=c",
    )
    task = asyncio.create_task(reflector.run())
    async with asyncio.timeout(20):
        await reflector.synced.wait()
        written = await place.config_map("c")
        await reflector.store.seen(written.metadata.resource_version)
        assert (place.namespace, "c") in reflector.store
        label = {"metadata": {"labels": {"a": "b"}}}
        written = await place.client.patch(CONFIG_MAPS, "c", label, place.namespace, into=Envelope)
        await reflector.store.seen(written.metadata.resource_version)
        assert reflector.store[place.namespace, "c"].metadata.labels == {"a": "b"}
        await place.client.delete(CONFIG_MAPS, "c", place.namespace)
        while reflector.store:
            await reflector.store.seen(str(reflector.store.version + 1))
    assert changes == [(False, True), (True, True), (True, False)]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_kinds_are_discovered(place: Place) -> None:
    assert await resource_of(place.client, "coordination.k8s.io/v1", "Lease") == LEASES
    assert await resource_of(place.client, "v1", "Pod") == PODS
    assert not await is_served(place.client, Resource("nobody.example.com", "v1", "things", "Thing"))

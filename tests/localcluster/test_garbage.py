"""The collector, over a store without HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from aiokai.localcluster.garbage import Garbage
from aiokai.localcluster.kinds import builtin_resources, first_objects
from aiokai.localcluster.objects import Json
from aiokai.localcluster.resources import Catalog
from aiokai.localcluster.store import Store
from aiokai.localcluster.writes import Deletion, Writes


class World:
    """A cluster without its HTTP side."""

    def __init__(self) -> None:
        self.store, self.catalog = Store(), Catalog()
        for resource in builtin_resources(self.store):
            self.catalog.add(resource)
        self.writes = Writes(self.store, self.catalog)
        self.garbage = Garbage(self.store, self.catalog, self.writes)
        for group, version, plural, obj in first_objects():
            self.writes.create(self.catalog.find(group, version, plural), "", obj)
        self.config_maps = self.catalog.find("", "v1", "configmaps")
        self.namespaces = self.catalog.find("", "v1", "namespaces")

    def create(self, name: str, *owners: str, namespace: str = "default") -> str:
        """Make a ConfigMap that is owned by the uids; its own uid."""
        references = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": uid} for uid in owners]
        obj: Json = {"metadata": {"name": name, "ownerReferences": references}}
        return self.writes.create(self.config_maps, namespace, obj).uid

    def delete(self, name: str, policy: str = "Background") -> None:
        self.writes.delete(self.config_maps, ("default", name), Deletion(policy=policy))

    def names(self) -> list[str]:
        return [stored.key[1] for stored in self.store.collection(self.config_maps.collection).objects.values()]

    def owners(self, name: str) -> tuple[str, ...]:
        return self.writes.find(self.config_maps, ("default", name)).owners


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    task = asyncio.create_task(world.garbage.run())
    yield world
    task.cancel()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - the store has no event to wait for
            await asyncio.sleep(0)


async def test_dependents_go_with_their_owner_down_the_line(world: World) -> None:
    owner = world.create("a")
    world.create("c", world.create("b", owner))
    world.create("bystander")
    world.delete("a")
    await until(lambda: world.names() == ["bystander"])


async def test_an_object_with_a_living_owner_stays_and_forgets_the_dead_one(world: World) -> None:
    first, second = world.create("a"), world.create("b")
    world.create("child", first, second)
    world.delete("a")
    await until(lambda: world.owners("child") == (second,))
    assert world.names() == ["b", "child"]


async def test_an_owner_that_never_was_is_a_dead_one(world: World) -> None:
    world.create("child", "00000000-0000-0000-0000-000000000000")
    await until(lambda: world.names() == [])


async def test_orphans_stay(world: World) -> None:
    world.create("child", world.create("a"))
    world.delete("a", policy="Orphan")
    await until(lambda: world.names() == ["child"])
    assert world.owners("child") == ()


async def test_a_foreground_deletion_ends_with_the_owner(world: World) -> None:
    world.create("child", world.create("a"))
    world.delete("a", policy="Foreground")
    assert world.names() == ["a", "child"]
    await until(lambda: world.names() == [])


async def test_a_namespace_with_a_finalizer_of_its_own_waits_for_it(world: World) -> None:
    obj: Json = {"metadata": {"name": "n", "finalizers": ["example.com/mine"]}}
    world.writes.create(world.namespaces, "", obj)
    world.create("x", namespace="n")
    world.writes.delete(world.namespaces, ("", "n"), Deletion())
    await until(lambda: world.names() == [])
    version = world.store.version
    for _ in range(100):
        await asyncio.sleep(0)
    assert world.store.version <= version + 1
    world.writes.update(world.namespaces, ("", "n"), released)
    assert ("", "n") not in world.store.collection(world.namespaces.collection).objects


def released(obj: Json) -> Json:
    obj["metadata"]["finalizers"] = []
    return obj

"""The store: versions, what is remembered of them, and lists of the past."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiokai.localcluster import store as store_module
from aiokai.localcluster.lists import Portion, Query, list_page
from aiokai.localcluster.objects import Json, key_of
from aiokai.localcluster.status import Refusal
from aiokai.localcluster.store import Collection, Event, Store

ALL, EVERY = Portion(), Query()


def named(name: str, namespace: str = "a", **labels: str) -> Json:
    metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}/{name}", "labels": labels}
    return {"apiVersion": "v1", "kind": "Thing", "metadata": metadata}


def names(store: Store, things: Collection, portion: Portion = ALL, query: Query = EVERY) -> list[str]:
    return [stored.key[1] for stored in list_page(store, things, query, portion).items]


def put(store: Store, *objects: Json) -> Collection:
    things = store.collection("things")
    for obj in objects:
        store.put(things, obj, {})
    return things


def test_each_write_has_a_version_of_its_own_across_collections() -> None:
    store = Store()
    first = store.put(store.collection("a"), named("x"), {})
    second = store.put(store.collection("b"), named("x"), {})
    assert second.version == first.version + 1
    assert second.decoded()["metadata"]["resourceVersion"] == str(second.version)


def test_what_is_stored_cannot_be_changed_from_outside() -> None:
    obj = named("x", app="web")
    store = Store()
    stored = store.put(store.collection("things"), obj, {})
    obj["metadata"]["name"] = "y"
    stored.decoded()["metadata"]["name"] = "z"
    assert stored.decoded()["metadata"]["name"] == "x"


def test_events_since_a_version_are_what_came_after_it() -> None:
    store = Store()
    things = put(store, named("x"), named("y"))
    version = store.version
    put(store, named("x"))
    store.remove(things, named("y"), {})
    events = things.since(version)
    assert events is not None
    assert [(event.type, event.stored.key[1]) for event in events] == [("MODIFIED", "x"), ("DELETED", "y")]
    assert things.since(store.version) == []


def test_a_forgotten_version_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LOG_LIMIT", 4)
    store = Store()
    things = put(store, named("x"))
    early = store.version
    for _ in range(20):
        put(store, named("x"))
    assert things.since(early) is None
    assert things.since(store.version - 3) is not None
    with pytest.raises(Refusal) as refused:
        names(store, things, Portion(version=early, exactly=True))
    assert refused.value.code == 410


def test_lists_are_in_order_and_by_namespace() -> None:
    store = Store()
    things = put(store, named("b", "y"), named("a", "z"), named("a", "y"), named("c", "x"))
    assert names(store, things) == ["c", "a", "b", "a"]
    assert names(store, things, query=Query("y")) == ["a", "b"]


def test_a_subscriber_hears_every_event_once() -> None:
    heard: list[Event] = []
    store = Store()
    store.collection("things").subscribers.add(heard.append)
    things = put(store, named("x"))
    store.remove(things, named("x"), {})
    assert [event.type for event in heard] == ["ADDED", "DELETED"]


WRITES = st.lists(st.tuples(st.sampled_from(["put", "remove"]), st.sampled_from("abcdef"), st.sampled_from("xy")))


@given(before=WRITES, between=WRITES, limit=st.integers(1, 3), namespace=st.sampled_from(["", "x"]))
def test_all_pages_together_are_the_list_at_the_first(
    before: list[tuple[str, str, str]], between: list[tuple[str, str, str]], limit: int, namespace: str
) -> None:
    store, query = Store(), Query(namespace)
    things = store.collection("things")
    write(store, before)
    whole = [stored.body for stored in list_page(store, things, query, Portion()).items]

    pages: list[bytes] = []
    token = ""
    while True:
        page = list_page(store, things, query, Portion(limit=limit, token=token))
        pages += [stored.body for stored in page.items]
        token = page.metadata.get("continue", "")
        if not token:
            break
        write(store, between)
    assert pages == whole


def write(store: Store, writes: list[tuple[str, str, str]]) -> None:
    things = store.collection("things")
    for verb, name, namespace in writes:
        obj = named(name, namespace)
        if verb == "put":
            store.put(things, obj, {})
        elif key_of(obj) in things.objects:
            store.remove(things, obj, {})

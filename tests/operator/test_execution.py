"""What controllers want is carried out in order, and what the server says is kept for them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from aiokai.controllers.changes import Answer, Answers, Changes, Create, Delete, Event, Patch
from aiokai.errors import ApiError, BadRequestError, ConflictError, NotFoundError, UnavailableError
from aiokai.model.base import Envelope
from aiokai.model.kube import ObjectMeta, OwnerReference, Pod
from aiokai.model.resource import CONFIG_MAPS, PODS, Resource
from aiokai.operator.events import Regarding
from aiokai.operator.execution import Execution, Versions

JOBS = Resource("aiokai.io", "v1alpha1", "jobs", "Job")
ABOUT = Regarding("aiokai.io/v1alpha1", "Job", "default", "j", "uid-j")


class Server:
    """A fake client and Event recorder that writes down what it is asked, in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.errors: dict[str, ApiError] = {}
        self.owner = "uid-j"

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if what in self.errors:
            raise self.errors[what]

    async def create(self, resource: Any, body: dict[str, Any], _namespace: str, *, into: type, **options: Any) -> Any:
        name = body["metadata"]["name"]
        if options.get("dry_run"):
            assert options["strict"]
            self._note(f"try {name}")
            return Pod(ObjectMeta(name))
        self._note(f"create {resource.plural}/{name}")
        assert into is Envelope
        return Envelope(ObjectMeta(name, resource_version="12"))

    async def get(self, resource: Any, name: str, _namespace: str, **_: Any) -> Envelope:
        self._note(f"get {resource.plural}/{name}")
        return Envelope(ObjectMeta(name, resource_version="7", owner_references=(OwnerReference(uid=self.owner),)))

    async def patch(self, resource: Any, name: str, _body: Any, _namespace: str, **options: Any) -> Envelope:
        self._note(f"patch {resource.plural}/{name}{'/status' if options.get('subresource') else ''}")
        return Envelope(ObjectMeta(name, resource_version="20"))

    async def delete(self, resource: Any, name: str, _namespace: str, *, uid: str) -> None:
        self._note(f"delete {resource.plural}/{name} {uid}")

    def record(self, _about: Regarding, _kind: str, reason: str, _message: str) -> None:
        self._note(f"event {reason}")


def a(name: str, resource: Resource = PODS) -> Create:
    return Create(resource, {"metadata": {"name": name, "namespace": "default"}}, name)


async def carry_out(
    server: Server, changes: Changes, answers: Answers | None = None
) -> tuple[Versions, dict[str, Answer]]:
    kept = dict(answers or {})
    execution = Execution(server, server)  # type: ignore[arg-type]
    return await execution.carry_out(changes, ABOUT, JOBS, kept), kept


async def test_what_is_mounted_comes_before_who_mounts_it_and_the_status_last() -> None:
    server = Server()
    changes = Changes(
        create=(a("hosts", CONFIG_MAPS), a("p0"), a("p1")),
        patch=(Patch(CONFIG_MAPS, "default", "old", {}),),
        delete=(Delete(PODS, "default", "p9", "uid-p9"),),
        status={"running": 2},
        events=(Event("Normal", "Running", "2 pods are running"),),
    )
    versions, answers = await carry_out(server, changes)
    assert server.asked == [
        "create configmaps/hosts",
        "create pods/p0",
        "create pods/p1",
        "patch configmaps/old",
        "delete pods/p9 uid-p9",
        "patch jobs/j/status",
        "event Running",
    ]
    assert versions == {PODS: "12", CONFIG_MAPS: "20", JOBS: "20"}
    assert answers == {}


async def test_a_dry_run_brings_back_the_pod_as_the_server_would_make_it() -> None:
    _, answers = await carry_out(Server(), Changes(dry_run=(a("trial"),)))
    assert answers["trial"].code == 200
    assert answers["trial"].pod == Pod(ObjectMeta("trial"))


async def test_a_refusal_is_an_answer_and_stops_nobody_else() -> None:
    server = Server()
    server.errors["create pods/p0"] = BadRequestError("spec.containers: Required value", code=422)
    before = {"p0": Answer(422, datetime(2026, 1, 1, tzinfo=UTC), "as before", attempt=2)}
    _, answers = await carry_out(server, Changes(create=(a("p0"), a("p1")), status={}), before)
    assert (answers["p0"].code, answers["p0"].attempt) == (422, 3)
    assert "Required value" in answers["p0"].message
    assert server.asked[-2:] == ["create pods/p1", "patch jobs/j/status"]


async def test_what_exists_already_and_is_ours_was_created_by_us() -> None:
    server = Server()
    server.errors["create pods/p0"] = ConflictError("exists", code=409, reason="AlreadyExists")
    before = {"p0": Answer(0, datetime(2026, 1, 1, tzinfo=UTC), "timeout", attempt=1)}
    versions, answers = await carry_out(server, Changes(create=(a("p0"),)), before)
    assert answers == {}
    assert versions == {PODS: "7"}


async def test_a_name_that_somebody_else_has_is_told() -> None:
    server = Server()
    server.owner = "uid-other"
    server.errors["create pods/p0"] = ConflictError("exists", code=409, reason="AlreadyExists")
    _, answers = await carry_out(server, Changes(create=(a("p0"),)))
    assert (answers["p0"].code, answers["p0"].attempt) == (409, 1)


async def test_what_another_system_made_for_the_same_owner_gets_our_labels() -> None:
    server = Server()
    server.errors["create configmaps/hosts"] = ConflictError("exists", code=409, reason="AlreadyExists")
    metadata = {"name": "hosts", "namespace": "default", "labels": {"volcano.sh/job-name": "j"}}
    versions, answers = await carry_out(server, Changes(create=(Create(CONFIG_MAPS, {"metadata": metadata}, "hosts"),)))
    assert server.asked == ["create configmaps/hosts", "get configmaps/hosts", "patch configmaps/hosts"]
    assert versions == {CONFIG_MAPS: "20"}
    assert answers == {}


@pytest.mark.parametrize("error", [NotFoundError("gone", code=404), ConflictError("another uid", code=409)])
async def test_a_delete_of_what_is_gone_is_done(error: ApiError) -> None:
    server = Server()
    server.errors["delete pods/p0 uid-p0"] = error
    await carry_out(server, Changes(delete=(Delete(PODS, "default", "p0", "uid-p0"),)))


async def test_a_patch_that_fails_is_raised_after_everything_else_was_done() -> None:
    server = Server()
    server.errors["patch configmaps/old"] = UnavailableError("reset")
    changes = Changes(
        patch=(Patch(CONFIG_MAPS, "default", "old", {}),),
        delete=(Delete(PODS, "default", "p0", "uid-p0"),),
        status={"running": 1},
    )
    with pytest.raises(UnavailableError):
        await carry_out(server, changes)
    assert server.asked == ["patch configmaps/old", "delete pods/p0 uid-p0", "patch jobs/j/status"]

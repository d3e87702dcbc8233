"""Writing objects: the one way through which every change goes, whatever asked for it.

Create: shape, namespace, what the server fills in, checks, store. Update: the same against what is there, with
preconditions. Delete: at once, or marked until finalizers and kubelets are done. A dry run goes the whole way except
into the store. Kinds differ only by their `Strategy`.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from aiokai.localcluster import metadata, status
from aiokai.localcluster.objects import Json, Key, timestamp
from aiokai.localcluster.ownership import record_update
from aiokai.localcluster.pods import BindingRefusedError, UnknownPriorityClassError, bind, check_binding
from aiokai.localcluster.resources import Catalog, Resource
from aiokai.localcluster.store import Store, Stored, sealed
from aiokai.localcluster.typed import admit, refuse_unknown, schema_of_model

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_POLICY_FINALIZERS = {"Orphan": ORPHAN, "Foreground": FOREGROUND}


class Options(NamedTuple):
    """How a write is meant, from the query of its request."""

    dry_run: bool = False
    field_validation: Literal["Strict", "Warn", "Ignore"] = "Ignore"
    warnings: list[str] | None = None
    """Gets what the client should be told although the write succeeds."""
    manager: str = "localcluster"
    """Who writes."""
    applies: bool = False
    """The write itself says who owns what (applies.py)."""


PLAIN = Options()


class Deletion(NamedTuple):
    """The body of a DELETE."""

    grace_period_s: int | None = None
    policy: str = "Background"
    uid: str | None = None
    version: str | None = None


Change = Callable[[Json], Json]
"""From the object as it is to the object as it should be."""


Admission = Callable[[Resource, Json], None]
"""A look at each new object before it is stored; may raise Refusal."""


class Writes:
    """Every write to the cluster."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog
        self.admissions: list[Admission] = []

    def create(
        self,
        resource: Resource,
        namespace: str,
        obj: Json,
        options: Options = PLAIN,
        managed_fields: list[Json] | None = None,
    ) -> Stored:
        """Raises: Refusal."""
        _place(resource, namespace, obj)
        if resource.terminating:
            why = "create not allowed while custom resource definition is terminating"
            raise status.forbidden(resource, obj["metadata"].get("name", ""), why)
        self._shape(resource, obj, options)
        self._require_namespace(resource, namespace, obj)
        metadata.begin(obj, counts_generations=resource.strategy.counts_generations)
        if managed_fields:
            obj["metadata"]["managedFields"] = managed_fields
        try:
            resource.strategy.on_create(obj)
        except UnknownPriorityClassError as error:
            raise status.forbidden(resource, obj["metadata"].get("name", ""), str(error)) from error
        self._check(resource, obj)
        for admit_new in self.admissions:
            admit_new(resource, obj)
        name = obj["metadata"]["name"]
        if (namespace, name) in self._store.collection(resource.collection).objects:
            raise status.already_exists(resource, name)
        return self._keep(resource, obj, options)

    def update(
        self,
        resource: Resource,
        key: Key,
        change: Change,
        options: Options = PLAIN,
        subresource: str = "",
        uid: str | None = None,
    ) -> Stored:
        """Change an object, whose uid must be `uid` if given; an update that changes nothing writes nothing.

        Raises: Refusal.
        """
        stored = self.find(resource, key)
        _require(resource, stored, uid, None)
        old = resource.opened(stored)
        new = change(resource.opened(stored))
        _place(resource, key[0], new)
        self._shape(resource, new, options)
        self._check_preconditions(resource, stored, new)
        self._settle(resource, new, old, subresource)
        if new == old:
            return stored
        if "managedFields" in new["metadata"] and not options.applies:
            record_update(resource, new, old, options.manager, subresource)
        if resource.strategy.generation_grows(new, old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        self._check(resource, new)
        if _is_released(resource, new) and not options.dry_run:
            return self._remove(resource, new)
        return self._keep(resource, new, options)

    def bind(self, resource: Resource, key: Key, binding: Json, options: Options = PLAIN) -> None:
        """Raises: Refusal."""
        admit(schema_of_model("V1Binding"), binding, "Binding", "v1")
        check_binding(binding, key[1])
        stored = self.find(resource, key)
        wanted = binding.get("metadata") or {}
        _require(resource, stored, wanted.get("uid"), wanted.get("resourceVersion"))
        pod = stored.decoded()
        try:
            bind(pod, binding)
        except BindingRefusedError as error:
            raise status.conflict(resource, key[1], str(error), "binding") from error
        self._keep(resource, pod, options)

    def delete(self, resource: Resource, key: Key, deletion: Deletion, options: Options = PLAIN) -> tuple[Stored, bool]:
        """Delete an object, or mark it: the object as it is then, and whether it is gone.

        Raises: Refusal.
        """
        stored = self.find(resource, key)
        _require(resource, stored, deletion.uid, deletion.version)
        obj = stored.decoded()
        self._mark(resource, obj, deletion)
        gone = _is_released(resource, obj)
        if options.dry_run:
            return stored, gone
        if gone:
            if resource.strategy.graceful:
                # As the real server does: what is deleted gracefully is marked first, be the grace nothing.
                self._keep(resource, obj, options)
            return self._remove(resource, obj), True
        if obj == stored.decoded():
            return stored, False
        return self._keep(resource, obj, options), False

    def finish_namespace(self, name: str) -> None:
        """Let a namespace go whose content is gone; finalizers of others may hold it still."""
        namespaces = self._catalog.find("", "v1", "namespaces")
        obj = self.find(namespaces, ("", name)).decoded()
        if not namespaces.strategy.holds(obj):
            return
        obj["spec"] = {}
        if _is_released(namespaces, obj):
            self._remove(namespaces, obj)
        else:
            self._keep(namespaces, obj, PLAIN)

    def find(self, resource: Resource, key: Key) -> Stored:
        """Raises: Refusal 404."""
        found: Stored | None = self._store.collection(resource.collection).objects.get(key)
        if found is None:
            raise status.not_found(resource, key[1])
        return found

    def _shape(self, resource: Resource, obj: Json, options: Options) -> None:
        unknown = resource.shape(obj)
        if not unknown:
            return
        if options.field_validation == "Strict":
            raise refuse_unknown(resource.kind, resource.version, unknown)
        if options.field_validation == "Warn" and options.warnings is not None:
            options.warnings.extend(f'unknown field "{path}"' for path in unknown)

    def _require_namespace(self, resource: Resource, namespace: str, obj: Json) -> None:
        if not resource.namespaced:
            return
        namespaces = self._catalog.find("", "v1", "namespaces")
        found = self.find(namespaces, ("", namespace))
        if found.fields["status.phase"] == "Terminating":
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise status.forbidden(resource, obj["metadata"].get("name", ""), why, cause)

    def _check(self, resource: Resource, obj: Json) -> None:
        errors = metadata.check(obj, resource.strategy.name_rule) + resource.strategy.check(obj)
        if errors:
            raise status.invalid(resource, obj["metadata"].get("name", ""), errors)

    def _settle(self, resource: Resource, new: Json, old: Json, subresource: str) -> None:
        """Let the new object keep what this write may not change.

        Raises: Refusal 422 if it changed something that nobody may.
        """
        metadata.carry_over(new, old)
        if subresource == "status":
            resource.strategy.on_status_update(new, old)
            return
        if "status" in resource.subresources:
            _take(new, old, "status")
        resource.strategy.on_update(new, old)
        errors = metadata.check_update(new, old) + resource.strategy.check_update(new, old)
        if errors:
            raise status.invalid(resource, new["metadata"]["name"], errors)

    def _check_preconditions(self, resource: Resource, stored: Stored, new: Json) -> None:
        name, version = stored.key[1], new["metadata"].get("resourceVersion")
        if new["metadata"].get("name", name) != name:
            why = f"the name of the object ({new['metadata']['name']}) does not match the name on the URL ({name})"
            raise status.bad_request(why)
        if not version and not resource.strategy.unconditional_update:
            why = "must be specified for an update"
            raise status.invalid(resource, name, [status.invalid_value("metadata.resourceVersion", 0, why)])
        if version and version != str(stored.version):
            raise status.modified(resource, name)
        if new["metadata"].get("uid", stored.uid) != stored.uid:
            error = status.invalid_value("metadata.uid", new["metadata"]["uid"], "field is immutable")
            raise status.invalid(resource, name, [error])

    def _mark(self, resource: Resource, obj: Json, deletion: Deletion) -> None:
        """Write into an object that it is to be deleted, and what must happen before."""
        meta = obj["metadata"]
        finalizers = [name for name in meta.get("finalizers") or () if name not in _POLICY_FINALIZERS.values()]
        if policy := _POLICY_FINALIZERS.get(deletion.policy):
            finalizers.append(policy)
        if finalizers or "finalizers" in meta:
            meta["finalizers"] = finalizers
        grace_s = resource.strategy.grace_period_s(obj, deletion.grace_period_s)
        if "deletionTimestamp" in meta:
            grace_s = min(grace_s, meta.get("deletionGracePeriodSeconds", 0))
        if "deletionTimestamp" in meta and grace_s == meta.get("deletionGracePeriodSeconds"):
            return
        # The decision to delete counts as a change of what is wanted; a shorter grace does not.
        if "generation" in meta and "deletionTimestamp" not in meta:
            meta["generation"] += 1
        meta["deletionTimestamp"] = timestamp(after_s=grace_s)
        meta["deletionGracePeriodSeconds"] = grace_s
        if resource.plural == "namespaces":
            obj["status"] = {"phase": "Terminating"}

    def _keep(self, resource: Resource, obj: Json, options: Options) -> Stored:
        if resource.to_stored:
            resource.to_stored(obj)
            resource = self._catalog.of_collection(resource.collection)
        fields = resource.fields(obj)
        if options.dry_run:
            return sealed(obj, self._store.version, fields)
        return self._store.put(self._store.collection(resource.collection), obj, fields)

    def _remove(self, resource: Resource, obj: Json) -> Stored:
        return self._store.remove(self._store.collection(resource.collection), obj, resource.fields(obj))


def _place(resource: Resource, namespace: str, obj: Json) -> None:
    """Check that an object belongs where it was sent, and write there what the URL says.

    Raises: Refusal 400.
    """
    version, kind = obj.setdefault("apiVersion", resource.api_version), obj.setdefault("kind", resource.kind)
    if version != resource.api_version or kind != resource.kind:
        raise status.bad_request(
            f"the API version in the data ({version}, Kind={kind}) does not match the expected API version "
            f"({resource.api_version}, Kind={resource.kind})"
        )
    meta = obj.setdefault("metadata", {})
    if not isinstance(meta, dict):
        raise status.bad_request("metadata must be an object")
    if not resource.namespaced:
        meta.pop("namespace", None)
    elif meta.setdefault("namespace", namespace) != namespace:
        why = "the namespace of the provided object does not match the namespace sent on the request"
        raise status.bad_request(why)


def _take(new: Json, old: Json, name: str) -> None:
    if name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)


def _require(resource: Resource, stored: Stored, uid: str | None, version: str | None) -> None:
    """Raises: Refusal 409 unless the object is still the one that the client means."""
    if uid and uid != stored.uid:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored.uid}"
        raise status.conflict(resource, stored.key[1], why)
    if version and version != str(stored.version):
        why = f"Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: "
        raise status.conflict(resource, stored.key[1], f"{why}{stored.version}")


def _is_released(resource: Resource, obj: Json) -> bool:
    """True if an object is to be deleted and nothing holds it any more."""
    meta = obj["metadata"]
    held = meta.get("finalizers") or meta.get("deletionGracePeriodSeconds") or resource.strategy.holds(obj)
    return "deletionTimestamp" in meta and not held

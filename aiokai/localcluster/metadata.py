"""`metadata`: what a client may say in it, what only the server writes, what is a proper name."""

import random
import re
import uuid
from collections.abc import Callable

from aiokai.localcluster.objects import Json, timestamp
from aiokai.localcluster.status import FieldError, forbidden_field, invalid_value, quoted, required

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_IS_LABEL, _IS_SUBDOMAIN = re.compile(_LABEL), re.compile(_SUBDOMAIN)
_IS_DNS1035, _IS_QUALIFIED = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?"), re.compile(_QUALIFIED)
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SYSTEM_FIELDS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
_LONGEST_GENERATED = 58

NameRule = Callable[[str], str]
"""Why a name is no good; empty if it is."""


def subdomain(name: str) -> str:
    if len(name) > 253:
        return "must be no more than 253 characters"
    if _IS_SUBDOMAIN.fullmatch(name):
        return ""
    return (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    )


def dns_label(name: str) -> str:
    if len(name) > 63:
        return "must be no more than 63 characters"
    if _IS_LABEL.fullmatch(name):
        return ""
    return (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    )


def dns1035_label(name: str) -> str:
    if len(name) > 63:
        return "must be no more than 63 characters"
    if _IS_DNS1035.fullmatch(name):
        return ""
    return (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation "
        "is '[a-z]([-a-z0-9]*[a-z0-9])?')"
    )


def path_segment(name: str) -> str:
    """Names of RBAC objects: anything that can stand in a URL."""
    if name in (".", "..") or "/" in name or "%" in name:
        return "may not be '.' or '..', or contain '/' or '%'"
    return ""


def qualified_name(name: str) -> str:
    """Label keys, annotation keys and resource names: `name` or `prefix/name`."""
    prefix, slash, short = name.rpartition("/")
    if slash and subdomain(prefix):
        return f"prefix part {subdomain(prefix)}"
    if not short or len(short) > 63:
        return "name part must be non-empty" if not short else "name part must be no more than 63 characters"
    if _IS_QUALIFIED.fullmatch(short):
        return ""
    return (
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
        "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
    )


def label_value(value: str) -> str:
    if len(value) > 63:
        return "must be no more than 63 characters"
    if not value or _IS_QUALIFIED.fullmatch(value):
        return ""
    return (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
        "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    )


def begin(obj: Json, *, counts_generations: bool) -> None:
    """Write what only the server writes into the metadata of a new object."""
    metadata = obj["metadata"]
    for field in (*_SYSTEM_FIELDS, "resourceVersion", "managedFields", "selfLink"):
        metadata.pop(field, None)
    if not metadata.get("name") and metadata.get("generateName"):
        base = metadata["generateName"][:_LONGEST_GENERATED]
        metadata["name"] = base + "".join(random.choices(_SUFFIX_LETTERS, k=5))
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = timestamp()
    if counts_generations:
        metadata["generation"] = 1


def carry_over(new: Json, old: Json) -> None:
    """Let an update keep what only the server writes."""
    ours, theirs = new["metadata"], old["metadata"]
    # A client may rewrite who owns what (kubectl does, to take over from itself); one empty entry forgets it all.
    if not ours.get("managedFields"):
        ours.pop("managedFields", None)
        ours |= {"managedFields": theirs["managedFields"]} if theirs.get("managedFields") else {}
    elif not any(ours["managedFields"]):
        del ours["managedFields"]
    ours.pop("selfLink", None)
    for field in (*_SYSTEM_FIELDS, "name", "namespace", "generateName", "resourceVersion"):
        if field in theirs:
            ours[field] = theirs[field]
        else:
            ours.pop(field, None)


def check_update(new: Json, old: Json) -> list[FieldError]:
    """Once an object is being deleted, finalizers can only go."""
    ours, theirs = new["metadata"].get("finalizers") or (), old["metadata"].get("finalizers") or ()
    added = [name for name in ours if name not in theirs]
    if not added or "deletionTimestamp" not in old["metadata"]:
        return []
    listed = ", ".join(quoted(name) for name in added)
    why = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
    return [forbidden_field("metadata.finalizers", why)]


def check(obj: Json, name_rule: NameRule) -> list[FieldError]:
    metadata = obj["metadata"]
    name = metadata.get("name")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    errors = [invalid_value("metadata.name", name, why)] if (why := name_rule(name)) else []
    labels, annotations = metadata.get("labels"), metadata.get("annotations")
    if labels:
        errors += _check_labels(labels)
    if annotations:
        reasons = ((key, qualified_name(key.lower())) for key in annotations)
        errors += [invalid_value("metadata.annotations", key, why) for key, why in reasons if why]
    errors += [
        invalid_value("metadata.finalizers", name, why)
        for name in metadata.get("finalizers") or ()
        if (why := qualified_name(name))
    ]
    return errors + _check_owners(metadata.get("ownerReferences") or ())


def _check_labels(labels: Json) -> list[FieldError]:
    errors = [invalid_value("metadata.labels", key, why) for key in labels if (why := qualified_name(key))]
    return errors + [
        invalid_value("metadata.labels", value, why) for value in labels.values() if (why := label_value(value))
    ]


def _check_owners(owners: list[Json] | tuple[()]) -> list[FieldError]:
    errors = [
        required(f"metadata.ownerReferences[{row}].{field}", "must not be empty")
        for row, owner in enumerate(owners)
        for field in ("apiVersion", "kind", "name", "uid")
        if not owner.get(field)
    ]
    if sum(bool(owner.get("controller")) for owner in owners) > 1:
        why = "Only one reference can have Controller set to true"
        errors.append(invalid_value("metadata.ownerReferences", owners, why))
    return errors

"""Selectors: their text, and what they match."""

import pytest

from aiokai.localcluster.selectors import matches, parse_field_selector, parse_label_selector
from aiokai.localcluster.status import Refusal

LABELS = {"app": "web", "tier": "front", "aiokai.io/queue": "a", "cards": "8"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier=front", True),
        ("app=web,tier=back", False),
        ("app!=web", False),
        ("missing!=web", True),
        ("app in (web, db),tier", True),
        ("app notin (web,db)", False),
        ("missing notin (web)", True),
        ("aiokai.io/queue in (a)", True),
        ("!missing", True),
        ("!app", False),
        ("missing", False),
        ("cards>4", True),
        ("cards < 4", False),
        ("app>4", False),
        ("app=", False),
    ],
)
def test_a_label_selector_matches(text: str, *, wanted: bool) -> None:
    assert matches(parse_label_selector(text), LABELS) is wanted


@pytest.mark.parametrize("text", ["a in b", "=x", "a,,b", "a=b c"])
def test_what_is_no_selector_is_a_bad_request(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_label_selector(text)
    assert refused.value.code == 400


def test_a_field_selector_knows_equality_only() -> None:
    fields = {"spec.nodeName": "n0", "status.phase": "Running"}
    known = fields.keys()
    assert matches(parse_field_selector("spec.nodeName=n0,status.phase!=Failed", known), fields)
    assert not matches(parse_field_selector("spec.nodeName==n1", known), fields)
    assert not matches(parse_field_selector("spec.nodeName=", known), fields)


def test_an_unknown_field_is_a_bad_request() -> None:
    with pytest.raises(Refusal, match="field label not supported"):
        parse_field_selector("spec.image=x", ["metadata.name"])

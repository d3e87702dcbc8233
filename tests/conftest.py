"""Fixtures that several folders share."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from tests.support.controlplane import ControlPlane, find_program


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A real API server, one for the whole session (and xdist worker). Tests that use it are marked `realserver`."""
    if find_program() is None:
        missing = "no real kube-apiserver: run `make controlplane` (or set AIOKAI_CONTROLPLANE)"
        if os.environ.get("AIOKAI_REQUIRE_CONTROLPLANE") == "1":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    with ControlPlane() as control_plane:
        yield control_plane


@pytest.fixture(scope="session", autouse=True)
def _no_loop_of_its_own() -> None:
    """Looptime asks for the current loop even around a test without one; asyncio would make one that nobody closes."""
    asyncio.set_event_loop(None)

"""Fixtures that several folders share."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.controlplane import COLLECTORS, ControlPlane, find_program

COUNTERS = ("disruption-controller", "resourcequota-controller")
"""What keeps the status of PodDisruptionBudgets and ResourceQuotas; localcluster does it too."""

# A first call may compile a kernel; a test that hangs is stopped by pytest-timeout.
settings.register_profile("aiokai", deadline=None)
settings.load_profile("aiokai")


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A real API server, one for the whole session (and xdist worker). Tests that use it are marked `realserver`."""
    if find_program() is None:
        missing = "no real kube-apiserver: run `make controlplane` (or set AIOKAI_CONTROLPLANE)"
        if os.environ.get("AIOKAI_REQUIRE_CONTROLPLANE") == "1":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    with ControlPlane(controllers=(*COLLECTORS, *COUNTERS)) as control_plane:
        yield control_plane


@pytest.fixture(scope="session", autouse=True)
def _no_loop_of_its_own() -> None:
    """Looptime asks for the current loop even around a test without one; asyncio would make one that nobody closes."""
    asyncio.set_event_loop(None)

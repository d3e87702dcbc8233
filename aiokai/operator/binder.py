"""From a decision to bound pods: each Binding is sent once, and what became of it is found out.

A decided pod is assumed in the Cache before it comes here. The assumption ends in one of three ways only: the watch
shows the pod bound, the watch shows it gone, or it is proven here that it is not bound. An answer that proves nothing
(a timeout, a reset, a conflict) leads to a look at the pod, and again, until the API server has told.

A gang that was bound in part stays so for a moment: what is bound keeps its place, and the rest is decided anew. The
room of a pod that could not be bound is held while it rests, longer with each failure, so that a pod that the server
refuses is not tried in every cycle.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol

from aiokai.client.api import ApiClient
from aiokai.errors import ApiError, BadRequestError, ForbiddenError, NotFoundError
from aiokai.model.kube import Pod
from aiokai.model.resource import PODS
from aiokai.operator.device_turns import DeviceTurns
from aiokai.operator.limits import AdaptiveLimit
from aiokai.session.decisions import Bind

log = logging.getLogger(__name__)

CONFIRM_LIMIT_S: Final = 30.0
"""After so long without the pod in the watch it is looked at."""
FIRST_REST_S: Final = 0.1
LAST_REST_S: Final = 10.0


class Report(Protocol):
    """Is told what became of each Binding of a gang."""

    def bound(self, bind: Bind, took_s: float) -> None:
        """The watch has shown the pod on its node, so many seconds after the decision."""

    def failed(self, bind: Bind, error: ApiError) -> None:
        """The pod is proven not to be bound."""


class _InFlight(NamedTuple):
    bind: Bind
    report: Report
    began_s: float
    seen: asyncio.Future[bool]
    """Done when the watch shows the pod bound (True) or gone (False)."""


class Binder:
    """Sends Bindings, whole gangs at a time, as many at once as the API server bears."""

    def __init__(self, client: ApiClient, forget: Callable[[str], None]) -> None:
        """Make a binder with nothing in flight.

        Args:
            client: to send with.
            forget: called with the uid of a pod that is proven not to be bound, to end the assumption.
        """
        self.limit = AdaptiveLimit()
        self._client = client
        self._forget = forget
        self._turns = DeviceTurns()
        self._in_flight: dict[str, _InFlight] = {}
        self._failures: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def binds(self) -> list[Bind]:
        """What is in flight now."""
        return [entry.bind for entry in self._in_flight.values()]

    def is_sending(self, uid: str) -> bool:
        return uid in self._in_flight

    def send(self, binds: tuple[Bind, ...], report: Report) -> None:
        """Start binding all pods of a gang; they must have been assumed."""
        for bind in binds:
            seen: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            entry = _InFlight(bind, report, asyncio.get_running_loop().time(), seen)
            self._in_flight[bind.uid] = entry
            self._start(self._carry_out(entry))

    def saw(self, pod: Pod) -> None:
        """Learn from the watch that a pod is as it is now."""
        self._turns.saw(pod)
        entry = self._in_flight.get(pod.metadata.uid)
        if entry is not None and pod.spec.node_name and not entry.seen.done():
            entry.seen.set_result(True)

    def lost(self, uid: str) -> None:
        """Learn from the watch that a pod is gone."""
        self._turns.give_back(uid)
        self._failures.pop(uid, None)
        entry = self._in_flight.get(uid)
        if entry is not None and not entry.seen.done():
            entry.seen.set_result(False)

    async def stop(self, limit_s: float) -> None:
        """Give what is in flight `limit_s` seconds to be answered; what is not does not exist after a restart."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, entry: _InFlight) -> None:
        uid = entry.bind.uid
        await self._turns.take(entry.bind)
        rest_s = await self._post(entry)
        if rest_s is None:
            self._failures.pop(uid, None)
            del self._in_flight[uid]
            if entry.seen.done() and not entry.seen.result():
                # It went while it waited for its turn, or after: nobody will say more of it.
                self._turns.give_back(uid)
            elif entry.seen.done():
                entry.report.bound(entry.bind, asyncio.get_running_loop().time() - entry.began_s)
            return
        self._turns.give_back(uid)
        await asyncio.wait((entry.seen,), timeout=rest_s)
        del self._in_flight[uid]
        if not entry.seen.done():
            self._forget(uid)

    async def _post(self, entry: _InFlight) -> float | None:
        """Send one Binding and find out what became of it.

        Returns: None if the watch has told or will tell; else how many seconds the pod, which is not bound, rests.
        """
        bind = entry.bind
        if entry.seen.done():
            return None
        try:
            async with self.limit.slot():
                await self._client.bind(
                    bind.name, bind.namespace, bind.node, uid=bind.uid, annotations=bind.annotations
                )
        except (BadRequestError, ForbiddenError, NotFoundError) as error:
            return self._rest_after(entry, error)
        except ApiError as error:
            return None if await self._is_bound(entry) else self._rest_after(entry, error)
        while not entry.seen.done():
            await asyncio.wait((entry.seen,), timeout=CONFIRM_LIMIT_S)
            if not await self._is_bound(entry):
                return FIRST_REST_S
        return None

    async def _is_bound(self, entry: _InFlight) -> bool:
        """Look at the pod until the API server has answered, or the watch has.

        Returns: False only if this very pod is proven to be unbound or gone.
        """
        pause_s = FIRST_REST_S
        while not entry.seen.done():
            try:
                pod = await self._client.get(PODS, entry.bind.name, entry.bind.namespace, into=Pod)
            except NotFoundError:
                return False
            except ApiError as error:
                log.warning("looking at %s/%s failed: %s", entry.bind.namespace, entry.bind.name, error)
                await asyncio.wait((entry.seen,), timeout=pause_s)
                pause_s = min(2 * pause_s, LAST_REST_S)
                continue
            return pod.metadata.uid == entry.bind.uid and bool(pod.spec.node_name)
        return True

    def _rest_after(self, entry: _InFlight, error: ApiError) -> float:
        bind = entry.bind
        failures = self._failures[bind.uid] = self._failures.get(bind.uid, 0) + 1
        rest_s = max(min(FIRST_REST_S * 2.0 ** (failures - 1), LAST_REST_S), error.retry_after_s or 0.0)
        entry.report.failed(bind, error)
        return rest_s

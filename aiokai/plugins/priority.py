"""A gang of a higher priority goes before others of its queue."""

from aiokai.snapshot.arrays import I64, Ledger, Snapshot


class Priority:
    def gang_keys(self, snapshot: Snapshot, ledger: Ledger) -> I64:  # noqa: ARG002 (of the protocol)
        """[G] the higher the priority, the earlier."""
        return -snapshot.facts.gangs.priority.astype("int64")

    def gang_key(self, snapshot: Snapshot, ledger: Ledger, gang: int) -> int:  # noqa: ARG002 (of the protocol)
        return -int(snapshot.facts.gangs.priority[gang])

"""What must be found of the messages of a load, whatever an operator has taken away."""

from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

from tests.faults.load import Load
from tests.faults.recovery import Promise


class Act(NamedTuple):
    """What an operator did, from its beginning to its end, by time.monotonic()."""

    began_at: float
    done_at: float


class Ledger:
    """The acts that took messages of one load."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._deletions: list[tuple[Act, Collection[str]]] = []
        self._restores: list[tuple[Act, Collection[str]]] = []

    def delete(self, ids: Collection[str], act: Act) -> None:
        """These rows are gone."""
        self._deletions.append((act, ids))

    @property
    def has_deletions(self) -> bool:
        return bool(self._deletions)

    def restore(self, ids: Collection[str], act: Act) -> None:
        """Of what was sent before the act was done, only these messages must be there."""
        self._restores.append((act, ids))

    def required(self) -> set[str]:
        """The ids that whoever begins to look now must find."""
        return {
            each.sent.message_id
            for each in list(self._load.deliveries)
            if each.status == 200 and not self._is_taken(each.sent.message_id, each.began_at)
        }

    def promise(self) -> Promise:
        """Once the load has ended: what may be found, and what must be."""
        ended_at: dict[str, float] = defaultdict(float)
        for each in self._load.deliveries:
            message_id = each.sent.message_id
            ended_at[message_id] = max(ended_at[message_id], each.ended_at)
        gone = {
            message_id
            for act, ids in self._deletions
            for message_id in ids
            if ended_at[message_id] < act.began_at
        }
        sent = {key: sent for key, sent in self._load.sent.items() if key not in gone}
        return Promise(sent, sorted(self.required()))

    def accepted_between(self, begin: float, end: float) -> list[str]:
        """The ids of deliveries that began and were acknowledged in this time."""
        return [
            each.sent.message_id
            for each in list(self._load.deliveries)
            if each.status == 200 and begin < each.began_at and each.ended_at < end
        ]

    def _is_taken(self, message_id: str, began_at: float) -> bool:
        return any(
            began_at < act.done_at and message_id in ids for act, ids in self._deletions
        ) or any(began_at < act.done_at and message_id not in ids for act, ids in self._restores)

"""Where a follower starts: after the seq that its client has, or at the head if it must resync. Pure."""

import msgspec

RESYNC_MESSAGES = 50  # in the answer to `join`, if nothing is replayed


class Plan(msgspec.Struct, frozen=True):
    """The seq after which a follower starts, and the number of entries up to the head that are replayed.

    If `resync` is set, nothing is replayed, and the client drops what it holds of the room.
    """

    cursor: int
    resync: bool
    replayed: int


def plan_resume(*, after: int | None, head: int, floor: int, max_replay: int, is_same_epoch: bool) -> Plan:
    """Replays the entries after `after`, if the client knows the same history and at most `max_replay` are missing.

    `after` is the last seq that the client has, or None if it asks for no replay. `floor` is the lowest seq that
    retention has left; entries below it do not count as missing.
    """
    if after is None and is_same_epoch:
        return Plan(cursor=head, resync=False, replayed=0)
    missing = head - max(after or 0, floor - 1)
    if after is None or not is_same_epoch or after > head or missing > max_replay:
        return Plan(cursor=head, resync=True, replayed=0)
    return Plan(cursor=after, resync=False, replayed=missing)

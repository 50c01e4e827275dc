"""Where a follower goes on from: replay, or an explicit resync. Pure."""

import msgspec

RESYNC_MESSAGES = 50  # that the answer to `join` holds when nothing is replayed


class Plan(msgspec.Struct, frozen=True):
    """The seq after which to go on; with `resync` the client drops what it holds of the room."""

    cursor: int
    resync: bool
    replayed: int  # entries


def plan_resume(*, after: int | None, head: int, floor: int, max_replay: int, is_same_epoch: bool) -> Plan:
    """Replay what is later than `after`, where this is the history that the client knows and not too much of it."""
    if after is None and is_same_epoch:
        return Plan(cursor=head, resync=False, replayed=0)
    missing = head - max(after or 0, floor - 1)
    if after is None or not is_same_epoch or after > head or missing > max_replay:
        return Plan(cursor=head, resync=True, replayed=0)
    return Plan(cursor=after, resync=False, replayed=missing)

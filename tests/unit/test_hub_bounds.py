"""What the hub keeps in memory for all rooms together, and what it costs to keep it within its bound."""

from uuid import UUID

from messaging.wire.limits import Limits
from tests.unit.rooms import House, Socket
from tests.unit.steps import count_lines


async def cost_of_a_message_at_the_bound(rooms: int) -> int:
    """Follow so many rooms, bring the rings to their bound, and count the lines that one more message executes."""
    house = House(Limits(rings_max_bytes=1_000))
    alice = Socket()
    ids = [UUID(int=number) for number in range(rooms)]
    for room in ids:
        house.follow(alice, room)
    for room in ids[-5:]:
        house.happen(room=room, size=300)
    new = house.log.commit(room=ids[0], size=300)

    lines = count_lines(lambda: house.hub.publish(new))

    await house.hub.close()
    return lines


async def test_a_message_at_the_bound_costs_the_same_however_many_rooms_are_followed() -> None:
    assert await cost_of_a_message_at_the_bound(rooms=10) == await cost_of_a_message_at_the_bound(rooms=1_000)

"""The attacks, with what each may cost, and the rooms of those who chat and of those who attack."""

from typing import NamedTuple
from uuid import UUID

from messaging.wire.closes import FLOOD, UNAUTHENTICATED
from rooms import services
from rooms.schema import NewRoom
from tests.abuse import attackers
from tests.abuse.attackers import Attack, Target
from tests.people import Person
from tests.servers import Server
from tests.services.appends import append, submissions

CHATTING = 16  # of the people; the others attack
READ_PER_S, READ_BURST = 256 * 1024, 8 * 1024 * 1024  # of one user, where the tests set it
MIB = 1024 * 1024


class Case(NamedTuple):
    """An attack, the code with which the attacker is cut, and what it may cost."""

    attack: Attack
    code: int | None = None
    is_cut: bool = False  # whether the server ends a connection that goes on after the close frame
    memory_bytes: int = 32 * MIB
    received_bytes: int = 64 * MIB
    messages: int = 0  # in the attacker's room
    text_chars: int = 200
    noise_s: float = 0.015  # p99 of the bystanders that is not compared with that of the run without the attack

    @property
    def name(self) -> str:
        return self.attack.__name__.replace("_", " ")


# Beside these, others still wait more than three times as long: connections that come again at some hundreds a second
# with a good token, and requests of REST, each of which takes a thread.
KNOWN_S = 0.025

FLOODS = [
    Case(attackers.ping_without_a_token, UNAUTHENTICATED.code, is_cut=True),
    Case(attackers.ping, FLOOD.code),
    Case(attackers.write_after_the_close, UNAUTHENTICATED.code, is_cut=True),
    Case(attackers.write_tiny_frames, FLOOD.code, is_cut=True),
    Case(attackers.write_fragments, 1009, noise_s=KNOWN_S),
    Case(attackers.write_large_frames, FLOOD.code),
    Case(attackers.mix_refusals_with_good_actions, FLOOD.code, noise_s=KNOWN_S),
    Case(attackers.reconnect),
    Case(attackers.connect_without_a_token, UNAUTHENTICATED.code),
]
READS = [
    # 64 KiB in each socket, as much in its chunk and in the kernel.
    Case(attackers.leave_answers_unread, memory_bytes=32 * MIB + 90 * 3 * 64 * 1024, messages=200, text_chars=4_000),
    Case(
        attackers.replay_everything,
        memory_bytes=96 * MIB,
        received_bytes=3 * (READ_BURST + 10 * READ_PER_S) + 16 * MIB,
        messages=20_000,
    ),
]
HTTP = [
    Case(attackers.hold_connections, memory_bytes=32 * MIB + 4_200 * 64 * 1024),  # what TLS takes for each
    Case(attackers.pipeline_requests, noise_s=KNOWN_S),
    Case(attackers.write_heads_without_end),
    Case(attackers.write_bodies_without_end),
]
# Those in which TLS of the server's own makes a difference: what is read, and when it is no longer.
OVER_TLS = [
    case
    for case in (*FLOODS, *HTTP)
    if case.attack
    in {
        attackers.ping_without_a_token,
        attackers.write_after_the_close,
        attackers.write_tiny_frames,
        attackers.write_fragments,
        attackers.hold_connections,
        attackers.pipeline_requests,
        attackers.write_heads_without_end,
    }
]


def make_room(people: list[Person]) -> UUID:
    others = [person.id for person in people[1:]]
    return services.create_room(user_id=people[0].id, new=NewRoom(name="Tea", kind="private", members=others)).room.id


def make_target(server: Server, people: list[Person], case: Case) -> Target:
    """Makes a room with `case.messages` messages for `people`, who attack `server`."""
    room = make_room(people)
    for begin in range(0, case.messages, 500):
        append(*submissions(people[0], [room], min(500, case.messages - begin), text="x" * case.text_chars))
    return Target(
        port=server.port,
        is_encrypted=server.url.startswith("https"),
        tokens=[person.token for person in people],
        rooms=[str(room)],
    )

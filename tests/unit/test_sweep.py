"""The sweep: it finds what the process was not notified of, and closes the sockets of sessions that have ended."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import pytest

from accounts.schema import SessionStanding
from foundation.errors import Unavailable
from messaging.fanout.sweep import UNHEALTHY_FACTOR, Changes, Sweep
from messaging.fanout.user_delivery import UserChanges
from messaging.wire.closes import SESSION_REVOKED, USER_INACTIVE
from messaging.wire.limits import Limits
from rooms.notices import UserNotice
from tests.unit.examples import ALICE, BOB, OTHER_ROOM, ROOM
from tests.unit.in_memory import FakeSocket, InMemoryChat

INTERVAL_S = Limits().sweep_interval_s
SWEPT_S = INTERVAL_S * 1.5  # after this time a sweep has run and its reads are done
READ_S = 0.001


class Database:
    """Answers the sweep from `chat.log` and `standings`, and records what it was asked."""

    def __init__(self, chat: InMemoryChat) -> None:
        self.chat = chat
        self.standings: dict[str, SessionStanding | None] = {}
        self.versions: dict[UUID, int] = {}
        self.page = 100  # changes of a user, read at once
        self.rooms_asked: list[set[UUID]] = []
        self.users_asked: list[dict[UUID, int]] = []
        self.error: Exception | None = None

    async def read_changes(
        self, *, heads: Mapping[UUID, int], auth_versions: Mapping[str, int], user_versions: Mapping[UUID, int]
    ) -> Changes:
        self.rooms_asked.append(set(heads))
        self.users_asked.append(dict(user_versions))
        changed = {key: self.standings[key] for key in auth_versions if key in self.standings}
        await asyncio.sleep(READ_S)
        if self.error is not None:
            raise self.error
        now = {room: self.chat.log.head(room) for room in heads}
        moved = {room: head for room, head in now.items() if head > heads[room]}
        users = [self._changes(user_id, after) for user_id, after in user_versions.items()]
        return Changes(moved, changed, [user for user in users if user.through > user.after])

    def _changes(self, user_id: UUID, after: int) -> UserChanges:
        version = self.versions.get(user_id, 0)
        through = min(version, after + self.page)
        notices = [UserNotice(user_id, number, str(number).encode()) for number in range(after + 1, through + 1)]
        return UserChanges(user_id, after, through, notices, has_more=through < version)


class Process:
    """A hub and its sweep over a database in memory."""

    def __init__(self) -> None:
        self.chat = InMemoryChat()
        self.database = Database(self.chat)
        self.is_layer_healthy = True
        self.sweep = Sweep(
            hub=self.chat.hub,
            read_changes=self.database.read_changes,
            loop=asyncio.get_running_loop(),
            limits=Limits(),
            is_layer_healthy=lambda: self.is_layer_healthy,
        )


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    process = Process()
    yield process
    await process.sweep.close()
    await process.chat.hub.close()


async def test_it_works(process: Process) -> None:
    alice = FakeSocket()
    process.chat.follow(alice)
    process.chat.log.commit(3)

    await asyncio.sleep(SWEPT_S)

    assert alice.seqs == [1, 2, 3]


async def test_it_sweeps_a_requested_room_without_waiting_for_the_interval(process: Process) -> None:
    alice = FakeSocket()
    process.chat.follow(alice)
    process.chat.follow(alice, OTHER_ROOM)
    process.chat.log.commit(2)

    process.sweep.request_room(ROOM)
    process.sweep.request_room(UUID(int=9))  # which is not followed here
    await asyncio.sleep(INTERVAL_S / 2)

    assert alice.seqs == [1, 2]
    assert process.database.rooms_asked == [{ROOM}]


async def test_it_sweeps_more_often_while_the_layer_is_unhealthy(process: Process) -> None:
    process.is_layer_healthy = False
    await asyncio.sleep(INTERVAL_S * 1.1)  # the interval under way was begun while it was healthy
    process.database.rooms_asked.clear()

    await asyncio.sleep(INTERVAL_S)

    assert len(process.database.rooms_asked) >= UNHEALTHY_FACTOR - 1


@pytest.mark.parametrize("error", [Unavailable(), ConnectionError("the database is down")])
async def test_it_sweeps_again_after_an_error(process: Process, error: Exception) -> None:
    alice = FakeSocket()
    process.chat.follow(alice)
    process.chat.log.commit(2)
    process.database.error = error
    process.sweep.request_room(ROOM)
    await asyncio.sleep(SWEPT_S)
    assert alice.seqs == []

    process.database.error = None
    await asyncio.sleep(SWEPT_S)

    assert alice.seqs == [1, 2]


# -- sessions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("standing", [None, SessionStanding(is_active=True, auth_version=2)])
async def test_it_closes_the_sockets_of_a_revoked_session(process: Process, standing: SessionStanding | None) -> None:
    phone, laptop = FakeSocket(), FakeSocket()
    process.chat.hub.register(phone)
    process.chat.hub.register(laptop)
    process.database.standings["s-1"] = standing

    await asyncio.sleep(SWEPT_S)

    assert phone.closed == laptop.closed == SESSION_REVOKED
    assert b"session.revoked" in phone.payloads[0]


async def test_it_closes_the_sockets_of_an_inactive_user(process: Process) -> None:
    alice = FakeSocket()
    process.chat.hub.register(alice)
    process.database.standings["s-1"] = SessionStanding(is_active=False, auth_version=2)

    await asyncio.sleep(SWEPT_S)

    assert (alice.closed, alice.payloads) == (USER_INACTIVE, [])


async def test_it_keeps_a_socket_that_was_admitted_with_the_new_auth_version(process: Process) -> None:
    old, new = FakeSocket(), FakeSocket()
    new.auth_version = 2
    process.chat.hub.register(old)
    process.chat.hub.register(new)
    process.database.standings["s-1"] = SessionStanding(is_active=True, auth_version=2)

    await asyncio.sleep(SWEPT_S)

    assert (old.closed, new.closed) == (SESSION_REVOKED, None)


async def test_it_keeps_the_sockets_of_other_sessions(process: Process) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    bob.session_key = "s-2"
    process.chat.hub.register(alice)
    process.chat.hub.register(bob)
    process.database.standings["s-1"] = None

    await asyncio.sleep(SWEPT_S)

    assert (alice.closed, bob.closed) == (SESSION_REVOKED, None)


async def test_it_checks_a_requested_user_without_waiting_for_the_interval(process: Process) -> None:
    alice = FakeSocket()
    process.chat.hub.register(alice)
    process.database.standings["s-1"] = None

    process.sweep.request_user(ALICE.id)
    process.sweep.request_user(BOB.id)  # who has no socket here
    await asyncio.sleep(INTERVAL_S / 2)

    assert alice.closed == SESSION_REVOKED


# -- actions wait for the check of a session that may have ended -------------------------------------------------------


async def test_an_action_does_not_wait_if_nothing_has_happened_to_its_session(process: Process) -> None:
    process.chat.hub.register(FakeSocket())
    async with asyncio.timeout(0):
        await process.sweep.checked(ALICE.id)


async def test_an_action_waits_until_the_session_has_been_checked(process: Process) -> None:
    alice = FakeSocket()
    process.chat.hub.register(alice)
    process.database.standings[alice.session_key] = None

    process.sweep.suspect_user(alice.user_id)
    assert alice.closed is None
    await process.sweep.checked(alice.user_id)

    assert alice.closed == SESSION_REVOKED


async def test_an_action_waits_for_the_check_of_the_last_revocation(process: Process) -> None:
    alice = FakeSocket()
    process.chat.hub.register(alice)
    process.sweep.suspect_user(alice.user_id)
    waiting = asyncio.ensure_future(process.sweep.checked(alice.user_id))
    await asyncio.sleep(READ_S / 2)  # the first check has asked already
    process.database.standings[alice.session_key] = None
    process.sweep.suspect_user(alice.user_id)

    await waiting

    assert alice.closed == SESSION_REVOKED


async def test_an_action_is_refused_while_the_session_cannot_be_checked(process: Process) -> None:
    alice = FakeSocket()
    process.chat.hub.register(alice)
    process.database.error = Unavailable()
    process.sweep.suspect_user(alice.user_id)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await process.sweep.checked(alice.user_id)

    process.database.error = None
    process.database.standings[alice.session_key] = None
    await process.sweep.checked(alice.user_id)

    assert alice.closed == SESSION_REVOKED


async def test_an_action_of_a_user_who_has_gone_does_not_wait(process: Process) -> None:
    alice = FakeSocket()
    process.chat.hub.register(alice)
    process.database.error = Unavailable()
    process.sweep.suspect_user(alice.user_id)
    waiting = asyncio.ensure_future(process.sweep.checked(alice.user_id))
    await asyncio.sleep(0)
    process.sweep.forget_user(alice.user_id)

    await waiting
    await process.sweep.checked(alice.user_id)


# -- what concerns users ------------------------------------------------------------------------------------------


async def test_it_delivers_what_concerns_a_user(process: Process) -> None:
    phone, laptop, bob = FakeSocket(), FakeSocket(), FakeSocket(BOB.id)
    for socket in (phone, laptop, bob):
        process.chat.hub.register(socket, version=1)
    process.database.versions = {ALICE.id: 3, BOB.id: 1}

    await asyncio.sleep(SWEPT_S)
    await asyncio.sleep(SWEPT_S)

    assert (phone.seqs, laptop.seqs, bob.seqs) == ([2, 3], [2, 3], [])
    assert process.database.users_asked[:2] == [{ALICE.id: 1, BOB.id: 1}, {ALICE.id: 3, BOB.id: 1}]


async def test_it_delivers_to_a_requested_user_without_waiting_for_the_interval(process: Process) -> None:
    alice = FakeSocket()
    process.chat.hub.register(alice)
    process.chat.hub.register(FakeSocket(BOB.id))
    process.database.versions = {ALICE.id: 2}

    process.sweep.request_user(ALICE.id)
    process.sweep.request_user(UUID(int=9))  # who has no socket here
    await asyncio.sleep(INTERVAL_S / 2)

    assert alice.seqs == [1, 2]
    assert process.database.users_asked == [{ALICE.id: 0}]


async def test_it_reads_page_after_page_without_waiting_for_the_interval(process: Process) -> None:
    alice = FakeSocket()
    process.chat.hub.register(alice)
    process.database.versions, process.database.page = {ALICE.id: 7}, 3

    await asyncio.sleep(INTERVAL_S * 1.1)

    assert alice.seqs == [1, 2, 3, 4, 5, 6, 7]
    assert process.database.users_asked == [{ALICE.id: 0}, {ALICE.id: 3}, {ALICE.id: 6}]


async def test_it_delivers_again_after_an_error(process: Process) -> None:
    alice = FakeSocket()
    process.chat.hub.register(alice)
    process.database.versions, process.database.error = {ALICE.id: 1}, Unavailable()
    process.sweep.request_user(ALICE.id)
    await asyncio.sleep(SWEPT_S)
    assert alice.seqs == []

    process.database.error = None
    await asyncio.sleep(SWEPT_S)

    assert alice.seqs == [1]


async def test_it_ends_its_tasks_when_closed() -> None:
    process = Process()

    await process.sweep.close()

    assert asyncio.all_tasks() == {asyncio.current_task()}

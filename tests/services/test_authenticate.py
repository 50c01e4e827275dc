"""The selector `authenticate`, which reads what many handshakes need, and the batches in which the engine calls it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from allauth.headless.tokens.strategies.jwt import internal as tokens
from django.db import DataError, connection, connections

from accounts.sessions import SessionStore
from foundation.errors import Unauthenticated, Unavailable
from messaging.batching import Batcher
from messaging.database_threads import DatabaseThreads
from messaging.selectors.handshakes import Admitted, authenticate
from rooms.selectors import get_epoch
from tests.engine import only_on
from tests.people import Person
from tests.services.appends import counted_statements

pytestmark = pytest.mark.django_db(transaction=True)

Handshakes = Batcher[str, Admitted]


@pytest.fixture
async def threads() -> AsyncIterator[DatabaseThreads]:
    threads = DatabaseThreads(1, name="one")
    yield threads
    await threads.run(connections.close_all)
    threads.shutdown()


@pytest.fixture
async def handshakes(threads: DatabaseThreads) -> AsyncIterator[Handshakes]:
    batcher: Handshakes = Batcher(
        lambda tokens: threads.run(authenticate, tokens), loop=asyncio.get_running_loop(), max_size=100
    )
    yield batcher
    await batcher.close()


async def admit(handshakes: Handshakes, *given: str) -> list[str | type[BaseException]]:
    """Returns, for each token, the name of the user that it admits, or the kind of the error."""
    outcomes = await asyncio.gather(*map(handshakes.run, given), return_exceptions=True)
    return [each.principal.user.username if isinstance(each, Admitted) else type(each) for each in outcomes]


def test_it_works(alice: Person, bob: Person) -> None:
    epoch = get_epoch()

    with counted_statements() as count:
        outcomes = authenticate([alice.token, "nonsense", bob.token])
        assert count() == 3

    assert [type(each) for each in outcomes] == [Admitted, Unauthenticated, Admitted]
    assert [each for each in outcomes if isinstance(each, Admitted)] == [
        Admitted(alice.principal, epoch, 0),
        Admitted(bob.principal, epoch, 0),
    ]


async def test_a_batch_answers_each_handshake(handshakes: Handshakes, alice: Person, bob: Person) -> None:
    assert await admit(handshakes, alice.token, "", bob.token, alice.token) == [
        "alice",
        Unauthenticated,
        "bob",
        "alice",
    ]


async def test_a_token_that_the_database_does_not_take_harms_no_other(handshakes: Handshakes, alice: Person) -> None:
    """PostgreSQL has no text with a NUL. Only the server itself can sign such a token."""
    sid = tokens.session_key_to_sid("a\x00b")
    unheard_of = tokens.create_token("access", sub=str(alice.id), sid=sid, expires_in=60)[0]

    names = await admit(handshakes, alice.token, unheard_of, alice.token)

    assert names == ["alice", DataError if connection.vendor == "postgresql" else Unauthenticated, "alice"]


async def test_a_session_that_ends_while_its_handshake_waits_is_refused(
    handshakes: Handshakes, threads: DatabaseThreads, alice: Person, bob: Person
) -> None:
    first = asyncio.create_task(admit(handshakes, alice.token))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(admit(handshakes, alice.token, bob.token))
    await threads.run(SessionStore(alice.session_key).delete)

    assert await waiting == [Unauthenticated, "bob"]
    assert await first in (["alice"], [Unauthenticated])


@only_on("postgresql")
async def test_a_lost_connection_fails_one_batch(
    handshakes: Handshakes, threads: DatabaseThreads, alice: Person
) -> None:
    def lose_connection() -> None:
        connection.ensure_connection()
        connection.connection.close()  # without an error that Django would notice

    await threads.run(lose_connection)

    assert await admit(handshakes, alice.token, "nonsense") == [Unavailable, Unavailable]
    assert await admit(handshakes, alice.token, "nonsense") == ["alice", Unauthenticated]

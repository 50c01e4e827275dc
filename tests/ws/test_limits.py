"""Rate limits and other bounds, on a server that is configured with low values."""

from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError

from tests.conftest import StartServer, watched
from tests.engine import only_on
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client

pytestmark = only_on("sqlite")


@pytest.fixture(scope="module")
def _strict_server(start_shared_server: StartServer) -> Server:
    return start_shared_server(
        ROOMLOG_RATE_LIMITS="on",
        ROOMLOG_ACTIONS_PER_S="0.5",
        ROOMLOG_ACTIONS_BURST="3",
        ROOMLOG_FLOOD_REFUSALS="5",
        ROOMLOG_MAX_FOLLOWED_ROOMS="1",
        ROOMLOG_MAX_SOCKETS="2",
        ROOMLOG_MAX_TEXT_CHARS="10",
    )


@pytest.fixture
def strict_server(_strict_server: Server, transactional_db: None) -> Iterator[Server]:
    with watched(_strict_server):
        yield _strict_server


def test_it_limits_the_rate_of_actions(strict_server: Server, alice: Person) -> None:
    with Client(strict_server, alice) as client:
        for _ in range(3):
            assert client.act("ping")["response_status"] == 200
        refused = client.act("ping")
        assert refused["response_status"] == 429
        assert refused["action"] == "ping"
        assert refused["errors"][0]["code"] == "rate_limited"
        assert 0 < refused["errors"][0]["retry_after"] <= 2


def test_it_closes_a_socket_that_floods_the_server(strict_server: Server, alice: Person) -> None:
    with Client(strict_server, alice) as client, pytest.raises(ConnectionClosedError) as closed:
        for _ in range(9):
            client.connection.send("{")
            client.reply()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4004, "flood")


def test_it_limits_the_sockets_of_one_user(strict_server: Server, alice: Person, bob: Person) -> None:
    with Client(strict_server, alice), Client(strict_server, bob):
        with Client(strict_server, alice), pytest.raises(ConnectionClosedError) as closed:
            Client(strict_server, alice)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4505, "too_many_connections")
        with Client(strict_server, alice) as replacement:
            assert replacement.act("ping")["response_status"] == 200


def test_it_limits_each_user_separately(strict_server: Server, alice: Person, bob: Person) -> None:
    with Client(strict_server, alice) as busy, Client(strict_server, bob) as other:
        while busy.act("ping")["response_status"] == 200:
            pass
        assert other.act("ping")["response_status"] == 200


def test_it_counts_actions_and_rest_requests_together(strict_server: Server, alice: Person) -> None:
    with Client(strict_server, alice) as client, strict_server.rest(alice.headers) as rest:
        while client.act("ping")["response_status"] == 200:
            pass
        refused = rest.get("/api/v1/users/me/")
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert int(refused.headers["Retry-After"]) >= 1


def test_it_limits_the_rooms_that_a_socket_follows(
    strict_server: Server, room: UUID, public_room: UUID, alice: Person
) -> None:
    with Client(strict_server, alice) as client:
        assert client.act("join", room=str(room))["response_status"] == 200
        assert client.act("join", room=str(public_room))["errors"][0]["code"] == "limit_reached"


def test_it_announces_and_applies_its_limits(strict_server: Server, room: UUID, alice: Person) -> None:
    with Client(strict_server, alice) as client:
        assert client.hello["data"]["limits"]["max_text_chars"] == 10
        assert client.act("send", room=str(room), text="x" * 11)["errors"][0]["code"] == "too_large"
        assert client.act("send", room=str(room), text="x" * 10)["response_status"] == 201


def test_it_limits_sign_ups(strict_server: Server) -> None:
    codes = []
    with httpx.Client(base_url=strict_server.url) as rest:
        for number in range(21):
            body = {"username": f"user{number}", "password": "short"}
            codes.append(rest.post("/_allauth/app/v1/auth/signup", json=body).status_code)
    assert codes == [400] * 20 + [429]

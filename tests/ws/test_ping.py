"""The action `ping`."""

from datetime import datetime

from tests.people import Person
from tests.servers import Server
from tests.sockets import Client


def test_it_works(server: Server, alice: Person) -> None:
    with Client(server, alice) as client:
        reply = client.act("ping")
        assert reply["response_status"] == 200
        assert reply["data"]["at"].endswith("Z")
        assert datetime.fromisoformat(reply["data"]["at"]).utcoffset() is not None

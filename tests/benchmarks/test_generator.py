"""The load generators count correctly: on the bare broadcast server, which loses nothing, and on one that is full."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from websockets.sync.server import ServerConnection, serve

from tests.benchmarks.generator import Generator, Socket, compiler
from tests.benchmarks.subjects import Broadcast
from tests.engine import only_on

pytestmark = only_on("sqlite")


@pytest.fixture
def broadcast(tmp_path: Path) -> Iterator[Broadcast]:
    subject = Broadcast(tmp_path)
    subject.start()
    yield subject
    subject.stop()


@pytest.mark.parametrize("in_c", [True, False])
def test_it_works(broadcast: Broadcast, tmp_path: Path, in_c: bool) -> None:
    if in_c and compiler() is None:
        pytest.skip("no C compiler")
    sockets = [Socket(sends=number < 2) for number in range(5)]
    with Generator(sockets, port=broadcast.port, directory=tmp_path, core=None, in_c=in_c) as clients:
        assert clients.connect() > 0
        closed = clients.closed(3, seconds=0.2, warm_up_s=0.1)
        paced = clients.paced(100, seconds=0.2, warm_up_s=0)

    assert closed.is_exact
    assert paced.is_exact
    assert closed.messages > 50
    assert abs(closed.deliveries - 5 * closed.messages) <= 5 * 6
    assert 10 <= paced.messages <= 25
    assert 0 < paced.p50_us <= paced.p99_us <= paced.max_us


@contextmanager
def full_server(*, turned_away: int, seqs: tuple[int, ...]) -> Iterator[int]:
    """Yields the port of a server that turns away this many connections. To the others it sends events."""
    left = list(range(turned_away))

    def handle(connection: ServerConnection) -> None:
        if left:
            left.pop()
            connection.close(4003, "overloaded; retry_after=0.2")
            return
        for seq in seqs:
            connection.send(f'{{"event":"message.created","seq":{seq},"at":""}}')
        for _ in connection:
            pass

    with serve(handle, "127.0.0.1", 0, compression=None) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("in_c", [True, False])
def test_clients_come_back_after_the_time_in_the_reason(tmp_path: Path, in_c: bool) -> None:
    if in_c and compiler() is None:
        pytest.skip("no C compiler")
    sockets = [Socket(ready='"seq":9,"at"', after="7")] * 5
    with (
        full_server(turned_away=3, seqs=(8, 9)) as port,
        Generator(sockets, port=port, directory=tmp_path, core=None, in_c=in_c) as clients,
    ):
        arrival = clients.come_back(spread_s=0.1)

    assert (arrival.sockets, arrival.refused, arrival.reset, arrival.misordered) == (5, 3, 0, 0)
    assert 0.2 <= arrival.seconds < 5
    assert 0.2e6 <= arrival.max_us < 5e6


@pytest.mark.parametrize("in_c", [True, False])
def test_it_counts_events_that_are_missing(tmp_path: Path, in_c: bool) -> None:
    if in_c and compiler() is None:
        pytest.skip("no C compiler")
    sockets = [Socket(ready='"seq":9,"at"', after="6")] * 2
    with (
        full_server(turned_away=0, seqs=(7, 9)) as port,
        Generator(sockets, port=port, directory=tmp_path, core=None, in_c=in_c) as clients,
    ):
        assert clients.come_back(spread_s=0).misordered == 2

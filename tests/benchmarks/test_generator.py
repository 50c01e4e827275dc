"""The load generators count correctly, on the bare broadcast server, which loses nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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

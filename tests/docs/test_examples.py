"""Every example in the README and in docs/ is run, or checked as far as possible."""

import json
import re
import socket
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from accounts.models import User
from tests.docs.blocks import ROOT, Block, all_blocks, blocks_in
from tests.docs.frames import check_frame, check_named, masked
from tests.docs.nginx import Nginx, is_installed
from tests.docs.sessions import Session
from tests.engine import only_on
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client

CHECKED = {"sh", "python", "js", "json", "http", "html", "nginx"}
# Blocks that are not run, because they do not end, download something, or are diagrams.
NOT_RUN = {"console", ""}
ELIDED = "…"

pure = only_on("sqlite")


def is_make(block: Block) -> bool:
    return all(line.startswith("make ") for line in block.text.splitlines() if line.strip())


@pure
def test_it_knows_every_language() -> None:
    assert {block.language for block in all_blocks()} <= CHECKED | NOT_RUN


# -- sh and python ----------------------------------------------------------------------------------------------------


@pure
def test_its_make_targets_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = [line.split()[1] for block in all_blocks("sh") if is_make(block) for line in block.text.splitlines()]
    assert set(named) <= targets


@pure
def test_every_shell_block_is_run() -> None:
    """By one of the tests below; a new document needs a test of its own."""
    run = {"README.md", "docs/protocol.md", "docs/quickstart.md", "docs/deploy.md"}
    assert {block.document for block in all_blocks("sh") if not is_make(block)} <= run


@pure
def test_every_python_block_is_run() -> None:
    """It is saved as a file that a shell block of its document runs."""
    for block in all_blocks("python"):
        name = block.marks["file"]
        assert any(name in shell.text for shell in blocks_in(block.document, "sh")), block.location


def test_the_readme_runs(session: Session) -> None:
    blocks = [block for block in blocks_in("README.md", "sh") if not is_make(block)]

    printed = session.run_shell(blocks)

    frames = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert [frame["response_status"] for frame in frames if frame.get("action") == "send"] == [201]
    assert [frame["data"]["text"] for frame in frames if frame.get("event") == "message.created"] == ["hi"]
    assert frames[-1]["messages"][0]["text"] == "hi"


def test_the_protocol_runs(session: Session) -> None:
    assert '"username":"carol"' in session.run_shell(blocks_in("docs/protocol.md", "sh"))


def test_the_quickstart_runs(session: Session) -> None:
    session.save(blocks_in("docs/quickstart.md", "python"))

    lines = session.run_shell(blocks_in("docs/quickstart.md", "sh")).splitlines()

    acks = [line for line in lines if line.startswith('{"room":"')]
    assert len(acks) == 2
    assert acks[0] == acks[1]
    received = [line.split() for line in lines if re.match(r"\d+ (anna|beno) p[io]ng$", line)]
    assert [words[1:] for words in received] == [["anna", "ping"], ["beno", "pong"]] * 2
    seqs = [int(words[0]) for words in received]
    assert seqs == list(range(seqs[0], seqs[0] + 4))


@only_on("sqlite")
def test_the_deployment_runs(session: Session) -> None:
    """Health check, backup and restore, on a copy of the database."""
    data_dir = session.directory / "data"
    data_dir.mkdir()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(data_dir / "roomlog.sqlite3")])
    own = {"DATA_DIR": str(data_dir), "DATABASE_URL": ""}

    printed = session.run_shell(blocks_in("docs/deploy.md", "sh"), **own)

    assert '"ready":true' in printed
    assert "the epoch is" in printed


# -- JSON and HTTP ----------------------------------------------------------------------------------------------------


@pure
@pytest.mark.parametrize("block", all_blocks("json"), ids=lambda block: block.location)
def test_its_json_matches_the_published_schemas(block: Block) -> None:
    if ELIDED in block.text:
        assert block.document == "README.md", "only the README may abbreviate JSON"
        assert json.loads(re.sub(rf",\s*{ELIDED}", "", block.text))
        return
    value = json.loads(block.text)
    if "schema" in block.marks:
        check_named(value, block.marks["schema"])
    else:
        check_frame(value)


def documented_actions() -> list[tuple[Any, Any]]:
    """Returns each request on the protocol's page with the reply that follows it."""
    values = [json.loads(block.text) for block in blocks_in("docs/protocol.md", "json")]
    return [
        (value, reply)
        for value, reply in pairwise(values)
        if value.keys() >= {"action", "request_id"} and "response_status" not in value
    ]


def test_its_actions_are_answered_as_documented(server: Server, alice: Person, bob: Person, room: UUID) -> None:
    """Bob, who joined the room at seq 2, performs them one after another."""
    User.objects.filter(id=bob.id).update(display_name="Bob")
    documented = documented_actions()
    documented_room = documented[0][0]["room"]
    with Client(server, bob) as client:
        for request, reply in documented:
            live = json.loads(json.dumps(request).replace(documented_room, str(room)))
            client.connection.send(json.dumps(live))
            assert masked(client.reply(request["request_id"])) == masked(reply)
        events = {event["event"]: event for event in client.events}
    for value in (json.loads(block.text) for block in blocks_in("docs/protocol.md", "json")):
        if value.get("event") == "message.created":
            assert masked(events["message.created"]) == masked(value)


def test_its_handshake_is_answered_as_documented(server: Server, alice: Person) -> None:
    request, response = blocks_in("docs/protocol.md", "http")
    lines = request.text.replace("TOKEN", alice.token).splitlines()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        head = connection.recv(65536).partition(b"\r\n\r\n")[0].decode().splitlines()
    expected = response.text.splitlines()
    assert head[0] == expected[0]
    assert {line.lower() for line in expected[1:]} <= {line.lower() for line in head[1:]}


# -- nginx ------------------------------------------------------------------------------------------------------------


@pure
@pytest.mark.parametrize("block", all_blocks("nginx"), ids=lambda block: block.location)
def test_its_nginx_configuration_is_balanced(block: Block) -> None:
    depth = 0
    for number, line in enumerate(block.text.splitlines(), start=block.line + 1):
        code = re.sub(r"#.*", "", line).strip()
        depth += code.count("{") - code.count("}")
        assert depth >= 0, f"{block.document}:{number}"
        assert not code or code[-1] in "{};", f"{block.document}:{number}: a line without an end"
    assert depth == 0


@pure
@pytest.mark.parametrize("block", all_blocks("nginx"), ids=lambda block: block.location)
def test_nginx_accepts_its_configuration(block: Block, tmp_path: Path) -> None:
    if not is_installed():
        pytest.skip("nginx is not installed: only the balance of braces is checked")
    without_tls = re.sub(r"^\s*ssl_.*\n", "", block.text, flags=re.MULTILINE).replace("listen 443 ssl", "listen 8443")
    Nginx(tmp_path, without_tls).check()

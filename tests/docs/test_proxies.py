"""Behind the nginx of docs/deploy.md and of compose.yaml, clients cannot choose the address they are counted by."""

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from websockets.sync.client import connect

from tests.certificates import write_certificate
from tests.conftest import StartServer
from tests.docs.blocks import ROOT, blocks_in
from tests.docs.nginx import Nginx, is_installed
from tests.engine import only_on
from tests.people import Person
from tests.ports import free_port
from tests.servers import Server

pytestmark = [only_on("sqlite"), pytest.mark.skipif(not is_installed(), reason="nginx is not installed")]

SIGN_UPS_A_MINUTE, FAILURES_A_MINUTE = 20, 10


@pytest.fixture
def strict_server(start_server: StartServer) -> Server:
    """It trusts 127.0.0.1, as is the default."""
    return start_server(ROOMLOG_RATE_LIMITS="on", TRUST_PROXY="on")


def of_the_guide(port: int, server: Server, directory: Path) -> str:
    """The configuration in docs/deploy.md, with a certificate and the port of the server."""
    certificate, key = write_certificate(directory)
    text = blocks_in("docs/deploy.md", "nginx")[0].text
    text = re.sub(r"ssl_certificate .*;", f"ssl_certificate {certificate};", text)
    text = re.sub(r"ssl_certificate_key .*;", f"ssl_certificate_key {key};", text)
    text = re.sub(r"server 127.0.0.1:8001;", "", text).replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    return text.replace("listen 443 ssl", f"listen {port} ssl")


def of_compose(port: int, server: Server, directory: Path) -> str:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    text: str = compose["configs"]["nginx"]["content"]
    return text.replace("$$", "$").replace("roomlog:8000", f"127.0.0.1:{server.port}").replace("80;", f"{port};")


@pytest.fixture(params=[of_the_guide, of_compose])
def browser(request: pytest.FixtureRequest, strict_server: Server, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of the server behind nginx, as most are."""
    port = free_port()
    nginx = Nginx(tmp_path, request.param(port, strict_server, tmp_path)).start(port)
    scheme = "https" if request.param is of_the_guide else "http"
    with httpx.Client(base_url=f"{scheme}://127.0.0.1:{port}", verify=False, timeout=30) as client:
        yield client
    nginx.stop()


def post(client: httpx.Client, path: str, number: int, forwarded_for: str, password: str = "short") -> httpx.Response:
    body = {"username": f"user{number}", "password": password}
    headers = [(b"X-Forwarded-For", forwarded_for.encode("latin-1"))]
    return client.post(f"/_allauth/app/v1/auth/{path}", json=body, headers=headers)


def test_it_works(browser: httpx.Client, strict_server: Server, alice: Person) -> None:
    assert browser.get("/healthz").status_code == 200
    assert browser.get("/api/v1/users/me/", headers=alice.headers).json()["username"] == "alice"


@pytest.mark.parametrize("forged", ["198.51.100.{}", "198.51.100.{}, 127.0.0.1", "unknown, 198.51.100.{}"])
def test_sign_ups_are_counted_by_the_true_address(browser: httpx.Client, forged: str) -> None:
    answers = [post(browser, "signup", number, forged.format(number)) for number in range(40)]

    assert [answer.status_code for answer in answers] == [400] * SIGN_UPS_A_MINUTE + [429] * 20


def test_failed_logins_are_counted_by_the_true_address(browser: httpx.Client) -> None:
    answers = [post(browser, "login", number, f"198.51.100.{number}") for number in range(20)]

    codes = [answer.json()["errors"][0]["code"] for answer in answers]
    assert codes == ["username_password_mismatch"] * FAILURES_A_MINUTE + ["too_many_login_attempts"] * 10


def test_the_socket_is_reached(browser: httpx.Client, alice: Person) -> None:
    url = str(browser.base_url.join("/ws/")).replace("http", "ws", 1)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    tls = context if url.startswith("wss:") else None
    with connect(url, additional_headers=alice.headers, ssl=tls) as socket:
        assert '"event":"hello"' in str(socket.recv())


@pytest.mark.parametrize("browser", [of_the_guide], indirect=True)
def test_it_is_to_be_used_over_tls_only(browser: httpx.Client) -> None:
    """Said once, by nginx's own answers too."""
    for path, status in (("/healthz", 200), ("/docs/", 200), ("/nowhere", 404), ("/readyz", 404)):
        answer = browser.get(path)
        assert answer.status_code == status
        assert answer.headers.get_list("Strict-Transport-Security") == ["max-age=31536000"]


# -- without nginx ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["unknown", "_hidden", "", ",", "127.0.0.1, unknown", "198.51.100.7:x:y", "\xff"])
def test_a_word_that_is_no_address_counts_as_the_proxy(strict_server: Server, word: str) -> None:
    with httpx.Client(base_url=strict_server.url, timeout=30) as proxy:
        answer = post(proxy, "signup", 1, word, password="correct-horse-9")

        assert answer.status_code == 200, answer.text
        limited = [post(proxy, "signup", number, word).status_code for number in range(20)]
        assert limited == [400] * 19 + [429]
        assert post(proxy, "signup", 2, "198.51.100.7").status_code == 400


def test_an_untrusted_proxy_is_not_believed(start_server: StartServer) -> None:
    server = start_server(ROOMLOG_RATE_LIMITS="on", FORWARDED_ALLOW_IPS="10.0.0.5")
    with httpx.Client(base_url=server.url, timeout=30) as client:
        answers = [post(client, "signup", number, f"198.51.100.{number}") for number in range(21)]

    assert [answer.status_code for answer in answers] == [400] * 20 + [429]


def test_it_counts_an_ipv6_network_as_one(strict_server: Server) -> None:
    with httpx.Client(base_url=strict_server.url, timeout=30) as proxy:
        answers = [post(proxy, "signup", number, f"2001:db8::{number}") for number in range(21)]
        elsewhere = post(proxy, "signup", 1, "2001:db8:0:1::1")

    assert [answer.status_code for answer in answers] == [400] * 20 + [429]
    assert elsewhere.status_code == 400

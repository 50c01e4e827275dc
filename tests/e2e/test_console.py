"""The console at /docs/, in a real browser."""

from urllib.parse import urlsplit

from playwright.sync_api import Browser, expect

from tests.e2e.console import Console, Correspondent, Tab
from tests.e2e.wire import Wire
from tests.engine import only_on
from tests.people import Person
from tests.servers import Server

pytestmark = only_on("sqlite")


def check_page(tab: Tab, url: str) -> None:
    """Asserts that the page had no errors and contacted no other host."""
    assert tab.errors == []
    assert tab.hosts == {urlsplit(url).netloc}


def test_it_works(browser: Browser, server: Server, bob: Person) -> None:
    """It signs up, creates and joins a room, sends, loses the connection, reconnects, and receives what it missed."""
    with Wire(server) as wire, Correspondent(server, bob) as friend:
        console = Console(browser, wire.url)
        console.open()
        console.sign_up("alice")
        console.connect()
        room = console.make_room("Tea")
        console.act("join")
        friend.join(room)
        console.act("send", status=201, text="hi")
        assert console.heard() == [(3, "hi")]
        console.clear()

        wire.cut()
        missed = friend.say(room, "one", "two", "three")
        wire.mend()
        console.expect_messages(3)
        live = friend.say(room, "four")
        console.expect_messages(4)

        assert console.heard() == missed + live
        (back,) = (frame for frame in console.frames("out") if frame["action"] == "join")
        assert (back["room"], back["after"]) == (room, 3)
        assert [frame["seq"] for frame in console.frames("in") if "seq" in frame] == [4, 5, 6, 7]
        check_page(console, wire.url)


def test_it_misses_nothing_across_a_reload(browser: Browser, server: Server, bob: Person) -> None:
    with Correspondent(server, bob) as friend:
        console = Console(browser, server.url)
        console.open()
        console.sign_up("alice")
        console.connect()
        room = console.make_room("Tea")
        console.act("join")
        friend.join(room)

        console.page.goto("about:blank")
        missed = friend.say(room, "one", "two")
        console.open()
        console.expect_messages(2)
        assert console.heard() == missed
        assert console.page.locator("#places td").all_inner_texts() == ["Tea", str(missed[-1][0])]

        console.clear()
        console.drop()
        missed = friend.say(room, "three")
        console.connect()
        console.expect_messages(1)
        assert console.heard() == missed
        check_page(console, server.url)


def test_it_shows_errors(browser: Browser, server: Server) -> None:
    """Text that is not JSON is sent unchanged, and the error is shown. The text is not interpreted as HTML."""
    console = Console(browser, server.url)
    console.open()
    console.sign_up("alice")
    console.connect()
    console.frame.fill("<b>not JSON</b>")
    console.frame.press("Control+Enter")

    expect(console.page.locator("#log .in .what").last).to_have_text("null 400")
    assert console.frames("in")[-1]["errors"][0]["code"] == "invalid"
    assert console.page.locator("#log .out pre").last.inner_text() == "<b>not JSON</b>"
    check_page(console, server.url)


def test_the_references_contact_no_other_host(browser: Browser, server: Server) -> None:
    tab = Tab(browser, server.url)
    tab.page.goto("/docs/rest/")
    expect(tab.page.locator("#operations-rooms-create_room")).to_be_visible()
    expect(tab.page.locator("#operations-accounts-post_auth_signup")).to_be_visible()
    tab.page.goto("/docs/socket/")
    expect(tab.page.get_by_role("heading", name="join", exact=True)).to_be_visible()

    check_page(tab, server.url)

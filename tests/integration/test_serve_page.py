"""The page of the service in a browser: as a reader uses it, and who types HTML."""

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.unit.serve.fakes import EchoTranslator, settings
from vq_nat.serve.access import Access
from vq_nat.serve.app import create_app
from vq_nat.serve.service import Service

uvicorn = pytest.importorskip("uvicorn")
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium: `apt-get install chromium`"
)
TOKEN = "a-token-of-many-letters"
HOSTILE = "<img src=x onerror=alert(1)> <script>alert(2)</script> &lt;b&gt; \"'>"


@contextmanager
def serving(token: str | None = None, **parts: Any) -> Iterator[str]:
    """Serves a translator that writes what it reads; yields the address."""
    service = Service(EchoTranslator(), settings(), **parts)
    app = create_app(service, Access("127.0.0.1", token))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A service with a teacher, which knows what code 1 mostly stands for."""
    with serving(teacher=EchoTranslator(), meanings={(0, 2): "two"}) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, without a window."""
    with playwright.sync_playwright() as control:
        chromium = control.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=120_000
        )
        yield chromium
        chromium.close()


class Watched:
    """A page whose requests and faults are kept."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.address, self.faults = address, []
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(60_000)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        self.page.on("request", self._sees)
        self.page.on("console", self._hears)
        self.page.goto(address)
        self.page.wait_for_selector("#languages:not(:empty)")

    def _sees(self, request: Any) -> None:
        if not request.url.startswith(self.address):
            self.faults.append(request.url)

    def _hears(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.faults.append(message.text)

    def translate(self, text: str) -> None:
        """Types a text and waits for its translation."""
        self.page.fill("#text", text)
        self.page.press("#text", "Enter")
        self.page.wait_for_selector(".clocks, #error:not(:empty)")
        assert self.texts("#error") == [""]

    def texts(self, selector: str) -> list[str]:
        """Returns the texts of some elements."""
        return self.page.locator(selector).all_inner_texts()

    def close(self) -> None:
        """Ends, and looks at what was kept."""
        self.context.close()
        assert self.faults == []


@pytest.fixture
def watched(browser: Any, address: str) -> Iterator[Watched]:
    """The page of the service."""
    one = Watched(browser, address)
    yield one
    one.close()


def test_codes_are_swapped_by_clicks_and_back(watched: Watched) -> None:
    page = watched.page
    page.fill("#text", "one two three. four five")
    page.click("text=Translate")
    page.wait_for_selector(".clocks >> nth=1")
    assert watched.texts(".source") == ["one two three.", "four five"]
    first = page.locator("article").first
    assert first.locator(".output").inner_text() == "one two three."
    assert first.locator(".codes .words").all_inner_texts() == ["one", "two", "three."]
    names = first.locator(".codes .code").all_inner_texts()
    assert names == ["0, 50 %", "1, 50 %", "2, 50 %"]
    first.locator(".codes button").nth(1).click()
    others = first.locator(".others button")
    assert "2, 10 %, mostly “two”" in others.nth(0).inner_text()
    assert others.nth(0).locator(".text").inner_text() == "one three. three."
    assert others.nth(0).locator("mark").all_inner_texts() == ["three."]
    others.nth(1).click()
    page.wait_for_selector("text=Back to the predicted codes")
    assert first.locator(".output").inner_text() == "one four three."
    assert first.locator(".output mark").all_inner_texts() == ["four"]
    assert page.locator("article").nth(1).locator(".output mark").count() == 0
    page.click("text=Back to the predicted codes")
    first.locator(".swapped").wait_for(state="detached")
    assert first.locator(".output").inner_html() == "one two three."


def test_a_keyboard_is_enough(watched: Watched) -> None:
    page, keys = watched.page, watched.page.keyboard
    assert page.evaluate("document.activeElement.id") == "text"
    keys.type("one two three")
    keys.press("Enter")
    page.wait_for_selector(".clocks")
    for _ in range(10):
        if page.evaluate("document.activeElement.matches('.codes button')"):
            break
        keys.press("Tab")
    keys.press("ArrowRight")
    keys.press("Enter")
    page.wait_for_selector(".others")
    assert page.evaluate("document.activeElement.ariaExpanded") == "true"
    keys.press("Tab")  # the third code
    keys.press("Tab")
    keys.press("ArrowDown")
    chosen = page.evaluate("document.activeElement.querySelector('.text').innerText")
    keys.press("Enter")
    page.wait_for_selector(".swapped")
    assert watched.texts(".output") == [chosen] != ["one two three"]
    assert page.evaluate("document.activeElement.className") == "swapped"
    keys.press("Tab")
    keys.press("Tab")
    keys.press("Escape")
    page.wait_for_selector(".others", state="detached")
    assert page.evaluate("document.activeElement.className") == "swapped"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # where the keyboard is can be seen


def test_passes_are_shown_one_by_one(watched: Watched) -> None:
    watched.page.fill("#passes", "2")
    watched.translate("one two three")
    assert watched.texts(".passes li") == ["one two Wx", "one two Wx", "one two three"]
    assert watched.texts(".passes mark") == ["three"]


def test_models_stand_beside_each_other_with_their_clocks(watched: Watched) -> None:
    watched.translate("one two")
    for clock, name in zip(watched.texts(".clocks > div"), ("codes", "teacher")):
        assert name in clock.splitlines()[0].lower()
        assert "one two" in clock and " ms" in clock


def test_text_that_tries_to_be_html_stays_text(watched: Watched) -> None:
    watched.translate(HOSTILE)
    page = watched.page
    page.click(".codes button >> nth=0")
    page.wait_for_selector(".others")
    page.click(".others button >> nth=0")
    page.wait_for_selector(".swapped")
    page.click("text=Back to the predicted codes")
    page.wait_for_selector(".swapped", state="detached")
    assert watched.texts(".output") == [HOSTILE]
    assert watched.texts(".source") == [HOSTILE]
    assert page.locator("main img, main script, main b").count() == 0


def test_a_fault_is_said_and_the_page_goes_on(watched: Watched) -> None:
    watched.page.evaluate("document.getElementById('text').maxLength = 100000")
    watched.page.fill("#text", "x" * 5001)
    watched.page.press("#text", "Enter")
    alert = watched.page.get_by_role("alert").filter(has_text="5000 characters")
    alert.wait_for()
    assert alert.inner_text().startswith("A text must have at most")
    watched.translate("one")
    assert watched.page.get_by_role("alert").inner_text() == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(
    browser: Any, address: str, scheme: str
) -> None:
    size = {"width": 390, "height": 844}
    watched = Watched(browser, address, viewport=size, color_scheme=scheme)
    page = watched.page
    watched.translate(f"{'long' * 60} and a few words more, {'so that it ' * 4} wraps")
    page.click(".codes button >> nth=0")
    page.wait_for_selector(".others")
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == 390
    boxes = page.evaluate(
        "[...document.querySelectorAll('button, .chance, textarea')].map((one) => "
        "one.getBoundingClientRect()).map((box) => [box.left, box.right])"
    )
    assert all(left >= 0 and right <= 390 for left, right in boxes)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    page.goto(f"{address}/docs")
    page.wait_for_selector(".door")
    assert page.evaluate(width) == 390
    watched.close()


def test_a_token_is_asked_for_once(browser: Any) -> None:
    with serving(TOKEN) as address:
        watched = Watched(browser, address)
        page = watched.page
        page.fill("#token", TOKEN + "x")
        page.press("#token", "Enter")
        page.fill("#text", "one")
        page.press("#text", "Enter")
        page.get_by_role("alert").filter(has_text="The token must be").wait_for()
        page.fill("#token", TOKEN)
        page.press("#token", "Enter")
        page.wait_for_selector(".clocks")
        assert page.locator("#token").is_hidden()
        assert watched.texts(".output") == ["one"]
        watched.close()

"""The page in a real browser: dropped, watched, cancelled, in two tabs, over a restart."""

from pathlib import Path

import pytest

from glance3d.service.serve import running_server
from tests.conftest import PATIENCE
from tests.service.servers import REAL, served

_EXAMPLES = Path(__file__).parents[2] / "examples" / "data" / "motorcycle" / "images"
_DROP = """
([names]) => {
  const transfer = new DataTransfer();
  for (const name of names) transfer.items.add(new File(["some bytes of " + name], name));
  for (const type of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(
      new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}
"""


@pytest.fixture
def new_page(browser):
    """Opens pages of one person; whatever one complains of fails the test."""
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    context.set_default_timeout(PATIENCE * 1000)
    complaints: list[str] = []

    def opened(address: str):
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        return page

    yield opened
    context.close()
    assert complaints == []


def _drop(page, *names: str) -> None:
    page.evaluate(_DROP, [list(names)])
    page.wait_for_selector("#chosen:not([hidden])")


def _card(page, name: str, state: str):
    """The card of a job once it is in a state."""
    card = page.locator(f".job[data-state={state}]", has=page.get_by_text(name, exact=True))
    card.wait_for()
    return card


@pytest.mark.long
def test_dropped_photos_are_watched_and_cancelled_in_two_tabs(new_page, tmp_path):
    with served(tmp_path) as client:
        first, second = new_page(client.address), new_page(client.address)
        _drop(first, "slow.png", "a.jpg", "notes.txt")
        assert "2 files" in first.inner_text("#chosen-words")
        assert "1 other file passed over" in first.inner_text("#chosen-words")
        first.fill("#name", "<b>tower</b> & co")
        first.press("#name", "Enter")
        for page in (first, second):
            running = _card(page, "<b>tower</b> & co", "running")
            running.get_by_text("reading photos, 1 of 2").wait_for()
            assert 0 < running.locator("progress").evaluate("one => one.value") < 1
        _drop(second, "b.png")
        second.click("#make")
        _card(first, "b", "queued").get_by_text("next in the queue").wait_for()
        second.get_by_role("button", name="Cancel: <b>tower</b> & co").click()
        _card(first, "<b>tower</b> & co", "cancelled")
        _card(first, "b", "done")
        for name in ("b", "<b>tower</b> & co"):
            first.get_by_role("button", name=f"Remove: {name}").click()
        second.locator(".job").first.wait_for(state="detached")
        second.wait_for_selector("#no-jobs:not([hidden])")


def test_a_scene_opens_by_keys_and_by_its_address(new_page, tmp_path):
    """With a token, which the page has from its address and no script sees."""
    with served(tmp_path, with_token=True) as client:
        page = new_page(client.address)
        assert "token" not in page.url
        assert page.evaluate("document.cookie") == ""
        _drop(page, "a.png", *(f"{'x' * 80}-{number}.jpg" for number in range(20)))
        for width in (390, 1000):
            page.set_viewport_size({"width": width, "height": 700})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.click("#make")
        _card(page, "a", "done").get_by_role("button", name="Open: a").focus()
        page.keyboard.press("Enter")
        assert page.frame_locator("iframe").locator("body").inner_text() == "whole"
        assert "#scene-" in page.url
        page.click("#downloads summary")
        link = page.locator("#download-list a[download]", has_text="points.ply")
        link.click(trial=True)
        # Fetched with the page's cookie, not by the browser's own store of downloads: that has
        # once, on a busy machine, never told of a download that was begun.
        answer = page.request.get(link.evaluate("link => link.href"))
        assert "attachment" in answer.headers["content-disposition"]
        assert answer.body() == b"ply" * 1000
        page.reload()
        page.frame_locator("iframe").locator("body").wait_for()
        page.locator("#close").focus()
        page.keyboard.press("Escape")
        page.wait_for_url(lambda address: "#" not in address)
        assert not page.is_visible("#viewer")


def test_the_page_goes_on_when_the_server_is_started_again(new_page, tmp_path):
    with served(tmp_path) as client:
        job = client.make("slow.png")
        page = new_page(client.address)
        _card(page, "slow", "running").get_by_text("1 of 2").wait_for()
    page.get_by_role("alert").get_by_text("does not answer").wait_for()
    (tmp_path / "jobs" / job["id"] / "inputs" / "hurry").touch()
    with served(tmp_path, port=client.port) as again:
        assert again.port == client.port
        _card(page, "slow", "done")
        page.wait_for_selector("#notice", state="hidden")


@pytest.mark.long
def test_real_photos_are_cancelled_in_the_forward_and_then_drawn(new_page, tmp_path):
    with served(tmp_path, module=REAL) as client:
        page = new_page(client.address)
        page.set_input_files("#files", sorted(_EXAMPLES.iterdir()))
        page.fill("#name", "motorcycle")
        page.click("#make")
        running = _card(page, "motorcycle", "running")
        running.get_by_text("the network looks").wait_for()
        running.get_by_role("button", name="Cancel: motorcycle").click()
        cancelled = _card(page, "motorcycle", "cancelled")
        cancelled.get_by_role("button", name="Again: motorcycle").click()
        done = _card(page, "motorcycle", "done")
        done.get_by_text("2 good").wait_for()
        done.get_by_role("button", name="Open: motorcycle").click()
        scene = page.frame_locator("iframe")
        scene.locator("html[data-photos]").wait_for()
        assert scene.locator("h1").inner_text() == "motorcycle"
        assert "points drawn" in scene.locator("#status").inner_text()


def test_a_missing_library_names_the_extra(tmp_path, monkeypatch):
    import sys

    from glance3d.errors import MissingExtraError
    from glance3d.service.options import ServiceOptions

    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with (
        pytest.raises(MissingExtraError, match=r"glance3d\[serve\]"),
        running_server(ServiceOptions(tmp_path)),
    ):
        pass

"""The page in a real browser: opened from the disk, with the network off."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glance3d.exporters import export
from tests.conftest import PATIENCE
from tests.exporters.analytic import build_scene, without_points
from tests.exporters.page.test_write_page import repeated

DESKTOP = {"width": 760, "height": 560}
PANEL_WIDTH = 296  # the picture's middle is that of what the panel leaves free
_RESET = """() => {
  const set = (id, key, value) => {
    const element = document.getElementById(id);
    element[key] = value;
    element.dispatchEvent(new Event("input", { bubbles: true }));
  };
  for (const id of ["guessed", "cameras", "photos"]) set(id, "checked", id !== "guessed");
  const values = { percentile: 0, size: 100, cloud: "depth", coloring: 0 };
  for (const [id, value] of Object.entries(values)) set(id, "value", value);
  document.getElementById("reset").click();
  window.scrollTo(0, 0);
}"""


class Opened:
    """A page in the browser, and everything that it complained of."""

    def __init__(self, context, path: Path) -> None:
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page = context.new_page()
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def ready(self) -> "Opened":
        self.page.wait_for_selector("html[data-ready][data-photos]")
        self.settle()
        return self

    def settle(self) -> None:
        """Wait until nothing moves any more: by the browser's frames, however long they take."""
        self.page.evaluate(
            """async () => {
              const canvas = document.getElementById("picture");
              for (let still = 0, last = null; still < 5; ) {
                await new Promise(requestAnimationFrame);
                still = canvas.dataset.drawn === last ? still + 1 : 0;
                last = canvas.dataset.drawn;
              }
            }"""
        )

    def drawn(self) -> np.ndarray:
        shot = self.page.locator("#picture").screenshot()
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)

    def num_points(self) -> int:
        status = self.page.locator("#status").text_content() or ""
        return int(status.split()[0].replace(",", ""))

    def slide(self, name: str, value: float) -> None:
        self.page.locator(f"#{name}").fill(str(value))
        self.settle()

    def key(self, name: str) -> None:
        self.page.locator("#picture").press(name)
        self.settle()


def changed(before: np.ndarray, after: np.ndarray) -> float:
    """The share of pixels that differ visibly."""
    return float((np.abs(before - after).max(-1) > 24).mean())


def new_context(browser, **settings):
    context = browser.new_context(
        offline=True, reduced_motion="reduce", **{"viewport": DESKTOP, **settings}
    )
    context.set_default_timeout(PATIENCE * 1000)
    return context


@pytest.fixture
def open_page(browser) -> Iterator[Callable[..., Opened]]:
    """Opens pages of their own."""
    contexts = []

    def opener(path: Path, **settings) -> Opened:
        contexts.append(new_context(browser, **settings))
        return Opened(contexts[-1], path)

    yield opener
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def shared_page(browser, refined_page: Path) -> Iterator[Opened]:
    context = new_context(browser)
    yield Opened(context, refined_page).ready()
    context.close()


@pytest.fixture
def opened(shared_page: Opened) -> Opened:
    """The refined scene's page as it is at first; opening it anew would take seconds."""
    shared_page.page.evaluate(_RESET)
    shared_page.settle()
    return shared_page


def test_the_scene_is_drawn_without_a_complaint_and_without_a_network(opened):
    assert opened.messages == []
    assert {url.split(":")[0] for url in opened.requests} <= {"file", "data", "blob"}
    picture = opened.drawn()
    background = picture[3, 3]
    assert (np.abs(picture - background).max(-1) > 24).mean() > 0.1
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 200


def test_the_first_picture_shows_what_the_photos_show(opened):
    """The sphere's colours are before the wall's, in the middle of the picture."""
    opened.page.locator("#cameras").uncheck()
    opened.settle()
    picture = opened.drawn()
    height, width = picture.shape[0], picture.shape[1] - PANEL_WIDTH
    middle = picture[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    reddish = middle[..., 0] > middle[..., 2] + 20
    assert reddish.mean() > 0.05


def test_the_slider_leaves_out_the_least_sure(opened):
    opened.page.locator("#cameras").uncheck()
    opened.page.locator("#guessed").check()
    opened.slide("percentile", 0)
    everything, all_points = opened.drawn(), opened.num_points()
    opened.slide("percentile", 90)
    assert opened.num_points() == pytest.approx(0.1 * all_points, rel=0.1)
    assert changed(everything, opened.drawn()) > 0.03
    opened.slide("percentile", 0)
    assert changed(everything, opened.drawn()) < 0.001


def test_what_was_guessed_is_shown_on_demand(opened, refined):
    measured, num_measured = opened.drawn(), opened.num_points()
    opened.page.locator("#guessed").check()
    opened.settle()
    share = (refined.measured & refined.mask).sum() / refined.mask.sum()
    assert num_measured == pytest.approx(float(share) * opened.num_points(), rel=0.03)
    assert changed(measured, opened.drawn()) > 0.02
    opened.page.locator("#guessed").uncheck()
    opened.slide("percentile", 50)  # then of the measured points alone
    assert opened.num_points() == pytest.approx(0.5 * num_measured, rel=0.1)


def test_colours_can_tell_confidence_and_measurement(opened):
    pictures = [opened.drawn()]
    for choice in ("1", "2"):
        opened.page.locator("#coloring").select_option(choice)
        opened.settle()
        pictures.append(opened.drawn())
        assert changed(pictures[-2], pictures[-1]) > 0.05
        assert opened.page.locator("#legend").is_visible()


def test_measured_points_can_be_shown_instead(opened, refined):
    opened.page.locator("#cloud").select_option("sparse")
    opened.slide("percentile", 0)
    assert opened.num_points() == len(refined.sparse)
    assert not opened.page.locator("#guessed-row").is_visible()


@pytest.mark.parametrize("switch", ["cameras", "photos"])
def test_cameras_and_their_photos_can_be_hidden(opened, switch):
    for _ in range(6):  # from farther away all cameras are in sight
        opened.key("-")
    before = opened.drawn()
    opened.page.locator(f"#{switch}").uncheck()
    opened.settle()
    assert changed(before, opened.drawn()) > 0.0002


def test_points_grow(opened):
    before = opened.drawn()
    opened.slide("size", 400)
    assert changed(before, opened.drawn()) > 0.01


@pytest.mark.parametrize(
    ("key", "opposite"),
    [("ArrowLeft", "ArrowRight"), ("Shift+ArrowUp", "Shift+ArrowDown"), ("+", "-"), ("n", "Home")],
)
def test_keys_move_the_picture_and_bring_it_back(opened, key, opposite):
    opened.key("Shift")  # the picture has the focus, and its outline, from here on
    before = opened.drawn()
    opened.key(key)
    moved = changed(before, opened.drawn())
    assert moved > 0.02
    opened.key(opposite)
    assert changed(before, opened.drawn()) < 0.3 * moved


def test_a_mouse_turns_and_zooms(opened):
    before = opened.drawn()
    mouse = opened.page.mouse
    mouse.move(300, 300)
    mouse.down()
    mouse.move(420, 320, steps=4)
    mouse.up()
    opened.settle()
    turned = opened.drawn()
    assert changed(before, turned) > 0.05
    mouse.wheel(0, -400)
    opened.settle()
    assert changed(turned, opened.drawn()) > 0.05


def test_a_click_on_a_photo_looks_from_there(opened, refined):
    before = opened.drawn()
    opened.page.locator(".strip button").nth(2).click()
    opened.settle()
    caption = opened.page.locator("#caption-name")
    assert refined.names[2] in (caption.text_content() or "")
    assert "weak" in (caption.text_content() or "")
    points = opened.drawn()
    assert changed(before, points) > 0.05
    opened.slide("blend", 100)
    assert changed(points, opened.drawn()) > 0.01  # the photo has what the points lack
    opened.page.locator("#leave").click()
    assert not opened.page.locator("#caption").is_visible()


def test_the_photo_lies_on_its_points(opened):
    """Seen from a camera, its points are where its photo shows them."""
    opened.page.locator("#guessed").check()
    opened.slide("percentile", 0)
    opened.page.locator(".strip button").first.click()
    opened.slide("size", 200)
    points = opened.drawn()
    opened.slide("blend", 100)
    photo = opened.drawn()
    height, width = photo.shape[0], photo.shape[1] - PANEL_WIDTH
    inside = (slice(height // 4, height // 2), slice(2 * width // 5, 3 * width // 5))
    assert np.abs(points - photo)[inside].mean() < 12


def test_a_camera_can_be_pointed_at_and_clicked(opened, refined):
    for _ in range(6):
        opened.key("-")
    before = opened.drawn()
    opened.page.locator("#photos").uncheck()
    opened.settle()
    y, x = (np.abs(before - opened.drawn()).max(-1) > 24).nonzero()  # where a photo was
    place = {"x": float(x[len(x) // 2]), "y": float(y[len(y) // 2])}
    opened.page.locator("#picture").hover(position=place)
    tip = opened.page.locator("#tip").text_content() or ""
    assert any(name in tip for name in refined.names)
    opened.page.locator("#picture").click(position=place)
    assert (opened.page.locator("#caption-name").text_content() or "").split()[0] in tip


def test_every_picture_and_control_has_words(opened):
    page = opened.page
    assert page.locator("img:not([alt])").count() == 0
    for figure in page.locator(".plot svg").all():
        assert figure.get_attribute("role") == "img"
        assert figure.locator("title").count() >= 1
        assert len(figure.locator("desc").text_content() or "") > 20
    named = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas")].map((element) =>
          element.getAttribute("aria-label") || element.labels?.[0]?.textContent.trim() ||
          element.textContent.trim())"""
    )
    assert all(named)
    assert page.locator("#picture").get_attribute("tabindex") == "0"
    assert page.locator(".strip button").first.get_attribute("title")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_until_they_are_switched(open_page, refined_page, scheme):
    opened = open_page(refined_page, color_scheme=scheme).ready()
    before = opened.drawn()[3, 3].mean()
    assert (before < 100) == (scheme == "dark")
    opened.page.locator("#theme").click()
    opened.settle()
    after = opened.drawn()[3, 3].mean()
    assert (after < 100) == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(open_page, refined_page, scheme):
    """WCAG AA: 4.5 to 1 for all text."""
    page = open_page(refined_page, color_scheme=scheme).ready().page
    worst = page.evaluate(
        """() => {
          const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
          const ground = (element) => {
            for (let e = element; e; e = e.parentElement) {
              const color = numbers(getComputedStyle(e).backgroundColor);
              if (color.length < 4 || color[3] > 0.5) return color;
            }
            return [255, 255, 255];
          };
          let worst = [99, ""];
          for (const element of document.querySelectorAll("body *:not(script):not(option)")) {
            const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
            if (!own || element.closest("svg") || !element.checkVisibility()) continue;
            const a = light(numbers(getComputedStyle(element).color));
            const b = light(ground(element));
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < worst[0]) worst = [ratio, element.outerHTML.slice(0, 200)];
          }
          return worst;
        }"""
    )
    assert worst[0] >= 4.5, worst


def test_on_a_phone_nothing_sticks_out_and_a_finger_turns_the_scene(open_page, refined_page):
    opened = open_page(
        refined_page,
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
    ).ready()
    assert opened.messages == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert opened.page.locator("#panel").get_attribute("open") is None
    before = opened.drawn()
    touch = opened.page.context.new_cdp_session(opened.page)
    for kind, x in (
        ("touchStart", 200),
        ("touchMove", 240),
        ("touchMove", 300),
        ("touchEnd", None),
    ):
        points = [] if x is None else [{"x": x, "y": 350}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    opened.settle()
    assert changed(before, opened.drawn()) > 0.05


def test_without_webgl_the_report_still_reads(open_page, refined_page, refined):
    opened = open_page(refined_page)
    opened.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    opened.page.reload()
    opened.page.wait_for_selector("#no-picture:not([hidden])")
    assert "WebGL" in (opened.page.locator("#no-picture").text_content() or "")
    assert opened.page.locator(".verdicts tbody tr").count() == refined.num_views
    assert opened.page.locator(".plot svg").first.is_visible()


def test_names_are_text_and_never_markup(open_page, refined, tmp_path):
    bad = '<img src=x onerror="document.title=`run`">.jpg'
    names = (
        bad,
        "</script><script>document.title='run'</script>.jpg",
        "{{points}}.jpg",
        "d\udc80.jpg",
    )
    path = export(replace(refined, names=names), tmp_path / "scene.html")[0]
    opened = open_page(path).ready()
    assert opened.messages == []
    assert opened.page.title() != "run"
    assert opened.page.locator(".strip .name").first.text_content() == bad
    assert opened.page.locator(".strip .name").nth(2).text_content() == "{{points}}.jpg"


def test_many_small_photos_are_drawn_without_a_complaint(open_page, scene, tmp_path):
    path = export(repeated(scene, 40), tmp_path / "scene.html", page_megabytes=1.0)[0]
    opened = open_page(path).ready()
    assert opened.messages == []
    assert opened.page.evaluate("document.querySelector('.strip img').naturalHeight") < 100


@pytest.mark.parametrize("kind", ["cameras alone", "one photo", "no confidence"])
def test_less_of_a_scene_still_gives_a_page(open_page, tmp_path, kind):
    scene = build_scene(tmp_path, 1 if kind == "one photo" else 4)
    if kind == "cameras alone":
        scene = without_points(scene)
    if kind == "no confidence":
        scene = replace(scene, confidence=None)
    opened = open_page(export(scene, tmp_path / "scene.html")[0]).ready()
    assert opened.messages == []
    assert opened.page.locator(".verdicts tbody tr").count() == scene.num_views
    assert "Nobody has checked" in (opened.page.locator(".warnings").text_content() or "")

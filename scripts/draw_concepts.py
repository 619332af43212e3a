"""Draw the figures of ``docs/concepts.md``, one for each part of the network.

    python scripts/draw_concepts.py docs/pictures

All sizes in them come from the config of ``vggt-1b``, for four photos of 4000 x 3000 pixels.
"""

import argparse
from collections.abc import Iterable
from html import escape
from pathlib import Path

from glance3d.files.atomic import atomic_file
from glance3d.models.config import DPTHeadConfig, VGGTConfig, VitEmbedConfig, vggt_1b

WIDTH_PX, HEIGHT_PX, NUM_VIEWS = 518, 392, 4
INK, LINE = "#1c2b33", "#6b7f88"
PLAIN, CAMERA, REGISTER, PATCH, GLOBAL = "#eef3f5", "#f6c177", "#c9b6e4", "#a8d5c6", "#9cc4e4"
LINE_HEIGHT = 17


class Figure:
    """Boxes, arrows and words on white, as SVG."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.parts: list[str] = []

    def box(
        self, x: float, y: float, width: float, height: float, words: str = "", fill: str = PLAIN
    ) -> None:
        """A box with lines of words in its middle."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" '
            f'fill="{fill}" stroke="{LINE}"/>'
        )
        lines = words.split("\n") if words else []
        top = y + height / 2 - (len(lines) - 1) * LINE_HEIGHT / 2 + 4.5
        for number, line in enumerate(lines):
            self.words(x + width / 2, top + number * LINE_HEIGHT, line)

    def words(self, x: float, y: float, text: str, anchor: str = "middle") -> None:
        """One line; ``y`` is where letters stand."""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{INK}">{escape(text)}</text>'
        )

    def arrow(self, x: float, y: float, x2: float, y2: float) -> None:
        """From the first point to the second."""
        self.parts.append(
            f'<line x1="{x:g}" y1="{y:g}" x2="{x2:g}" y2="{y2:g}" stroke="{LINE}" '
            'stroke-width="1.6" marker-end="url(#head)"/>'
        )

    def line(self, x: float, y: float, x2: float, y2: float) -> None:
        """Without a head."""
        self.parts.append(f'<line x1="{x:g}" y1="{y:g}" x2="{x2:g}" y2="{y2:g}" stroke="{LINE}"/>')

    def svg(self) -> str:
        """The file."""
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                f'width="{self.width}" height="{self.height}" role="img" '
                'font-family="system-ui, sans-serif" font-size="13">',
                f"<title>{escape(self.title)}</title>",
                '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
                f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{LINE}"/></marker>'
                "</defs>",
                f'<rect width="{self.width}" height="{self.height}" rx="8" fill="#ffffff"/>',
                *self.parts,
                "</svg>",
                "",
            ]
        )


def grid_of(config: VGGTConfig) -> tuple[int, int]:
    """Columns and rows of patches."""
    return WIDTH_PX // config.patch_size, HEIGHT_PX // config.patch_size


def draw_overview(config: VGGTConfig) -> Figure:
    """The whole way, with the shape at every step."""
    columns, rows = grid_of(config)
    each, embed = 1 + config.aggregator.num_register_tokens + columns * rows, config.embed_dim
    shown = f"1, {NUM_VIEWS}"
    figure = Figure(760, 330, "From photos to cameras, depth, points and tracks, with all shapes")
    figure.box(16, 30, 140, 50, f"{NUM_VIEWS} photos\n4000 x 3000", PLAIN)
    figure.arrow(158, 55, 208, 55)
    figure.box(210, 30, 190, 50, f"images\n[{shown}, 3, {HEIGHT_PX}, {WIDTH_PX}]", PLAIN)
    figure.arrow(402, 55, 452, 55)
    figure.box(454, 30, 190, 50, f"patch tokens\n[{shown}, {columns * rows}, {embed}]", PATCH)
    figure.words(183, 98, "preprocessing")
    figure.words(427, 98, "patch embedding")
    figure.line(549, 82, 549, 112)
    figure.line(549, 112, 111, 112)
    figure.arrow(111, 112, 111, 134)
    figure.words(330, 128, "camera and register tokens are put before them")
    figure.box(16, 136, 190, 50, f"tokens\n[{shown}, {each}, {embed}]", CAMERA)
    figure.arrow(208, 161, 258, 161)
    figure.box(
        260, 136, 200, 50, f"{config.aggregator.depth} x frame attention,\nglobal attention", GLOBAL
    )
    figure.arrow(462, 161, 512, 161)
    figure.box(514, 136, 190, 50, f"layers\n[{shown}, {each}, {2 * embed}]", GLOBAL)
    heads = (
        ("camera head", "pose_enc", f"[{shown}, 9]"),
        ("dense head", "depth", f"[{shown}, {HEIGHT_PX}, {WIDTH_PX}]"),
        ("dense head", "points_world", f"[{shown}, {HEIGHT_PX}, {WIDTH_PX}, 3]"),
        ("tracker", "tracks", f"[{shown}, queries, 2]"),
    )
    figure.line(609, 188, 609, 212)
    figure.line(92, 212, 644, 212)
    for number, (head, name, shape) in enumerate(heads):
        x = 16 + number * 184
        figure.arrow(x + 76, 212, x + 76, 232)
        figure.box(x, 234, 172, 76, f"{head}\n{name}\n{shape}", REGISTER)
    return figure


def draw_preprocessing(config: VGGTConfig) -> Figure:
    """From a file to a grid of patches."""
    columns, rows = grid_of(config)
    figure = Figure(760, 210, "A photo is turned upright, resized, and cut into patches")
    figure.box(20, 40, 90, 120, "the file\n3000 x 4000", PLAIN)
    figure.arrow(112, 100, 168, 100)
    figure.words(140, 88, "EXIF")
    figure.box(170, 55, 160, 90, "upright\n4000 x 3000", PLAIN)
    figure.arrow(332, 100, 398, 100)
    figure.words(365, 88, "resize")
    figure.box(400, 65, 110, 70, f"{WIDTH_PX} x {HEIGHT_PX}", PLAIN)
    figure.arrow(512, 100, 558, 100)
    figure.box(560, 46, 148, 112, "", PATCH)
    for number in range(1, 8):
        figure.line(560 + number * 18.5, 46, 560 + number * 18.5, 158)
    for number in range(1, 6):
        figure.line(560, 46 + number * 18.7, 708, 46 + number * 18.7)
    figure.words(634, 180, f"{columns} x {rows} patches of {config.patch_size} pixels")
    figure.words(330, 198, "Placement keeps the way back to the original pixels")
    return figure


def draw_tokens(config: VGGTConfig) -> Figure:
    """The tokens of each view."""
    columns, rows = grid_of(config)
    registers = config.aggregator.num_register_tokens
    figure = Figure(760, 250, "Each view has a camera token, register tokens and patch tokens")
    for view in range(NUM_VIEWS):
        y = 42 + view * 42
        figure.words(20, y + 20, f"view {view + 1}", "start")
        figure.box(85, y, 30, 30, "c", CAMERA)
        for number in range(registers):
            figure.box(125 + number * 34, y, 30, 30, "r", REGISTER)
        for number in range(12):
            figure.box(275 + number * 34, y, 30, 30, "" if number == 11 else "p", PATCH)
        figure.words(275 + 11 * 34 + 15, y + 19, "...")
    figure.words(100, 28, "camera")
    figure.words(191, 28, f"{registers} registers")
    figure.words(475, 28, f"{columns} x {rows} = {columns * rows} patches")
    each = 1 + registers + columns * rows
    figure.words(
        380,
        232,
        f"{each} tokens a view, each of {config.embed_dim} numbers; view 1 has its own c, r",
    )
    return figure


def draw_attention(config: VGGTConfig) -> Figure:
    """Frame and global attention in turn."""
    columns, rows = grid_of(config)
    each = 1 + config.aggregator.num_register_tokens + columns * rows
    figure = Figure(760, 290, "Attention within each view, then among all views, in turn")
    figure.words(190, 30, "frame attention: each view by itself")
    figure.words(560, 30, "global attention: all views together")
    for view in range(NUM_VIEWS):
        y = 46 + view * 46
        figure.box(40, y, 300, 38, f"view {view + 1}: {each} tokens see each other", PATCH)
    figure.arrow(345, 134, 408, 134)
    figure.box(
        410,
        46,
        310,
        176,
        f"{NUM_VIEWS} x {each} = {NUM_VIEWS * each} tokens\nsee each other",
        GLOBAL,
    )
    figure.line(565, 226, 565, 246)
    figure.line(565, 246, 190, 246)
    figure.arrow(190, 246, 190, 230)
    figure.words(
        380,
        274,
        f"{config.aggregator.depth} such pairs; a layer is both outputs side by side: "
        f"{2 * config.embed_dim} numbers a token",
    )
    return figure


def draw_camera_head(config: VGGTConfig) -> Figure:
    """Nine numbers a view, corrected a few times."""
    assert config.camera is not None
    figure = Figure(760, 220, "The camera head corrects its estimate a few times")
    figure.box(20, 70, 150, 70, f"camera tokens\n{NUM_VIEWS} x {2 * config.embed_dim}", CAMERA)
    figure.arrow(172, 105, 218, 105)
    figure.box(220, 70, 150, 70, "shifted and scaled\nby the pose so far", PLAIN)
    figure.arrow(372, 105, 398, 105)
    figure.box(400, 70, 130, 70, f"{config.camera.trunk_depth} blocks\namong the views", GLOBAL)
    figure.arrow(532, 105, 568, 105)
    figure.box(570, 70, 170, 70, f"added to the pose\n{NUM_VIEWS} x 9", PLAIN)
    figure.line(655, 142, 655, 172)
    figure.line(655, 172, 295, 172)
    figure.arrow(295, 172, 295, 144)
    figure.words(475, 190, f"{config.camera.num_iterations} times")
    figure.words(380, 40, "9 numbers: translation (3), quaternion (4), field of view (2)")
    return figure


def draw_dense_head(config: VGGTConfig) -> Figure:
    """Four layers to one full map."""
    assert isinstance(config.depth, DPTHeadConfig)
    columns, rows = grid_of(config)
    half = (-(-columns // 2), -(-rows // 2))
    sizes = [(4 * columns, 4 * rows), (2 * columns, 2 * rows), (columns, rows), half]
    figure = Figure(760, 300, "The dense head fuses four layers into a map of all pixels")
    levels = zip(config.depth.layers, config.depth.channels, sizes, strict=True)
    for number, (layer, channels, (width, height)) in enumerate(levels):
        y = 24 + number * 62
        figure.box(20, y, 110, 42, f"layer {layer}", PATCH)
        figure.arrow(132, y + 21, 188, y + 21)
        figure.box(190, y, 190, 42, f"{width} x {height}, {channels} channels", PLAIN)
        figure.arrow(382, y + 21, 428, y + 21)
        if number:
            figure.arrow(480, y, 480, y - 18)
        figure.box(430, y, 100, 42, "fuse", PLAIN)
    figure.arrow(532, 45, 558, 45)
    figure.box(
        560, 24, 180, 42, f"{8 * columns} x {8 * rows}, {config.depth.features} channels", PLAIN
    )
    figure.arrow(650, 68, 650, 108)
    figure.box(560, 110, 180, 56, f"{WIDTH_PX} x {HEIGHT_PX}:\nvalue and confidence", GLOBAL)
    figure.words(650, 192, "depth: exp(value)")
    figure.words(650, 212, "confidence: 1 + exp(value)")
    figure.words(240, 286, "coarse levels below, fine levels above")
    return figure


def draw_track_head(config: VGGTConfig) -> Figure:
    """Points followed by looking around where they are thought to be."""
    assert config.tracks is not None
    tracks = config.tracks
    figure = Figure(760, 220, "The tracker corrects the places of points a few times")
    half = f"{WIDTH_PX // 2} x {HEIGHT_PX // 2}"
    figure.box(20, 60, 170, 70, f"feature maps\n{half}, {tracks.latent_dim} channels", PATCH)
    figure.arrow(192, 95, 228, 95)
    side = 2 * tracks.radius + 1
    figure.box(
        230, 60, 190, 70, f"compare {side} x {side} places\nat {tracks.pyramid_levels} sizes", PLAIN
    )
    figure.arrow(422, 95, 458, 95)
    figure.box(460, 60, 130, 70, "transformer over\nviews and points", GLOBAL)
    figure.arrow(592, 95, 618, 95)
    figure.box(620, 60, 120, 70, "move each point\nin each view", PLAIN)
    figure.line(680, 132, 680, 162)
    figure.line(680, 162, 325, 162)
    figure.arrow(325, 162, 325, 134)
    figure.words(500, 180, f"{tracks.num_iterations} times")
    figure.words(325, 40, "query points start where they are in the first view")
    return figure


def figures(config: VGGTConfig | None = None) -> Iterable[tuple[str, str]]:
    """Names of files, and their SVG."""
    config = config or vggt_1b()
    assert isinstance(config.patch_embed, VitEmbedConfig)
    for draw in (
        draw_overview,
        draw_preprocessing,
        draw_tokens,
        draw_attention,
        draw_camera_head,
        draw_dense_head,
        draw_track_head,
    ):
        yield f"concepts_{draw.__name__.removeprefix('draw_')}.svg", draw(config).svg()


def write_figures(drawn: Iterable[tuple[str, str]], about: str) -> None:
    """Write figures into the folder that the command line names; ``about`` describes the script."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name, svg in drawn:
        with atomic_file(folder / name) as path:
            path.write_text(svg, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write_figures(figures(), __doc__ or "")

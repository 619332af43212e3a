"""Draw the figures of ``docs/tutorials`` that need no photos.

python -m scripts.draw_tutorial_figures docs/pictures
"""

from collections.abc import Iterator

from scripts.draw_concepts import CAMERA, GLOBAL, PATCH, PLAIN, REGISTER, Figure, write_figures


def finetune_figure() -> Figure:
    """What a run does."""
    figure = Figure(
        760, 200, "Check the geometry, hold photos back, train, and keep what is better"
    )
    figure.box(16, 60, 130, 60, "do cameras and\ndepth fit?", CAMERA)
    figure.arrow(148, 90, 178, 90)
    figure.box(180, 60, 130, 60, "a fifth of the sets\nis held back", PLAIN)
    figure.arrow(312, 90, 342, 90)
    figure.box(344, 60, 120, 60, "train", PATCH)
    figure.arrow(466, 90, 496, 90)
    figure.box(498, 60, 120, 60, "measure on what\nwas held back,\nand on others", GLOBAL)
    figure.line(558, 122, 558, 150)
    figure.line(558, 150, 404, 150)
    figure.arrow(404, 150, 404, 124)
    figure.words(481, 168, "five times")
    figure.arrow(620, 80, 634, 62)
    figure.box(626, 12, 126, 48, "best/: better,\nnothing forgotten", REGISTER)
    figure.arrow(620, 105, 634, 128)
    figure.box(626, 130, 126, 48, "last/: learned last,\nin any case", PLAIN)
    figure.words(80, 148, "no: refused, with")
    figure.words(80, 165, "flags that would fit")
    return figure


def cluster_figure() -> Figure:
    """Who does what on a shared disk."""
    figure = Figure(760, 240, "Workers claim scenes of a list by files, and write what happened")
    figure.box(16, 80, 130, 80, "scenes.jsonl\n\none scene a line", CAMERA)
    for number in range(3):
        y = 30 + number * 66
        figure.box(230, y, 190, 50, f"worker {number + 1}: claim,\nmake, say how it ended", PATCH)
        figure.arrow(148, 120, 228, y + 25)
        figure.arrow(422, y + 18, 528, 72)
        figure.arrow(422, y + 32, 528, 172)
    figure.box(530, 40, 214, 66, "results/.glance3d-batch/\nwhat happened to each scene", REGISTER)
    figure.box(530, 140, 214, 66, "results/NAME/\nwhole scenes, moved into place", GLOBAL)
    figure.words(
        380, 230, "all on a disk that every machine sees; a lost worker's scene goes to another"
    )
    return figure


FIGURES = {"finetune": finetune_figure, "cluster": cluster_figure}


def figures() -> Iterator[tuple[str, str]]:
    """Names of files, and their SVG."""
    for name, draw in FIGURES.items():
        yield f"tutorial_{name}.svg", draw().svg()


if __name__ == "__main__":
    write_figures(figures(), __doc__ or "")

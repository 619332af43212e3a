"""Procedural textures: each pattern fills a batch of square, seamlessly tiling RGB images.

A pattern is a function of (generator, count, size) to ``[count, 3, size, size]`` about 0.5, roughly
in [0, 1]. All of them are computed from random numbers; no picture is read.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Images = Float[Tensor, "count 3 size size"]
Maps = Float[Tensor, "count 1 size size"]
Pattern = Callable[[torch.Generator, int, int], Tensor]


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _integers(generator: torch.Generator, low: int, high: int, count: int) -> list[int]:
    return torch.randint(low, high + 1, (count,), generator=generator).tolist()


def _smooth(grid: Float[Tensor, "count channels rows columns"], size: int) -> Tensor:
    """A periodic grid, enlarged smoothly and seamlessly to ``size`` pixels."""
    rows, columns = grid.shape[-2:]
    padded = F.pad(grid, (2, 2, 2, 2), mode="circular")
    tall, wide = size // rows, size // columns
    enlarged = F.interpolate(padded, scale_factor=(tall, wide), mode="bicubic")
    return enlarged[..., 2 * tall : -2 * tall, 2 * wide : -2 * wide]


def fractal(
    generator: torch.Generator, count: int, size: int, persistence: float = 0.62, coarsest: int = 4
) -> Maps:
    """Fractal noise with mean 0 and deviation about 1, from ``coarsest`` cells to single pixels."""
    out, cells, amplitude = torch.zeros(count, 1, size, size), coarsest, 1.0
    while cells <= size:
        out = out + amplitude * _smooth(
            torch.randn(count, 1, cells, cells, generator=generator), size
        )
        cells, amplitude = cells * 2, amplitude * persistence
    return (out - out.mean((-1, -2), keepdim=True)) / out.std((-1, -2), keepdim=True)


def _colors(generator: torch.Generator, count: int, number: int) -> Float[Tensor, "count number 3"]:
    """Palettes: mostly muted, of any hue and brightness."""
    value = _uniform(generator, 0.12, 0.95, count, number, 1)
    tint = torch.randn(count, number, 3, generator=generator)
    strength = 0.28 * _uniform(generator, 0.0, 1.0, count, 1, 1) ** 1.5
    return (value + strength * tint).clamp(0.02, 0.98)


def _ramp(level: Maps, colors: Float[Tensor, "count number 3"]) -> Images:
    """Colours along a palette; ``level`` in [0, 1]."""
    last = colors.shape[1] - 1
    place = level.clamp(0, 1) * last
    low = place.floor().clamp(max=max(last - 1, 0)).long()
    table = colors.permute(0, 2, 1)
    flat = low.flatten(1)[:, None].expand(-1, 3, -1)
    a, b = table.gather(2, flat), table.gather(2, (flat + 1).clamp(max=last))
    return (a + (place - low).flatten(1)[:, None] * (b - a)).unflatten(2, level.shape[-2:])


def _grid(size: int) -> tuple[Tensor, Tensor]:
    axis = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x, y


def noise(generator: torch.Generator, count: int, size: int) -> Images:
    """Plaster, stone, soil: fractal noise through a palette of three or four colours."""
    level = 0.5 + 0.28 * fractal(generator, count, size, 0.72)
    return _ramp(level, _colors(generator, count, 4))


def clouds(generator: torch.Generator, count: int, size: int) -> Images:
    """Soft grey noise with a steep spectrum."""
    return (0.5 + 0.18 * fractal(generator, count, size, 0.45)).expand(-1, 3, -1, -1)


def bricks(generator: torch.Generator, count: int, size: int) -> Images:
    """Bricks or blocks in shifted rows, each its own shade, with mortar and grime."""
    out = []
    x, y = _grid(size)
    rows = _integers(generator, 3, 9, count)
    columns = _integers(generator, 2, 6, count)
    for number_rows, number_columns in zip(rows, columns, strict=True):
        number_rows *= 2
        shift = float(torch.randint(0, 3, (), generator=generator)) / 4
        row = (y * number_rows).floor()
        along = x * number_columns + shift * (row % 2)
        column = along.floor() % number_columns
        joint = torch.minimum(
            (along - along.floor()) * number_rows / number_columns, y * number_rows - row
        )
        shades = _uniform(generator, 0.3, 1.0, number_rows, number_columns)
        shade = shades[row.long(), column.long()]
        width = float(_uniform(generator, 0.05, 0.16))
        out.append(torch.where(joint < width, 0.0, shade))
    level = torch.stack(out)[:, None] + 0.06 * fractal(generator, count, size)
    return _ramp(level, _colors(generator, count, 4))


def tiles(generator: torch.Generator, count: int, size: int) -> Images:
    """A checker of two colours, or tiles of many, with thin joints."""
    out = []
    x, y = _grid(size)
    for cells in _integers(generator, 2, 7, count):
        cells *= 2
        i, j = (x * cells).floor(), (y * cells).floor()
        checker = (i + j) % 2
        many = _uniform(generator, 0.0, 1.0, cells, cells)[j.long(), i.long()]
        blend = float(torch.rand((), generator=generator).round())
        joint = torch.minimum(x * cells - i, y * cells - j) < 0.06
        out.append(torch.where(joint, 0.5, blend * many + (1 - blend) * (0.8 * checker + 0.1)))
    level = torch.stack(out)[:, None] + 0.05 * fractal(generator, count, size)
    return _ramp(level, _colors(generator, count, 3))


def stripes(generator: torch.Generator, count: int, size: int) -> Images:
    """Stripes of random widths, straight or wavy, sharp or soft."""
    out = []
    x, y = _grid(size)
    wave = fractal(generator, count, size, 0.3)[:, 0]
    for item, bands in enumerate(_integers(generator, 6, 22, count)):
        bend = 0.04 * float(torch.rand((), generator=generator)) ** 2
        across = (x if item % 2 else y) + bend * wave[item]
        place = (across % 1.0) * bands
        shades = torch.rand(bands, generator=generator)
        out.append(shades[place.floor().long() % bands])
    level = torch.stack(out)[:, None] + 0.07 * fractal(generator, count, size)
    return _ramp(level, _colors(generator, count, 4))


def wood(generator: torch.Generator, count: int, size: int) -> Images:
    """Grain: rings stretched along one axis, broken into planks."""
    out = []
    _, y = _grid(size)
    stretched = _smooth(torch.randn(count, 1, 64, 4, generator=generator), size)[:, 0]
    for item, planks in enumerate(_integers(generator, 2, 6, count)):
        plank = (y * planks).floor()
        tone = _uniform(generator, -0.2, 0.2, planks)[plank.long()]
        rings = float(_uniform(generator, 3.0, 9.0))
        phase = rings * planks * y + 0.7 * stretched[item] + 9 * tone
        seam = (y * planks - plank) < 0.03
        out.append(torch.where(seam, -0.1, 0.5 + tone + 0.22 * torch.sin(6.2832 * phase)))
    level = torch.stack(out)[:, None] + 0.1 * fractal(generator, count, size)
    warm = _colors(generator, count, 3) * 0.5 + torch.tensor([0.42, 0.27, 0.15])
    return _ramp(level, warm)


def marks(generator: torch.Generator, count: int, size: int) -> Images:
    """Lines of text-like marks: random glyphs of a 5 x 7 grid on paper, in a few sizes."""
    out = []
    for pixel in _integers(generator, 1, 4, count):
        columns, rows = size // (6 * pixel) + 1, size // (9 * pixel) + 1
        glyphs = torch.rand(rows, columns, 7, 5, generator=generator) < 0.5
        glyphs[..., 0] |= torch.rand(rows, columns, 1, generator=generator) < 0.6
        glyphs &= torch.rand(rows, columns, 1, 1, generator=generator) < 0.82
        glyphs &= torch.rand(rows, 1, 1, 1, generator=generator) < 0.85
        cells = F.pad(glyphs.float(), (0, 1, 0, 2)).permute(0, 2, 1, 3)
        page = cells.reshape(rows * 9, columns * 6)
        page = page.repeat_interleave(pixel, 0).repeat_interleave(pixel, 1)
        out.append(page[:size, :size])
    level = torch.stack(out)[:, None] * 0.9 + 0.04 * fractal(generator, count, size)
    return _ramp(level, _colors(generator, count, 2))


def _seeds_distance(generator: torch.Generator, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Nearest and second distance to random seeds on the torus, and the nearest one's number."""
    number = int(torch.randint(12, 90, (), generator=generator))
    seeds = torch.rand(number, 2, generator=generator)
    x, y = _grid(size // 2)
    away = (torch.stack([x, y], -1)[..., None, :] - seeds + 0.5) % 1.0 - 0.5
    near, which = (away.norm(dim=-1) * number**0.5).topk(2, largest=False)
    return near[..., 0], near[..., 1], which[..., 0]


def cells(generator: torch.Generator, count: int, size: int) -> Images:
    """Paving, pebbles or crackle: cells around random seeds, each its own shade, with joints."""
    out = []
    for _ in range(count):
        near, second, which = _seeds_distance(generator, size)
        shade = _uniform(generator, 0.25, 1.0, int(which.max()) + 1)[which]
        joint = ((second - near) / float(_uniform(generator, 0.05, 0.3))).clamp(0, 1)
        dome = 1 - 0.4 * float(torch.rand((), generator=generator)) * near
        out.append(shade * joint * dome)
    level = _smooth(torch.stack(out)[:, None], size)
    return _ramp(level + 0.07 * fractal(generator, count, size), _colors(generator, count, 4))


def blotches(generator: torch.Generator, count: int, size: int) -> Images:
    """Camouflage and stains: noise cut into a few flat levels."""
    level = 0.5 + 0.3 * fractal(generator, count, size, 0.5, 8)
    steps = torch.tensor(_integers(generator, 2, 5, count))[:, None, None, None]
    cut = (level * steps).round() / steps + 0.04 * fractal(generator, count, size)
    return _ramp(cut, _colors(generator, count, 5))


def posters(generator: torch.Generator, count: int, size: int) -> Images:
    """Overlapping rectangles, discs and gradients in strong colours, like signs and pictures."""
    x, y = _grid(size)
    out = torch.empty(count, 3, size, size)
    for item in range(count):
        ends = _colors(generator, 1, 2)[0]
        fade = (0.5 - 0.5 * torch.cos(6.2832 * (x if item % 2 else y)))[None]
        image = ends[0, :, None, None] * (1 - fade) + ends[1, :, None, None] * fade
        number = int(torch.randint(8, 30, (), generator=generator))
        for x_start, y_start, wide, tall, value, disc in torch.rand(number, 6, generator=generator):
            u = (x - x_start + 0.5) % 1.0 - 0.5
            v = (y - y_start + 0.5) % 1.0 - 0.5
            w, h = 0.02 + 0.25 * wide**2, 0.02 + 0.25 * tall**2
            inside = (u / w) ** 2 + (v / h) ** 2 < 1
            if disc < 0.6:
                inside = (u.abs() < w) & (v.abs() < h)
            color = (value + 0.35 * torch.randn(3, generator=generator)).clamp(0, 1)
            image = torch.where(inside, color[:, None, None], image)
        out[item] = image
    return out + 0.03 * fractal(generator, count, size)


#: Every pattern of surfaces, in the order in which an atlas deals them out. Add one here.
PATTERNS: tuple[Pattern, ...] = (
    noise,
    bricks,
    posters,
    cells,
    marks,
    blotches,
    wood,
    tiles,
    stripes,
    noise,
    posters,
)

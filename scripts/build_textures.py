"""Make a folder of square textures for ``glance3d train --textures`` from Debian packages.

    apt-get download ufoai-textures mate-backgrounds lomiri-wallpapers-16.04
    python scripts/build_textures.py *.deb --out textures

Pictures inside packages, and inside the game archives (.pk3) that some hold, are cropped to squares
of 256 pixels; plain ones are left out. Procedural patterns of our own join them. The pictures have
licences of their own (see each package's copyright file) and do not belong in this repository.
"""

import argparse
import io
import random
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from glance3d.datasets.synthetic.appearance.patterns import PATTERNS

SIZE = 256
PICTURES = (".jpg", ".jpeg", ".png", ".tga")
NO_SURFACE = re.compile(  # normal, gloss and light maps, skies, and what engines never draw
    r"_(nm|sm|gm|rm|norm|spec|glow|n|s)\.|tex_common|/sky|nodraw|clip|hint|caulk|lightmap", re.I
)
LEAST_CONTRAST = 6.0  # standard deviation of the grey levels
LARGE_SIDE = 1024  # photographs, not tiles: several crops are taken of them


def pictures_in(package: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every picture in a .deb."""
    content = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", str(package)], check=True, stdout=subprocess.PIPE
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            if member.name.endswith(".pk3"):
                yield from pictures_in_zip(file.read())
            elif member.name.lower().endswith(PICTURES):
                yield member.name, file.read()


def pictures_in_zip(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every picture in a game archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if name.lower().endswith(PICTURES):
                yield name, archive.read(name)


def squares_of(picture: Image.Image, draw: random.Random) -> Iterator[Image.Image]:
    """Square crops: the whole of a tile, two random parts of a photograph."""
    short = min(picture.size)
    shares = [draw.uniform(0.4, 0.8) for _ in range(2)] if short >= LARGE_SIDE else [1.0]
    for share in shares:
        side = int(short * share)
        x, y = (draw.randint(0, length - side) for length in picture.size)
        crop = picture.crop((x, y, x + side, y + side))
        yield crop.resize((SIZE, SIZE), Image.Resampling.BOX)


def textures_of(package: Path, most: int, draw: random.Random) -> Iterator[Image.Image]:
    """Textures from a package, at most so many, in a random order."""
    pictures = [item for item in pictures_in(package) if not NO_SURFACE.search(item[0])]
    draw.shuffle(pictures)
    num_squares = 0
    for _, content in pictures:
        try:
            picture = Image.open(io.BytesIO(content))
            opaque = picture.convert("RGBA").getchannel("A").getextrema()[0] >= 250
        except (UnidentifiedImageError, OSError):
            continue
        wide = max(picture.size) / min(picture.size) > 2
        if not opaque or wide or min(picture.size) < SIZE // 2:
            continue
        for square in squares_of(picture.convert("RGB"), draw):
            if np.asarray(square.convert("L"), dtype=float).std() >= LEAST_CONTRAST:
                yield square
                num_squares += 1
        if num_squares >= most:
            return


def procedural_textures(count: int) -> Iterator[Image.Image]:
    """Patterns of our own, all kinds in equal numbers."""
    generator = torch.Generator().manual_seed(5)
    for pattern in PATTERNS:
        for picture in pattern(generator, max(1, count // len(PATTERNS)), SIZE):
            levels = (picture.clamp(0, 1) * 255).byte()
            yield Image.fromarray(levels.permute(1, 2, 0).numpy())


def main() -> None:
    """Fill the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=int, default=420, help="textures of one package")
    parser.add_argument("--procedural", type=int, default=110)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    draw = random.Random(0)
    for package in options.packages:
        name = package.name.split("_")[0]
        count = 0
        for count, square in enumerate(textures_of(package, options.most, draw), 1):
            square.save(options.out / f"{name}_{count:04d}.jpg", quality=92)
        print(f"{name}: {count} textures")
    for count, square in enumerate(procedural_textures(options.procedural), 1):
        square.save(options.out / f"procedural_{count:04d}.jpg", quality=92)


if __name__ == "__main__":
    main()

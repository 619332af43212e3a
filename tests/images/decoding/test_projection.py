"""Panoramas and fisheye photos are known by what their files say, or by what they show."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import ExifTags, Image

from glance3d.images import load_images, read_metadata
from glance3d.images.decoding.projection import shows_whole_sphere
from glance3d.reporting.warnings import projection_warnings
from glance3d.types import PhotoMetadata
from tests.images.files import gradient

GPANO = "<x:xmpmeta><rdf:Description GPano:{}/></x:xmpmeta>"


def sphere(width: int, seed: int = 0) -> Image.Image:
    """A drawn scene all around, as colours of directions."""
    random = np.random.default_rng(seed)
    longitude, latitude = np.meshgrid(
        np.linspace(-np.pi, np.pi, width, endpoint=False),
        np.linspace(np.pi / 2, -np.pi / 2, width // 2),
    )
    across = np.cos(latitude)
    rays = np.stack([across * np.sin(longitude), np.sin(latitude), across * np.cos(longitude)], -1)
    waves = [
        np.sin(rays @ random.normal(size=3) * frequency + random.uniform(0, 6))
        for frequency in (2, 5, 9, 17, 30)
        for _ in range(4)
    ]
    values = sum(waves[:10]), sum(waves[5:15]), sum(waves[10:])
    return Image.fromarray((np.stack(values, -1) * 12 + 128).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize(
    ("xmp", "projection"),
    [
        ('ProjectionType="equirectangular"', "equirectangular"),
        ("ProjectionType='cylindrical'", "cylindrical"),
        ('FullPanoWidthPixels="4000"', "equirectangular"),
        ('ProjectionType="rectilinear"', None),
    ],
)
def test_xmp_is_heard(tmp_path, suffix, xmp, projection):
    path, packet = tmp_path / f"a.{suffix}", GPANO.format(xmp).encode()
    picture = Image.fromarray(gradient(64, 40))
    if suffix == "png":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        picture.save(path, pnginfo=info)
    elif suffix == "tif":
        picture.save(path, tiffinfo={700: packet})
    else:
        picture.save(path, xmp=packet)
    assert read_metadata(path).projection == projection


@pytest.mark.parametrize(
    ("size", "tags", "projection"),
    [
        ((64, 40), {"lens": "EF8-15mm f/4L FISHEYE USM"}, "fisheye"),
        ((64, 40), {"lens": "EF24-70mm f/2.8L USM"}, None),
        ((80, 40), {"model": "RICOH THETA V"}, "equirectangular"),
        ((64, 40), {"model": "RICOH THETA V"}, None),
        ((64, 40), {"make": "Apple", "custom": 6}, "cylindrical"),
        ((64, 40), {"make": "Apple", "custom": 2}, None),
    ],
)
def test_exif_is_heard(tmp_path, size, tags, projection):
    exif = Image.Exif()
    for key, tag in (("make", ExifTags.Base.Make), ("model", ExifTags.Base.Model)):
        if key in tags:
            exif[tag] = tags[key]
    own = exif.get_ifd(ExifTags.IFD.Exif)
    if "lens" in tags:
        own[ExifTags.Base.LensModel] = tags["lens"]
    if "custom" in tags:
        own[ExifTags.Base.CustomRendered] = tags["custom"]
    own[ExifTags.Base.FocalLengthIn35mmFilm] = 24
    Image.fromarray(gradient(*size)).save(tmp_path / "a.jpg", exif=exif)
    metadata = read_metadata(tmp_path / "a.jpg")
    assert metadata.projection == projection
    # The focal length of what is no pinhole's picture is none.
    assert (metadata.focal_length(size) is None) == (projection is not None)


@pytest.mark.parametrize("seed", range(5))
def test_a_sphere_is_seen_where_the_file_says_nothing(tmp_path, seed):
    sphere(640, seed).save(tmp_path / "a.jpg", quality=92)
    assert load_images(tmp_path).metadata[0].projection == "equirectangular"


def test_other_wide_pictures_are_none():
    random = np.random.default_rng(0)
    noise = random.integers(0, 255, (64, 128, 3), np.uint8)
    smooth = Image.fromarray(noise).resize((640, 320), Image.Resampling.BICUBIC)
    backdrop = Image.new("RGB", (640, 320), "white")
    backdrop.paste(smooth.crop((0, 0, 200, 200)), (200, 60))
    level = np.repeat(np.linspace(220, 40, 320)[:, None], 640, 1).astype(np.uint8)
    whole = sphere(640)
    pictures = {
        "a photo": smooth,
        "a thing before a white backdrop": backdrop,
        "sky and ground": Image.fromarray(level).convert("RGB"),
        "a part of a sphere": whole.crop((100, 0, 500, 200)),
        "another shape": whole.resize((640, 400)),
        "one colour": Image.new("RGB", (640, 320), "grey"),
        "a gradient": Image.fromarray(gradient(640, 320)),
    }
    assert [name for name, picture in pictures.items() if shows_whole_sphere(picture)] == []


def test_the_report_names_them_and_the_way_to_go():
    plain = PhotoMetadata()
    metadata = (plain, replace(plain, projection="fisheye"), replace(plain, projection="fisheye"))
    (warning,) = projection_warnings(("a", "b", "c"), metadata)
    assert "2 of 3 photos are fisheye pictures (b, c)" in warning
    assert "cut perspective views out of them" in warning
    assert projection_warnings(("a",), (plain,)) == []

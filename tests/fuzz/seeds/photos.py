"""Photos of every kind that is read, with what cameras write beside the pixels; masks and clips."""

import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from tests.fuzz.seeds import Seed, seed_of_folder
from tests.images.clips.drawn import pan, write_clip
from tests.images.files import gradient, write_png_16bit, write_tiff_16bit_rgb

SIZE = (48, 32)
_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description rdf:about="" xmlns:GPano="http://ns.google.com/photos/1.0/'
    b'panorama/" GPano:ProjectionType="equirectangular" GPano:FullPanoWidthPixels="48" '
    b'GPano:CroppedAreaLeftPixels="0"/></rdf:RDF></x:xmpmeta>'
)


def photo_seeds() -> list[Seed]:
    """One photo of each format, some in several kinds."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            Seed({name: content}) for name, content in {**_by_pillow(), **_by_hand(folder)}.items()
        ]


def exif_seeds() -> list[Seed]:
    """Photos whose EXIF and XMP say all that is read of them."""
    picture, exif = Image.fromarray(gradient(*SIZE)), full_exif()
    options = {"exif": exif, "xmp": _XMP}
    files = {
        "exif.jpg": _saved(picture, "JPEG", **options, icc_profile=_profile()),
        "exif.png": _saved(picture, "PNG", exif=exif),
        "exif.webp": _saved(picture, "WEBP", **options),
        "exif.tif": _saved(picture, "TIFF", exif=exif),
    }
    return [Seed({name: content}) for name, content in files.items()]


def full_exif(orientation: int = 6) -> Image.Exif:
    """Camera, lens, orientation, focal lengths, time and place."""
    exif = Image.Exif()
    exif.update(
        {0x010F: "Maker", 0x0110: "Model", 0x0112: orientation, 0x0132: "2024:05:06 07:08:09"}
    )
    exif.get_ifd(0x8769).update(
        {0x9003: "2024:05:06 07:08:09", 0x920A: 4.2, 0xA405: 26, 0xA002: 48, 0xA003: 32}
        | {0xA20E: 3600.0, 0xA20F: 3600.0, 0xA210: 2, 0xA433: "Maker", 0xA434: "Lens"}
        | {0xA431: "4711", 0xA404: 1.5}
    )
    exif.get_ifd(0x8825).update(
        {1: "N", 2: (46.0, 56.0, 53.2), 3: "E", 4: (7.0, 26.0, 50.6), 5: 0, 6: 542.5}
    )
    return exif


def _by_pillow() -> dict[str, bytes]:
    picture = Image.fromarray(gradient(*SIZE))
    clear = picture.convert("RGBA")
    clear.putalpha(picture.convert("L"))
    others = [picture.rotate(180), picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    exif = full_exif()
    return {
        "photo.jpg": _saved(picture, "JPEG", exif=exif),
        "progressive.jpg": _saved(picture, "JPEG", progressive=True, subsampling=0),
        "grey.jpg": _saved(picture.convert("L"), "JPEG"),
        "print.jpg": _saved(picture.convert("CMYK"), "JPEG"),
        "photo.png": _saved(picture, "PNG"),
        "clear.png": _saved(clear, "PNG"),
        "palette.png": _saved(picture.quantize(16), "PNG", transparency=3),
        "bits.png": _saved(picture.convert("1"), "PNG"),
        "moving.png": _saved(picture, "PNG", save_all=True, append_images=others),
        "photo.webp": _saved(picture, "WEBP"),
        "moving.webp": _saved(clear, "WEBP", save_all=True, append_images=others, lossless=True),
        "packed.tif": _saved(picture, "TIFF", compression="tiff_lzw"),
        "deflated.tif": _saved(picture, "TIFF", compression="tiff_adobe_deflate", exif=exif),
        "float.tif": _saved(picture.convert("F"), "TIFF"),
        "pair.mpo": _saved(picture, "MPO", save_all=True, append_images=others[:1]),
        "photo.gif": _saved(picture, "GIF"),
        "moving.gif": _saved(picture, "GIF", save_all=True, append_images=others, loop=0),
        "photo.avif": _saved(picture, "AVIF"),
        "photo.heic": _heic(picture),
        "photo.bmp": _saved(picture, "BMP"),
        "photo.ppm": _saved(picture, "PPM"),
        "grey.pgm": _saved(picture.convert("L"), "PPM"),
    }


def _by_hand(folder: str) -> dict[str, bytes]:
    deep = gradient(*SIZE).astype(np.uint16) * 257
    files = {
        "deep.png": write_png_16bit(Path(folder) / "deep.png", deep),
        "deep grey.png": write_png_16bit(Path(folder) / "grey.png", deep[..., 0]),
        "deep.tif": write_tiff_16bit_rgb(Path(folder) / "deep.tif", deep),
    }
    return {name: path.read_bytes() for name, path in files.items()}


def _saved(picture: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def _heic(picture: Image.Image) -> bytes:
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(picture).save(file, format="HEIF", exif=full_exif().tobytes())
    return file.getvalue()


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def texture_seeds() -> list[Seed]:
    """Pictures that scenes are painted with: a few kinds are read."""
    kinds = (".jpg", ".png", ".webp")
    return [seed for seed in photo_seeds() if next(iter(seed.files)).endswith(kinds)]


def mask_seeds() -> list[Seed]:
    """Masks of a photo of ``SIZE``, as programs write them."""
    keep = Image.fromarray((gradient(*SIZE)[..., 0] > 100).astype(np.uint8) * 255)
    cut_out = Image.fromarray(gradient(*SIZE)).convert("RGBA")
    cut_out.putalpha(keep)
    labels = keep.point(lambda value: value // 255, "L").convert("P")
    files = {
        "photo.png": _saved(keep, "PNG"),
        "photo.tif": _saved(keep.convert("I;16"), "TIFF"),
        "photo.webp": _saved(cut_out, "WEBP", lossless=True),
        "photo.bmp": _saved(keep.convert("1"), "BMP"),
        "photo.jpg": _saved(keep, "JPEG", exif=full_exif(3)),
        "photo.jpg.png": _saved(labels, "PNG"),
    }
    return [Seed({name: content}) for name, content in files.items()]


def clip_seeds() -> list[Seed]:
    """A few small frames, in the containers and with the codecs that phones and programs write."""
    frames, facts = pan((0, 9, 20, 34), size=(64, 48)), {"location": "+46.9481+007.4474+542/"}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_clip(root / "a.mp4", frames, metadata=facts, rotation=90)
        write_clip(root / "b.mov", frames, codec="mjpeg", pixel_format="yuvj420p")
        write_clip(root / "c.mkv", frames, metadata=facts)
        write_clip(root / "d.avi", frames)
        return [Seed({name: data}) for name, data in seed_of_folder(root).files.items()]

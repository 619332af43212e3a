"""Files that Pillow cannot write, and pictures to put into files."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def gradient(width: int, height: int) -> np.ndarray:
    """An uint8 picture in which no two orientations look alike."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / max(1, width - 1), 255 * y / max(1, height - 1)
    return np.stack([red, green, (red + green) / 4 + 60], -1).round().astype(np.uint8)


def write_png_16bit(path: Path, values: np.ndarray) -> Path:
    """A 16-bit PNG of values [height, width] or [height, width, 3]."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    color_type = 0 if values.ndim == 2 else 2

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


def write_tiff_16bit_rgb(path: Path, values: np.ndarray) -> Path:
    """An uncompressed 16-bit TIFF of values [height, width, 3]."""
    height, width = values.shape[:2]
    short, long = 3, 4
    tags = [
        (256, long, 1, width),
        (257, long, 1, height),
        (258, short, 3, 8),  # bits per sample, at byte 8
        (259, short, 1, 1),
        (262, short, 1, 2),  # RGB
        (273, long, 1, 16),  # the pixels, at byte 16
        (277, short, 1, 3),
        (278, long, 1, height),
        (279, long, 1, values.size * 2),
    ]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = struct.pack("<2sHI", b"II", 42, 16 + values.size * 2) + struct.pack("<4H", 16, 16, 16, 0)
    path.write_bytes(head + values.astype("<u2").tobytes() + directory + bytes(4))
    return path


def stored_for(upright: Image.Image, orientation: int) -> Image.Image:
    """The pixels as a camera stores them, such that ``orientation`` makes them upright."""
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    return upright.copy() if undo is None else upright.transpose(undo)


def save_oriented(path: Path, upright: Image.Image, orientation: int, **options) -> Path:
    """A file whose EXIF orientation must be applied to see ``upright``."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    # As bytes: only then does pillow-heif write the rotation that HEIC has instead of EXIF's.
    stored_for(upright, orientation).save(path, exif=exif.tobytes(), **options)
    return path

"""The kind of a file in a folder of photos, by its name and its first bytes."""

from pathlib import Path


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


READABLE_SUFFIXES = (
    ".avif",
    ".bmp",
    ".gif",
    ".heic",
    ".heif",
    ".hif",
    ".jfif",
    ".jpe",
    ".jpeg",
    ".jpg",
    ".mpo",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)
#: A TIFF reader would take a raw file's thumbnail for the photo.
RAW_SUFFIXES = _words(
    ".3fr .ari .arw .bay .cap .cr2 .cr3 .crw .dcr .dcs .dng .drf .eip .erf .fff .gpr .iiq .k25 .kdc"
    " .mdc .mef .mos .mrw .nef .nrw .orf .pef .ptx .pxn .raf .raw .rw2 .rwl .rwz .sr2 .srf .srw"
    " .x3f"
)
# Files beside photos that are no photos: notes, sidecars, caches, results of other programs.
_COMPANIONS = _words(
    ".aae .bak .bib .bin .cfg .conf .csv .db .doc .docx .dop .gpx .html .htm .ini .ipynb .json .kml"
    " .kmz .las .laz .lnk .log .lrv .m .md .md5 .nmea .npy .npz .obj .ods .odt .on1 .out .pdf .pkl"
    " .ply .pp3 .pt .pth .py .rst .safetensors .sh .sha1 .sha256 .srt .tar .gz .thm .toml .tsv .txt"
    " .url .wav .mp3 .m4a .xlsx .xml .xmp .yaml .yml .zip .7z .rar"
)
_COMPANION_NAMES = frozenset({"makefile", "readme", "license", "licence", "notice", "copying"})

# First bytes, and what they begin.
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
    (b"P5\n", "PPM"),
    (b"P6\n", "PPM"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance"),
    (b"FUJIFILMCCD-RAW", "raw"),
    (b"IIRO", "raw"),
    (b"IIRS", "raw"),
    (b"IIU\0", "raw"),
    (b"FOVb", "raw"),
    (b"\x1aE\xdf\xa3", "a video"),
)
_READABLE_CONTENTS = frozenset({"JPEG", "PNG", "GIF", "TIFF", "BMP", "PPM", "WebP", "AVIF", "HEIF"})
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")


def looks_like_no_input(path: Path) -> bool:
    """Whether a file's name says that it only lies beside photos."""
    return path.suffix.lower() in _COMPANIONS or path.name.lower() in _COMPANION_NAMES


def picture_kind(start: bytes) -> str | None:
    """The kind of picture (or "a video") that begins with these bytes; None for anything else."""
    if start[4:8] == b"ftyp":
        if start[8:12] == b"crx ":
            return "raw"
        return "AVIF" if is_avif(start) else "HEIF" if is_heif(start) else "a video"
    if start[:4] == b"RIFF":
        return {b"WEBP": "WebP", b"AVI ": "a video"}.get(start[8:12])
    if start[:4] in (b"II*\0", b"MM\0*") and start[8:10] == b"CR":
        return "raw"
    return next((kind for first, kind in _STARTS if start.startswith(first)), None)


def is_readable_content(kind: str | None) -> bool:
    """Whether :func:`picture_kind` named a kind that can be decoded."""
    return kind in _READABLE_CONTENTS


def is_avif(start: bytes) -> bool:
    """Whether a file that begins so is an AVIF picture."""
    return any(brand in _AVIF_BRANDS for brand in _brands(start))


def is_heif(start: bytes) -> bool:
    """Whether a file that begins so is a HEIF picture (HEIC)."""
    return start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS


def _brands(start: bytes) -> list[bytes]:
    """The brands of an ISO media file: the first is what it is, the others what it fits."""
    if start[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(start[:4], "big"), len(start))
    return [start[8:12], *(start[at : at + 4] for at in range(16, end - 3, 4))]

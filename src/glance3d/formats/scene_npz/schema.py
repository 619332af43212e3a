"""Which arrays a ``scene.npz`` may hold: by name, type and shape, checked before they are read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from glance3d.errors import SceneError
from glance3d.files.npz_input import ArrayHeader

# Characters; a report of a thousand photos takes two million.
_MAX_TEXT = 2**24
_MAX_NAME = 4096


@dataclass(frozen=True)
class ArraySpec:
    """One array: NumPy kind and byte sizes of its values, and its shape.

    Letters in the shape stand for sizes that all arrays share: S views, H x W the depth maps' grid,
    Q queries, P points, O observations, M masks, B bytes, N warnings. ``required`` arrays
    are in every scene. For text the largest number of characters stands in place of byte sizes.
    """

    kind: str
    sizes: tuple[int, ...]
    shape: tuple[str | int, ...] = ()
    required: bool = False


def _floats(*shape: str | int, required: bool = False) -> ArraySpec:
    return ArraySpec("f", (4, 8), shape, required)


def _whole(*shape: str | int, required: bool = False) -> ArraySpec:
    return ArraySpec("i", (4, 8), shape, required)


def _bytes(*shape: str | int, required: bool = False) -> ArraySpec:
    return ArraySpec("u", (1,), shape, required)


def _flags(*shape: str | int, required: bool = False) -> ArraySpec:
    return ArraySpec("b", (1,), shape, required)


def _text(*shape: str | int, most: int = _MAX_NAME, required: bool = False) -> ArraySpec:
    return ArraySpec("U", (most,), shape, required)


# In the order in which the sizes become known.
SCHEMA: dict[str, ArraySpec] = {
    "format": _text(required=True),
    "schema_version": _whole(required=True),
    "names": _text("S", required=True),
    "sources": _text("S", required=True),
    "source_bytes": _whole("S"),
    "source_sha256": _text("S"),
    "copy_bytes": _whole("S"),
    "copy_sha256": _text("S"),
    "original_size": _whole("S", 2, required=True),
    "processed_size": _whole("S", 2, required=True),
    "scale": _floats("S", 2, required=True),
    "offset": _floats("S", 2, required=True),
    "exif_orientation": _whole("S", required=True),
    "cam_from_world": _floats("S", 3, 4, required=True),
    "intrinsics": _floats("S", 3, 3, required=True),
    "radial": _floats("S"),
    "physical": _whole("S"),
    "colors": _bytes("S", "H", "W", 3, required=True),
    "mask": _flags("S", "H", "W", required=True),
    "mask_views": _whole("M"),
    "mask_bits": _bytes("B"),
    "reference_view": _whole(),
    "depth": _floats("S", "H", "W"),
    "confidence": _floats("S", "H", "W"),
    "consistent": _flags("S", "H", "W"),
    "measured": _flags("S", "H", "W"),
    "points_world": _floats("S", "H", "W", 3),
    "points_from": _text(required=True),
    "track_positions": _floats("S", "Q", 2),
    "track_visibility": _floats("S", "Q"),
    "track_confidence": _floats("S", "Q"),
    "track_query_views": _whole("Q"),
    "sparse_points": _floats("P", 3),
    "sparse_colors": _bytes("P", 3),
    "sparse_views": _whole("O"),
    "sparse_indices": _whole("O"),
    "sparse_pixels": _floats("O", 2),
    "facts": _text(most=_MAX_TEXT),
    "trust": _text(most=_MAX_TEXT),
    "model": _text(required=True),
    "units": _text(required=True),
    "world": _text(),
    "report": _text(most=_MAX_TEXT, required=True),
    "warning_codes": _text("N"),
    "mask_input": _flags(),
    "tracked_by": _text(),
    "registered_by": _text("S"),
}
# Of these all are there, or none.
_TOGETHER = (
    ("source_bytes", "source_sha256"),
    ("copy_bytes", "copy_sha256"),
    ("mask_views", "mask_bits"),
    ("track_positions", "track_visibility", "track_confidence"),
    ("sparse_points", "sparse_colors", "sparse_views", "sparse_indices", "sparse_pixels"),
)


def check_headers(
    headers: Mapping[str, ArrayHeader], names: Collection[str] = SCHEMA.keys()
) -> None:
    """Refuse arrays of other types or shapes than a scene's, and sets that are not whole.

    ``names`` are those of the schema to check.

    Raises:
        SceneError: the sentence's middle: what is wrong with the scene.
    """
    missing = [name for name in names if SCHEMA[name].required and name not in headers]
    for group in _TOGETHER:
        present = [name for name in group if name in headers]
        missing += [name for name in group if present and name not in headers]
    if missing:
        raise SceneError(f"it lacks {', '.join(missing)}")
    sizes: dict[str, int] = {}
    for name in names:
        if name in headers:
            _check_type(name, SCHEMA[name], headers[name])
            _check_shape(name, SCHEMA[name], headers[name], sizes)


def _check_type(name: str, spec: ArraySpec, header: ArrayHeader) -> None:
    dtype = header.dtype
    if spec.kind == "U":
        fits = dtype.kind == "U" and dtype.itemsize // 4 <= spec.sizes[0]
    else:
        fits = dtype.kind == spec.kind and dtype.itemsize in spec.sizes
    if not fits:
        raise SceneError(f"its {name} is of type {dtype.str}, which a scene's is not")


def _check_shape(name: str, spec: ArraySpec, header: ArrayHeader, sizes: dict[str, int]) -> None:
    """``sizes`` are those known by letter; new ones are added."""
    shape = header.shape
    if len(shape) == len(spec.shape):
        for letter, size in zip(spec.shape, shape, strict=True):
            if isinstance(letter, str):
                sizes.setdefault(letter, size)
    wanted = tuple(sizes.get(size, size) if isinstance(size, str) else size for size in spec.shape)
    if shape != wanted:
        shown = f"({', '.join(map(str, wanted))})"
        raise SceneError(f"its {name} has shape {shape}, not {shown}")
    if 0 in (sizes.get("S"), sizes.get("H"), sizes.get("W")):
        raise SceneError("it has no views, or views without pixels")

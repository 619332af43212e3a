"""NumPy's files with other headers, values and members: they need not hold what they say."""

import io
import warnings
import zipfile
from collections.abc import Sequence
from random import Random

import numpy as np

from tests.fuzz.mutations.plain import damage
from tests.fuzz.mutations.text import TEXTS, mutate_json

_DTYPES = (
    "<f2",
    "<f4",
    "<f8",
    "<i1",
    "<i8",
    "<u1",
    "<u2",
    "|b1",
    "<c8",
    "|O",
    "<M8[s]",
    "|V4",
    "<U2",
)
_SIDES = (0, 1, 2, 3, 7, 100, 2**16, 2**31, 2**62, -1)
_VALUES = (0.0, -1.0, 1.0, 2.0, 7.0, 1e9, 1e38, -1e38, float("nan"), float("inf"), 2.0**31, 2.0**62)
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_BOMB_BYTES = 2**28  # of zeros, which deflate to a thousandth


def mutate_npy(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Another dtype, shape or order than the data has, or other data in another shape."""
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception:
        return damage(content, others, random)
    if random.random() < 0.3:
        return _with_header(array, random)
    return _as_npy(_other_array(array, random))


def mutate_npz(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Another member, none, two of one name, another compression, or a bomb."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
    except Exception:
        return damage(content, others, random)
    if not members:
        return damage(content, others, random)
    index = random.randrange(len(members))
    name, data = members[index]
    compression = zipfile.ZIP_STORED
    choice = random.randrange(30)
    if choice == 0:
        del members[index]
    elif choice in (1, 5):
        members.append((name, members[random.randrange(len(members))][1]))
    elif choice in (2, 6):
        members[index] = (random.choice(("../" + name, "/" + name, name[:-4], "x.npy")), data)
    elif choice in (3, 7):
        compression = random.choice(_COMPRESSIONS)
    elif choice == 4:
        members[index] = (name, _bomb(random))
        compression = zipfile.ZIP_DEFLATED
    else:
        members[index] = (name, mutate_npy(data, [other for _, other in members], random))
    return _as_zip(members, compression)


def _other_array(array: np.ndarray, random: Random) -> np.ndarray:
    if array.dtype.kind == "U":
        return _other_texts(array, random)
    choice = random.randrange(12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numbers that another type cannot hold
        if choice == 0:
            return array.astype(
                random.choice(("f2", "f4", "f8", "i1", "i8", "u1", "b1", "c8", "U8"))
            )
        if choice == 1:
            return array[..., None] if random.random() < 0.5 else array.reshape(-1)
        if choice == 2:
            return array[: random.choice((0, 1))] if array.ndim else np.zeros(2, array.dtype)
        if choice == 3:
            return np.concatenate([array, array]) if array.ndim else array[None]
        changed = array.copy()
        if changed.size:
            few = slice(None) if choice < 6 else random.randrange(changed.size)
            values = np.array(random.choice(_VALUES) * random.choice((1, 0.1))).astype(
                changed.dtype
            )
            changed.reshape(-1)[few] = values
        return changed


def _other_texts(array: np.ndarray, random: Random) -> np.ndarray:
    texts = array.reshape(-1).tolist()
    index = random.randrange(len(texts)) if texts else 0
    if texts and texts[index][:1] in ("{", "["):
        changed = mutate_json(texts[index].encode("utf-8", "replace"), (), random)
        texts[index] = changed.decode("utf-8", "replace")
    elif random.random() < 0.5:
        return np.array(random.choice((1, -1, 2.5, [1, 2])))
    else:
        texts[index : index + 1] = [random.choice(TEXTS).replace("\ud800", "?")]
    return np.array(texts).reshape(array.shape) if len(texts) == array.size else np.array(texts)


def _with_header(array: np.ndarray, random: Random) -> bytes:
    """The array's bytes under a header that says something else."""
    dtype, shape = array.dtype.str, list(array.shape)
    choice = random.randrange(4)
    if choice == 0:
        dtype = random.choice(_DTYPES)
    elif choice == 1 and shape:
        shape[random.randrange(len(shape))] = random.choice(_SIDES)
    elif choice == 2:
        shape.append(random.choice(_SIDES))
    else:
        shape = [random.choice(_SIDES)] * random.choice((1, 2, 40))
    order = random.random() < 0.2
    return _npy(dtype, tuple(shape), order, array.tobytes())


def _npy(dtype: str, shape: tuple[int, ...], fortran_order: bool, data: bytes) -> bytes:
    header = f"{{'descr': {dtype!r}, 'fortran_order': {fortran_order}, 'shape': {shape}, }}"
    padded = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + data


def _bomb(random: Random) -> bytes:
    shape = random.choice(((_BOMB_BYTES,), (2, 2**13, 2**14), (1, _BOMB_BYTES)))
    return _npy(random.choice(("|u1", "|b1")), shape, False, bytes(_BOMB_BYTES))


def _as_npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array).reshape(array.shape))
    return file.getvalue()


def _as_zip(members: Sequence[tuple[str, bytes]], compression: int) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two of one name
        with zipfile.ZipFile(file, "w", compression, compresslevel=1) as archive:
            for name, data in members:
                archive.writestr(zipfile.ZipInfo(name), data, compression)
    return file.getvalue()

"""Weights from a file, without unpickling objects and without a second copy in memory.

A network is made on the meta device, where tensors have no storage, and the file's tensors are
assigned to it. A ``.safetensors`` file is mapped, so that float32 weights of a float32 file are
read from disk as they are used; a conversion holds one tensor at a time beside the result.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from glance3d.errors import ConfigError, WeightsError
from glance3d.files.atomic import atomic_file
from glance3d.files.json_input import parse_json_object
from glance3d.files.regular_file import regular_file
from glance3d.models.config import ModelConfig
from glance3d.models.weights.pickled_data import is_plain, load_plain_data
from glance3d.models.weights.remap import is_left_out, name_from_published, published_from_name
from glance3d.out_of_memory import is_out_of_memory
from glance3d.text import visible_text

CONFIG_KEY = "glance3d_config"
MAX_NAMES_SHOWN = 5
_MAX_NAME, _MAX_REASON = 200, 400
GROUP_PARAMETERS = 200_000_000
_FLOATS = ("F32", "BF16", "F16", "F64")
_DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16}  # the file format's names


def load_weights(model: nn.Module, path: Path, device: torch.device) -> None:
    """Fill a network (on the meta device or real) from a file with the published names.

    Raises:
        WeightsError: if the file cannot be read, or its tensors are not the network's: missing,
            extra and misshapen ones are named.
    """
    check_names(model, path)
    expected = {published_from_name(name): t for name, t in model.state_dict().items()}
    state = {}
    for name, tensor in _read_tensors(path, device, {n: t.dtype for n, t in expected.items()}):
        ours = name_from_published(name)
        # Vectors are copied: one mapped bias would keep everything read with it in memory.
        state[ours] = tensor.to(device, expected[name].dtype, copy=tensor.ndim <= 1)
    model.load_state_dict(state, strict=True, assign=True)


def check_names(model: nn.Module, path: Path) -> None:
    """Compare the tensors of a file with the network's, by their published names and shapes.

    Raises:
        WeightsError: as :func:`load_weights`.
    """
    expected = {published_from_name(n): tuple(t.shape) for n, t in model.state_dict().items()}
    _check_names(path, expected, dict(_read_shapes(path)))


def save_weights(model: nn.Module, path: Path, config: ModelConfig, **about: str) -> None:
    """Write ``.safetensors`` with the published names and the config in its metadata."""
    state = {published_from_name(n): t.contiguous().cpu() for n, t in model.state_dict().items()}
    metadata = {CONFIG_KEY: json.dumps(config.to_dict()), **about}
    with atomic_file(path) as temporary:
        save_file(state, temporary, metadata=metadata)
        temporary.chmod(0o644)  # it would be readable by its owner alone


def check_weights_file(path: Path) -> None:
    """Refuse what is no file (``WeightsError``), before anything waits for it."""
    if not path.exists():
        raise WeightsError(f"no weights file at {path}")
    regular_file(path, error=WeightsError)


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a ``.safetensors`` file; empty for other files."""
    if path.suffix != ".safetensors":
        return {}
    with _open_safetensors(path) as file:
        return file.metadata() or {}


def read_config(path: Path) -> ModelConfig | None:
    """The config that a file carries, or None if it carries none."""
    text = read_metadata(path).get(CONFIG_KEY)
    if text is None:
        return None
    record = parse_json_object(text, f"the config in {path}", error=WeightsError)
    try:
        return ModelConfig.from_dict(record)
    except ConfigError as error:
        raise WeightsError(f"{path} carries a config that cannot be used: {error}") from error


def refuse_more_blocks_than_tensors(path: Path, config: ModelConfig) -> None:
    """Compare a network's size with the file's before it is built, which takes time.

    Raises:
        WeightsError: the file cannot be read, or holds fewer tensors than the config has blocks.
    """
    num_tensors = sum(1 for _ in _read_shapes(path))
    if num_tensors < config.num_blocks:
        raise WeightsError(
            f"{path} does not fit this network: it holds {num_tensors} tensors, fewer than the "
            f"{config.num_blocks} blocks of {config.name}"
        )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a ``.safetensors`` or ``.pt`` file, by their published names, on the CPU.

    Raises:
        WeightsError: the file cannot be read, or holds other than floating-point numbers.
    """
    if path.suffix != ".safetensors":
        return _load_pickled_tensors(path)
    names = [name for name, _ in _read_shapes(path)]
    with _open_safetensors(path) as file:
        return {name: file.get_tensor(name) for name in names}


def _read_shapes(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    if path.suffix == ".safetensors":
        with _open_safetensors(path) as file:
            for name in file.keys():  # noqa: SIM118 (a safetensors file is no dict)
                if is_left_out(name):
                    continue
                part = file.get_slice(name)
                if part.get_dtype() not in _FLOATS:
                    raise WeightsError(
                        f"{name[:80]!r} in {path} must be floating-point numbers "
                        f"({', '.join(_FLOATS)}), got {part.get_dtype()}"
                    )
                yield name, tuple(part.get_shape())
    else:
        for name, tensor in _load_pickled_tensors(path).items():
            yield name, tuple(tensor.shape)


def _read_tensors(
    path: Path, device: torch.device, dtypes: Mapping[str, torch.dtype]
) -> Iterator[tuple[str, Tensor]]:
    if path.suffix != ".safetensors":
        yield from _load_pickled_tensors(path).items()
        return
    # Opened anew for each group, so that what was converted is unmapped as the reading goes on.
    for names in _groups_of_names(path, dtypes):
        with _open_safetensors(path, str(device)) as file:
            for name in names:
                yield name, file.get_tensor(name)


def _groups_of_names(path: Path, dtypes: Mapping[str, torch.dtype]) -> Iterator[list[str]]:
    """All names, some ``GROUP_PARAMETERS`` numbers at a time.

    What is used as the file has it, and so stays mapped, shares no group with what is converted:
    it would keep the whole group's memory.
    """
    shapes = dict(_read_shapes(path))
    with _open_safetensors(path) as file:
        as_it_is = {n for n in shapes if _DTYPES.get(file.get_slice(n).get_dtype()) == dtypes[n]}
    for chosen in (shapes.keys() - as_it_is, as_it_is):
        group, total = [], 0
        for name in (name for name in shapes if name in chosen):
            group.append(name)
            total += math.prod(shapes[name])
            if total > GROUP_PARAMETERS:
                yield group
                group, total = [], 0
        yield group


def _open_safetensors(path: Path, device: str = "cpu"):
    check_weights_file(path)
    try:
        return safe_open(path, framework="pt", device=device)
    except (SafetensorError, OSError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        reason = visible_text(" ".join(str(error).split()))[:_MAX_REASON]
        raise WeightsError(f"{path} is no readable .safetensors file: {reason}") from error


def _load_pickled_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.pt`` file; anything in it that is not plain data is refused unread."""
    check_weights_file(path)
    data = load_plain_data(path, "weights file", mapped=True)
    for key in ("model", "state_dict"):
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            data = data[key]
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise WeightsError(f"{path} holds no dictionary of tensors")
    strange = next((name for name, value in data.items() if not is_plain(value)), None)
    if strange is not None:
        raise WeightsError(
            f"{path} holds {strange[:80]!r}, which is no dense tensor of floating-point numbers"
        )
    return data


def _check_names(
    path: Path, expected: dict[str, tuple[int, ...]], carried: dict[str, tuple[int, ...]]
) -> None:
    problems = {
        "missing": sorted(expected.keys() - carried.keys()),
        "extra": sorted(carried.keys() - expected.keys()),
        "of another shape": [
            f"{name} {carried[name]} instead of {shape}"
            for name, shape in expected.items()
            if name in carried and carried[name] != shape
        ],
    }
    parts = [f"{len(names)} {kind}: {_shorten(names)}" for kind, names in problems.items() if names]
    if parts:
        raise WeightsError(f"{path} does not fit this network ({'; '.join(parts)})")


def _shorten(names: list[str]) -> str:
    shown = ", ".join(visible_text(name[:_MAX_NAME]) for name in names[:MAX_NAMES_SHOWN])
    more = len(names) - MAX_NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown

"""Reading a ``.pt`` file from anywhere: plain tensors and numbers, and nothing that runs.

``weights_only`` keeps code out. What it does not know is how large things get: an archive that is
compressed can unpack to a thousand times its size, so that only archives as torch writes them,
stored, are opened.
"""

import zipfile
from pathlib import Path
from typing import Any

import torch

from glance3d.errors import WeightsError
from glance3d.files.regular_file import regular_file
from glance3d.out_of_memory import is_out_of_memory
from glance3d.text import visible_text

_MAX_REASON = 400


def load_plain_data(path: Path, what: str, *, mapped: bool = False) -> Any:
    """What a ``.pt`` file holds, on the CPU; ``what`` names its kind in errors.

    Raises:
        WeightsError: it is missing, no such file, compressed, damaged, or holds more than data.
    """
    regular_file(path, error=WeightsError)
    try:
        _refuse_compressed(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except WeightsError:
        raise
    except Exception as error:  # the reader of pickles throws whatever a damaged one leads it to
        if is_out_of_memory(error):
            raise
        reason = visible_text((str(error) or type(error).__name__).splitlines()[0])[:_MAX_REASON]
        if reason.startswith("Weights only load failed"):  # then advice on how to trust it
            reason = "it holds more than tensors and numbers, or is damaged"
        raise WeightsError(f"{path} is not a readable {what} of plain tensors: {reason}") from error


def is_plain(value: Any) -> bool:
    """Whether a value is a dense tensor of real floating-point numbers that are at hand."""
    return (
        isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.is_floating_point()
    )


def _refuse_compressed(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
    if not stored or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise WeightsError(f"{path} is compressed, which torch does not write: it is not opened")

"""Weights and checkpoints: other trees of tensors and numbers, other headers and configs."""

import io
import json
import zipfile
from collections.abc import Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor

from tests.fuzz.mutations.plain import damage
from tests.fuzz.mutations.text import mutate_json, mutate_tree

_DTYPES = (torch.float16, torch.float64, torch.int64, torch.bool, torch.complex64, torch.bfloat16)


def mutate_checkpoint(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Another value somewhere in the tree that a ``.pt`` file holds, or a damaged member of it."""
    try:
        if random.random() < 0.3:
            return _with_damaged_member(content, random)
        tree = torch.load(io.BytesIO(content), weights_only=True)
        file = io.BytesIO()
        torch.save(_with_other_tensor(tree, random) or mutate_tree(tree, random), file)
        return file.getvalue()
    except Exception:
        return damage(content, others, random)


def _with_other_tensor(tree: Any, random: Random) -> Any:
    """The tree with one tensor of another type, shape or value; None where it holds none."""
    places = list(_tensors(tree))
    if not places or random.random() < 0.5:
        return None
    holder, key = random.choice(places)
    holder[key] = _other_tensor(holder[key], random)
    return tree


def _tensors(tree: Any) -> Any:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if isinstance(value, Tensor):
                yield tree, key
            else:
                yield from _tensors(value)


def _other_tensor(tensor: Tensor, random: Random) -> Any:
    changes = (
        lambda: tensor.to(random.choice(_DTYPES)),
        lambda: tensor[None],
        lambda: tensor.reshape(-1)[:1],
        lambda: torch.full_like(tensor, float("nan") if tensor.is_floating_point() else 0),
        lambda: tensor.reshape(-1)[:1].expand(2**40) if tensor.numel() else tensor,
        lambda: tensor.to_sparse(),
        lambda: {},
        lambda: None,
    )
    return random.choice(changes)()


def _with_damaged_member(content: bytes, random: Random) -> bytes:
    """A whole archive, of which one member is damaged: its check sum is right again."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice([name for name in members if "/data/" not in name] or list(members))
    members[name] = damage(members[name], (), random)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return file.getvalue()


def mutate_safetensors(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Another header, or another config within it."""
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
        metadata = header.get("__metadata__")
        if metadata and random.random() < 0.6:
            header["__metadata__"] = mutate_tree(metadata, random)
            changed = json.dumps(header).encode()
        else:
            changed = mutate_json(content[8 : 8 + length], others, random)
    except (ValueError, RecursionError, AttributeError):
        return damage(content, others, random)
    stated_length = random.choice((0, 2**62, length)) if random.random() < 0.1 else len(changed)
    return stated_length.to_bytes(8, "little") + changed + content[8 + length :]

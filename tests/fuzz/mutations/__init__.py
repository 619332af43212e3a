"""A file's bytes to others, by its kind: plain damage first of all, then what knows the format."""

from collections.abc import Sequence
from pathlib import PurePath
from random import Random

from tests.fuzz.mutations.arrays import mutate_npy, mutate_npz
from tests.fuzz.mutations.checkpoints import mutate_checkpoint, mutate_safetensors
from tests.fuzz.mutations.pictures import mutate_png, mutate_segments
from tests.fuzz.mutations.plain import Mutation, damage
from tests.fuzz.mutations.text import mutate_json, mutate_lines, mutate_text

# What is tried on a file beside plain damage, by its suffix.
_BY_SUFFIX: dict[str, tuple[Mutation, ...]] = {
    ".json": (mutate_json, mutate_json, mutate_text),
    ".jsonl": (mutate_lines, mutate_text),
    ".txt": (mutate_lines, mutate_text, mutate_text),
    ".npy": (mutate_npy, mutate_npy),
    ".npz": (mutate_npz, mutate_npz, mutate_npz),
    ".pt": (mutate_checkpoint, mutate_checkpoint),
    ".safetensors": (mutate_safetensors, mutate_safetensors),
    ".png": (mutate_png,),
    ".jpg": (mutate_segments,),
    ".mpo": (mutate_segments,),
}
_MORE = 0.3  # the chance of one more mutation after each


def mutate(name: str, content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """The content of a file of this name, mutated at least once; ``others`` may be spliced in."""
    kinds = (damage, *_BY_SUFFIX.get(PurePath(name).suffix, ()))
    content = random.choice(kinds)(content, others, random)
    while random.random() < _MORE:
        content = random.choice(kinds)(content, others, random)
    return content

"""Time, memory and traffic on paper, from counted work and bytes: many photos, many GPUs."""

from collections.abc import Iterator
from dataclasses import dataclass

from glance3d.models.config import VGGTConfig, vggt_1b

PHOTOS = (1_000, 3_000, 10_000, 30_000, 100_000)
GPUS = (1, 8, 64)
_SIZE = (336, 518)  # pixels of a photo
_WINDOW, _SHARED = 64, 16
_GPUS_OF_A_MACHINE = 8
_TERA, _GIGA = 1e12, 1e9


@dataclass(frozen=True)
class Rates:
    """What one GPU and the wires are taken to do, in operations and bytes a second."""

    linear: float = 700 * _TERA
    attention: float = 500 * _TERA
    efficiency: float = 0.6  # of these; the published implementation reaches 1 / 1.3 at 200 photos
    within_machine: float = 400 * _GIGA
    between_machines: float = 50 * _GIGA
    memory: float = 141 * _GIGA


@dataclass(frozen=True)
class Work:
    """Of one pass over some photos: operations, and bytes of keys and values of global layers."""

    linear: float
    attention: float
    keys_and_values: float


def tokens_of_a_photo(config: VGGTConfig, size: tuple[int, int] = _SIZE) -> int:
    """Patches, the camera token and registers."""
    patches = (size[0] // config.patch_size) * (size[1] // config.patch_size)
    return patches + 1 + config.aggregator.num_register_tokens


def count(config: VGGTConfig, photos: int, size: tuple[int, int] = _SIZE) -> Work:
    """Of the aggregator's pairs of blocks; a multiplication and an addition are two operations.

    The patch embedding is taken to be as many blocks again as a config's depth, which holds for
    VGGT-1B; heads are left out: they are linear in photos.
    """
    dim, depth = config.embed_dim, config.aggregator.depth
    tokens = photos * tokens_of_a_photo(config, size)
    # Of one block and token: queries, keys, values and the way out (4 dim^2), the perceptron.
    weights = (4 + 2 * config.aggregator.mlp_ratio) * dim**2
    linear = 2.0 * weights * 3 * depth * tokens
    # Scores and their product with the values: 2 * 2 * dim operations a query and key.
    of_pair = 4.0 * dim * depth
    attention = of_pair * tokens**2 + 2 * of_pair * tokens * tokens_of_a_photo(config, size)
    return Work(linear, attention, 2.0 * dim * 2 * tokens * depth)


def seconds(work: Work, gpus: int, rates: Rates) -> float:
    """Photos split over GPUs; keys and values of all travel to all, beside the products."""
    compute = work.linear / rates.linear + work.attention / rates.attention
    compute /= gpus * rates.efficiency
    wire = rates.within_machine if gpus <= _GPUS_OF_A_MACHINE else rates.between_machines
    received = work.keys_and_values * (gpus - 1) / gpus
    return max(compute, received / wire)


def num_windows(photos: int) -> int:
    """Of ``_WINDOW`` photos, each sharing ``_SHARED`` with the next."""
    return max(1, -(-(photos - _SHARED) // (_WINDOW - _SHARED)))


def bytes_at_once(config: VGGTConfig, photos: int, gpus: int) -> float:
    """Of a GPU in one exact pass: its photos' tokens in a global layer, and all photos' keys."""
    tokens = photos * tokens_of_a_photo(config)
    dim = config.embed_dim
    own = tokens / gpus * dim * (2 * 4 + 4 * 2)  # stream and norm in float32, the rest in bfloat16
    gathered = tokens * dim * 2 * 2 if gpus > 1 else 0.0
    return own + gathered


def lines(rates: Rates | None = None) -> Iterator[str]:
    """The table, and what it takes for granted."""
    rates = rates or Rates()
    config = vggt_1b()
    yield "| photos | GPUs | one exact pass | GB a GPU | in windows | keys and values sent, GB |"
    yield "| --- | --- | --- | --- | --- | --- |"
    window = count(config, _WINDOW)
    for photos in PHOTOS:
        whole = count(config, photos)
        for gpus in GPUS:
            held = bytes_at_once(config, photos, gpus)
            fits = "" if held < rates.memory else ", too much"
            rounds = -(-num_windows(photos) // gpus)
            yield (
                f"| {photos:,} | {gpus} | {_duration(seconds(whole, gpus, rates))} "
                f"| {held / _GIGA:.0f}{fits} | {_duration(rounds * seconds(window, 1, rates))} "
                f"| {whole.keys_and_values * (gpus - 1) / gpus / _GIGA:,.0f} |"
            )
    yield ""
    yield (
        f"Taken for granted: VGGT-1B in bfloat16, photos of {_SIZE[1]} x {_SIZE[0]} pixels "
        f"({tokens_of_a_photo(config)} tokens), GPUs that reach {rates.efficiency:.0%} of "
        f"{rates.linear / _TERA:.0f} TFLOP/s in linear layers and {rates.attention / _TERA:.0f} in "
        f"attention, wires of {rates.within_machine / _GIGA:.0f} GB/s in a machine of "
        f"{_GPUS_OF_A_MACHINE} and {rates.between_machines / _GIGA:.0f} between machines, used "
        f"while products run; {rates.memory / _GIGA:.0f} GB a GPU. Aggregator only: heads, reading "
        "and writing photos, and joining windows are linear in photos and not in it. A window is "
        f"{_WINDOW} photos that share {_SHARED} with the next, one GPU each. GB a GPU: residual "
        "stream, norm, queries, keys, values, and all photos' keys and values of one layer."
    )


def _duration(in_seconds: float) -> str:
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if in_seconds >= 2 * length:
            return f"{in_seconds / length:,.1f} {unit}"
    return f"{in_seconds:.1f} s"

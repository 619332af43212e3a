"""Damage to bytes of whatever format: as disks, cables and lenient writers do it, and worse."""

from collections.abc import Callable, Sequence
from random import Random

Mutation = Callable[[bytes, Sequence[bytes], Random], bytes]

_INTERESTING = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1)
_LARGE = (2**40, 2**63 - 1, 2**63, 2**64 - 1)
_LONGEST = 2**22


def damage(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """One kind of plain damage, chosen at random."""
    changed = random.choice(_DAMAGES)(content, others, random)
    return changed[:_LONGEST]


def span(content: bytes, random: Random, longest: int | None = None) -> tuple[int, int]:
    """Where a random piece begins and ends; short ones are as likely as long ones."""
    start = random.randrange(len(content) + 1)
    room = min(len(content) - start, longest or len(content))
    return start, start + min(room, int(2 ** random.uniform(0, room.bit_length())))


def flip_bits(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16, 64)) if changed else 0):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def set_number(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """A whole number of one to eight bytes, as sizes and offsets are stored."""
    width = random.choice((1, 2, 4, 8))
    number = random.choice(_INTERESTING + _LARGE) % 2 ** (8 * width)
    start = random.randrange(len(content) + 1)
    order = random.choice(("little", "big"))
    return content[:start] + number.to_bytes(width, order) + content[start + width :]


def cut_end(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def cut_front(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    return content[random.randrange(len(content) + 1) :]


def cut_out(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    start, end = span(content, random)
    return content[:start] + content[end:]


def blank(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """A piece of one value, as a block that was never written."""
    start, end = span(content, random)
    return content[:start] + random.choice((b"\0", b"\xff")) * (end - start) + content[end:]


def insert(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    start, _ = span(content, random)
    return content[:start] + random.randbytes(random.choice((1, 2, 4, 16, 256))) + content[start:]


def repeat(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    start, end = span(content, random, 4096)
    return content[:end] + content[start:end] * random.choice((1, 2, 10, 200)) + content[end:]


def exchange(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    a, b, c, d = sorted(random.randrange(len(content) + 1) for _ in range(4))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def splice(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """The beginning of one file and the end of another."""
    other = random.choice(others) if others else content
    return content[: random.randrange(len(content) + 1)] + other[random.randrange(len(other) + 1) :]


def empty(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    return b""


_DAMAGES: tuple[Mutation, ...] = (
    *(flip_bits, flip_bits, flip_bits, set_number, set_number, set_number),
    *(cut_end, cut_end, cut_front, cut_out, blank, insert, repeat, exchange, splice),
    *(flip_bits, set_number, cut_end, cut_out, blank, insert, repeat, exchange, splice, empty),
)

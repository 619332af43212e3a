"""Pictures whose parts are damaged one by one, with check sums that are right all the same."""

import struct
import zlib
from collections.abc import Sequence
from random import Random

from tests.fuzz.mutations.plain import damage

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def mutate_png(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """A chunk of other content or kind, gone, twice, or elsewhere."""
    chunks = _chunks(content)
    if not chunks:
        return damage(content, others, random)
    index = random.randrange(len(chunks))
    kind, data = chunks[index]
    choice = random.randrange(6)
    if choice == 0:
        del chunks[index]
    elif choice == 1:
        chunks.insert(random.randrange(len(chunks) + 1), (kind, data))
    elif choice == 2:
        kinds = (b"tRNS", b"PLTE", b"iTXt", b"zTXt", b"eXIf", b"acTL", b"fcTL", b"iCCP", b"gAMA")
        chunks.insert(random.randrange(len(chunks) + 1), (random.choice(kinds), data))
    else:
        chunks[index] = (kind, damage(data, [other for _, other in chunks], random))
    return _SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    chunks, position = [], len(_SIGNATURE)
    while content.startswith(_SIGNATURE) and position + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        kind = content[position + 4 : position + 8]
        chunks.append((kind, content[position + 8 : position + 8 + length]))
        position += 12 + length
    return chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def mutate_segments(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """A JPEG's segment before the pixels (EXIF, XMP, tables) of other content, its length right."""
    segments, rest = _segments(content)
    if not segments:
        return damage(content, others, random)
    index = random.randrange(len(segments))
    marker, data = segments[index]
    choice = random.randrange(6)
    if choice == 0:
        del segments[index]
    elif choice == 1:
        segments.insert(random.randrange(len(segments) + 1), (marker, data))
    else:
        segments[index] = (marker, damage(data, [other for _, other in segments], random)[:65533])
    joined = b"".join(b"\xff%c%b%b" % (m, struct.pack(">H", len(d) + 2), d) for m, d in segments)
    return b"\xff\xd8" + joined + rest


def _segments(content: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    segments, position = [], 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker, length = content[position + 1], struct.unpack_from(">H", content, position + 2)[0]
        if marker == 0xDA:  # the pixels follow
            break
        segments.append((marker, content[position + 4 : position + 2 + length]))
        position += 2 + max(length, 2)
    return segments, content[position:]

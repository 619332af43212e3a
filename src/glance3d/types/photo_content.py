"""What makes a file the photo that was reconstructed, wherever it lies."""

from dataclasses import dataclass

_SHA256_DIGITS = 64


@dataclass(frozen=True)
class PhotoContent:
    """The content of a photo's file, or of the clip that a frame is of.

    ``size`` is in bytes; ``sha256`` has 64 lower-case hexadecimal digits. Two files with one
    content are one photo; a file with another content is another photo, or was edited since.
    """

    size: int
    sha256: str

    @property
    def is_valid(self) -> bool:
        """Whether a file can have it; one that was read from a scene can hold anything."""
        digits = set(self.sha256) <= set("0123456789abcdef")
        return self.size > 0 and len(self.sha256) == _SHA256_DIGITS and digits


# One a view; None where no file is known (arrays, images in memory). Empty if none is known.
PhotoContents = tuple[PhotoContent | None, ...]

"""Records of a file that are not understood and passed over, so that the others can be used."""

from dataclasses import dataclass, field

_SHOWN = 3


@dataclass
class SkippedRecords:
    """How many records were passed over, the first few of them in words."""

    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, where: str, reason: str) -> None:
        """One more."""
        self.count += 1
        if len(self.shown) < _SHOWN:
            self.shown.append(f"{where} ({reason})")

    def warning(self, what: str) -> list[str]:
        """One sentence about all of them, if there are any; ``what`` is not used for them."""
        if not self.count:
            return []
        more = f" and {self.count - len(self.shown)} more" if self.count > len(self.shown) else ""
        return [f"not understood, and {what}: {', '.join(self.shown)}{more}"]

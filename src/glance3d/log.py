"""What the library logs (``glance3d``), shown while a block runs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from glance3d.text import visible_text


class VisibleFormatter(logging.Formatter):
    """Names of files in the log move no cursor."""

    def format(self, record: logging.LogRecord) -> str:
        """The message as text that can be seen."""
        return visible_text(super().format(record), keep="\n\t")


@contextmanager
def logging_to(handler: logging.Handler) -> Iterator[None]:
    """Give the library's notes and warnings to a handler within the block."""
    logger = logging.getLogger("glance3d")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)

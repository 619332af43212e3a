"""What two processes say to each other through a pipe: pickles, each after its length.

A thread that reads hands on bytes; they are unpickled where they are used. Unpickling imports
modules, and two threads that import packages which need each other see halves of them.
"""

import io
import pickle
import queue
from typing import Any

_LENGTH_BYTES = 8


def send(value: Any, sink: io.BufferedIOBase) -> None:
    """Write one value."""
    content = pickle.dumps(value)
    sink.write(len(content).to_bytes(_LENGTH_BYTES, "big") + content)
    sink.flush()


def hand_on(source: io.BufferedIOBase, received: "queue.SimpleQueue[Any]") -> None:
    """Put the bytes of each value that comes into a queue, until nothing more can come."""
    while len(length := source.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
        count = int.from_bytes(length, "big")
        content = source.read(count)
        if len(content) < count:
            return
        received.put(content)

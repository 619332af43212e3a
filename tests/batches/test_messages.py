import io
import pickle
import queue
import threading

from glance3d.batches.workers.messages import hand_on, send


class Unpickled:
    """Says which thread has unpickled it."""

    def __reduce__(self) -> tuple:
        return threading.get_ident, ()


def test_what_comes_is_unpickled_by_the_thread_that_uses_it() -> None:
    pipe, received = io.BytesIO(), queue.SimpleQueue()
    for value in ("first", Unpickled()):
        send(value, pipe)
    pipe.seek(0)
    reader = threading.Thread(target=hand_on, args=(pipe, received))
    reader.start()
    reader.join()
    assert [pickle.loads(received.get()) for _ in range(2)] == ["first", threading.get_ident()]
    assert received.empty()


def test_a_message_that_is_cut_is_not_handed_on() -> None:
    pipe, received = io.BytesIO(), queue.SimpleQueue()
    send("whole", pipe)
    send("cut", pipe)
    pipe.truncate(pipe.tell() - 1)
    pipe.seek(0)
    hand_on(pipe, received)
    assert pickle.loads(received.get()) == "whole"
    assert received.empty()

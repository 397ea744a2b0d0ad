"""Errands come out in the order in which they were put in, and a reader that sleeps is woken."""

import queue
import threading

import pytest

from toolwright.sandbox.errands import Errands


def numbered(done, number):
    return lambda: done.append(number)


def test_errands_come_out_in_their_order():
    errands, done = Errands(), []
    for number in range(5):
        errands.put(numbered(done, number))
    for _ in range(4):
        errands.get(10)()
    errands.get_nowait()()
    assert done == [0, 1, 2, 3, 4]


def test_without_any_it_is_empty():
    errands = Errands()
    with pytest.raises(queue.Empty):
        errands.get_nowait()
    with pytest.raises(queue.Empty):
        errands.get(0)
    errands.put(print)
    assert errands.get(10) is print
    with pytest.raises(queue.Empty):
        errands.get(0.01)  # it still looks by itself


def test_the_end_comes_after_what_was_left_and_nobody_takes_it_away():
    errands = Errands()
    errands.put(print)
    errands.end()
    assert errands.get_nowait() is print
    with pytest.raises(queue.Empty):
        errands.get_nowait()
    assert [errands.get(10), errands.get(10)] == [None, None]


def test_a_reader_that_sleeps_hears_of_the_end():
    errands, got = Errands(), []
    reader = threading.Thread(target=lambda: got.append(errands.get(120)), daemon=True)
    reader.start()
    errands.end()
    reader.join(60)
    assert got == [None]


def test_none_is_lost_between_a_writer_and_a_reader_that_falls_asleep_again_and_again():
    errands, done = Errands(), []
    ended = threading.Event()

    def read():
        while (errand := errands.get(120)) is not None:
            errand()
            errands._came = 0.0  # as if it had been long ago: now it sleeps
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    for number in range(2000):
        errands.put(numbered(done, number))
    errands.end()
    assert ended.wait(60)
    assert done == list(range(2000))

import threading
import time

import pytest

from celltune_nb.errors import Cancelled
from celltune_nb.learn.together import together
from tests.waiting import LONG


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_calls(threads):
    listened = []
    pauses = [0.05, 0.0, 0.03]
    calls = [lambda i=i, s=s: (time.sleep(s), i)[1] for i, s in enumerate(pauses)]
    made = together(calls, threads, listen=lambda: listened.append(threading.get_ident()), give_up=list)
    assert made == [0, 1, 2]
    assert set(listened) == {threading.get_ident()}
    assert len(listened) >= 2


def test_two_calls_are_under_way_at_the_same_time():
    both = threading.Barrier(2, timeout=LONG)  # one after the other, they would never meet
    together([both.wait] * 2, 2, listen=list, give_up=list)


def test_the_error_is_told_not_what_it_ended():
    over = threading.Event()

    def waits():
        if over.wait(LONG):
            raise Cancelled
        return "never"

    def fails():
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        together([waits, fails], 2, listen=list, give_up=over.set)
    over.clear()

    def impatient():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        together([waits, waits], 2, listen=impatient, give_up=over.set)

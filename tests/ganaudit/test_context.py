"""A model is opened once a process, whoever asks; a context says where from, for which device, and in which precision."""

from __future__ import annotations

import pickle
import threading
import time
from pathlib import Path

import pytest

from ganaudit.context import PROCESS, Context, OpenedModels


def test_threads_that_ask_for_one_model_open_it_once_and_others_are_opened_beside_it():
    kept, made, barrier, beside = OpenedModels(), [], threading.Barrier(8), threading.Barrier(2)

    def make(name):
        made.append(name)
        beside.wait(60)
        time.sleep(0.2)
        return [name]

    found = []

    def ask(name):
        barrier.wait()
        found.append(kept.opened(name, lambda: make(name)))

    threads = [threading.Thread(target=ask, args=(name,)) for name in "aaaabbbb"]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(made) == ["a", "b"] and len({id(result) for result in found}) == 2
    assert not beside.broken


def test_the_models_that_were_used_last_are_kept():
    kept = OpenedModels(most=3)
    for name in ("a", "b", "c", "a", "d"):
        kept.opened(name, lambda: object())
    made = []
    for name in ("a", "c", "d", "b"):
        kept.opened(name, lambda name=name: made.append(name))
    assert made == ["b"]


def test_what_could_not_be_opened_is_tried_again_and_anew_replaces():
    kept = OpenedModels()
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            kept.opened("a", lambda error=error: (_ for _ in ()).throw(error()))
    assert [kept.opened("a", lambda: 1), kept.opened("a", lambda: 2), kept.opened("a", lambda: 3, True)] == [1, 1, 3]
    assert kept.opened("a", lambda: 4) == 3
    assert kept.opened("nothing", lambda: None) is None and kept.opened("nothing", lambda: 1) is None
    kept.forget()
    assert kept.opened("a", lambda: 5) == 5


def test_a_model_may_open_another_while_it_is_opened():
    kept = OpenedModels()
    assert kept.opened("outer", lambda: [kept.opened("inner", lambda: 1)]) == [1] and kept.opened("inner", lambda: 2) == 1


def test_a_context_that_is_sent_elsewhere_uses_what_is_open_there(tmp_path):
    context = Context(tmp_path, precision="bfloat16")
    again = pickle.loads(pickle.dumps(context))
    assert again == context and again.kept is PROCESS
    assert context.path("a/../b") == tmp_path.resolve() / "b" and context.path("/x") == Path("/x")

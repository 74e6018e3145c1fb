"""A process beside the test's own, to be killed or to work at the same time: a copy of it, which has imported everything."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable


def forked(work: Callable[[], object]) -> int:
    """The id of a process that does the work and ends with 0, or with 1 and its traceback where that raises."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        for word in (signal.SIGINT, signal.SIGTERM):
            signal.signal(word, signal.default_int_handler if word == signal.SIGINT else signal.SIG_DFL)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """What it ended with: 0, 1, or -N where signal N killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

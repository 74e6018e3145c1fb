"""What a command prints is dropped where nobody reads it, and an error where a disk is full."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys

import pytest

from flows.streams import OutputStream
from ganaudit.errors import AuditError


def test_a_pipe_that_nobody_reads_takes_all_that_is_written():
    reading, writing = os.pipe()
    stream = io.TextIOWrapper(io.BufferedWriter(OutputStream(writing, needed=True)))
    stream.write("a\n")
    stream.flush()
    assert os.read(reading, 10) == b"a\n"
    os.close(reading)
    for _ in range(3):
        stream.write("b" * 100_000)
        stream.flush()
    stream.close()
    os.close(writing)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_results_that_a_full_disk_does_not_take_are_one_error_and_progress_is_none():
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        needed = io.BufferedWriter(OutputStream(full, needed=True))
        needed.write(b"a")
        with pytest.raises(AuditError, match=r"standard output \(No space left"):
            needed.flush()
        needed.close()  # what is left is not tried again as the process ends
        with io.BufferedWriter(OutputStream(full, needed=False)) as progress:
            progress.write(b"a")
    finally:
        os.close(full)


def test_streams_that_are_closed_are_opened_before_a_file_gets_their_number():
    code = (
        "from flows import streams; streams.prepare(); import os, sys; print('x'); print('y', file=sys.stderr); "
        "n = os.open('/dev/null', os.O_RDONLY); sys.exit(40 + n if sys.stdin.read() == '' else 1)"
    )
    done = subprocess.run(
        ["bash", "-c", f'{shlex.quote(sys.executable)} -c "$0" <&- >&- 2>&-', code],
        check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 43


def test_text_of_any_alphabet_is_written_in_an_encoding_that_has_it_not():
    code = "from flows import streams; streams.prepare(); print('× 漢 \\ud800')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, b"\\xd7 \\u6f22 \\ud800\n")

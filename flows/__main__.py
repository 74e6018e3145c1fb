"""`python -m flows` and the console script: one thread for each numeric library, then the command line.

Workers are the unit of parallel work here; the libraries read these variables when they are first imported.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")


def main() -> None:
    """The console script `ganaudit`."""
    from flows import streams

    streams.prepare()
    from flows.command_line import main as command_line

    command_line()


if __name__ == "__main__":
    main()

"""Which faults are worth another try."""

import errno

import pytest
from prefect.states import Failed

from ganaudit.errors import AuditError, RequestError
from tasks.work import may_pass, work


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (OSError(errno.EIO, "the disk"), True),
        (ConnectionResetError(), True),
        (MemoryError(), True),
        (caused(AuditError("could not be written"), OSError(errno.ESTALE, "stale")), True),
        (caused(AuditError("the generator raised"), ValueError()), False),
        (AuditError("the parser's label maps"), False),
        (caused(RequestError("the store is read-only"), OSError(errno.EROFS, "read-only")), False),
        (ValueError(), False),
    ],
)
def test_disk_and_memory_faults_are_tried_again_and_nothing_else(error, again):
    assert may_pass(None, None, Failed(data=error)) is again


def test_a_shard_is_tried_three_times_and_keeps_no_result():
    assert (work.retries, work.persist_result, work.retry_condition_fn) == (2, False, may_pass)

"""One audit with inversions, and runs whose losses are known."""

from audited_run import audited as audited
from inverted_audit import copied as copied
from inverted_audit import inverted as inverted

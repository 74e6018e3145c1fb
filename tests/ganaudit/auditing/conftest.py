"""One audit with inversions, for all tests of this room."""

from inverted_audit import copied as copied
from inverted_audit import inverted as inverted

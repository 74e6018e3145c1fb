"""One audit that steers a bar whose reach is known."""

from steered_audit import asked as asked
from steered_audit import steered as steered

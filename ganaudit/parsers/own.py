"""Kind `module:factory`: your own parser, from a Python file beside the audit file."""

from __future__ import annotations

from ganaudit.context import Context
from ganaudit.kinds import OWN, Kind, Opened
from ganaudit.options import FactoryParser


def open_own(options: FactoryParser, context: Context) -> Opened:
    """What the factory makes."""
    from ganaudit import factory

    return factory.opened(options, context)


KIND = Kind(OWN, FactoryParser, open_own, "your own parser, from a Python file beside the audit file")

"""ganaudit finds out what an image generator cannot make.

    import ganaudit
    found = ganaudit.audit(ganaudit.load("audit.yaml"))
    found                            # in a notebook: what each generator drops, as a table
    found.table("class_stats")       # a finding as a DataFrame; docs/records.md has all of them
    ganaudit.connect(ganaudit.Store(found.store)).sql("FROM runs")

Heavy libraries are imported when they are first needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganaudit.version import __version__

if TYPE_CHECKING:
    from ganaudit.auditing.run import Audit, audit
    from ganaudit.datasets.protocol import Dataset, Image
    from ganaudit.errors import AuditError, GanauditError, ImageError, RequestError
    from ganaudit.generators.networks.any_module import layered
    from ganaudit.generators.protocol import Generator, LayeredGenerator, State
    from ganaudit.parsers.protocol import ClassInfo, Labels, Parser
    from ganaudit.records.catalog import connect
    from ganaudit.records.store import Store
    from ganaudit.spec import AuditSpec, load, parse

_HOMES = {
    "Audit": "auditing.run", "audit": "auditing.run", "Dataset": "datasets.protocol", "Image": "datasets.protocol",
    "AuditError": "errors", "GanauditError": "errors", "ImageError": "errors", "RequestError": "errors",
    "Generator": "generators.protocol", "LayeredGenerator": "generators.protocol", "State": "generators.protocol",
    "ClassInfo": "parsers.protocol", "Labels": "parsers.protocol", "Parser": "parsers.protocol",
    "layered": "generators.networks.any_module",
    "connect": "records.catalog", "Store": "records.store", "AuditSpec": "spec", "load": "spec", "parse": "spec",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ganaudit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ganaudit.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})  # so that help() and completion see what is not imported yet


__all__ = [
    "Audit",
    "AuditError",
    "AuditSpec",
    "ClassInfo",
    "Dataset",
    "GanauditError",
    "Generator",
    "Image",
    "ImageError",
    "Labels",
    "LayeredGenerator",
    "Parser",
    "RequestError",
    "State",
    "Store",
    "__version__",
    "audit",
    "connect",
    "layered",
    "load",
    "parse",
]

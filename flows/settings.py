"""How Prefect behaves under ganaudit: no telemetry, a home of its own, enough time to start. Set before Prefect is imported."""

from __future__ import annotations

import os
from pathlib import Path

from ganaudit.errors import RequestError

DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "ganaudit",
    "PREFECT_CLIENT_METRICS_ENABLED": "false",
}


def prepare() -> None:
    """Fills in what the user has not set. Whoever uses Prefect already keeps their own profile and server."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if "PREFECT_HOME" not in os.environ and not (Path.home() / ".prefect" / "profiles.toml").exists():
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        os.environ["PREFECT_HOME"] = str(cache / "ganaudit" / "prefect")
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(
            f"Prefect's folder {home} cannot be made ({error.strerror}); set PREFECT_HOME to one that can"
        ) from None

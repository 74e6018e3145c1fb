"""How Prefect behaves under ganaudit: no telemetry, a home of its own, enough time to start. Set before Prefect is imported."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
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

LOCAL = ("127.0.0.1", "localhost", "::1")


def prepare() -> None:
    """Fills in what the user has not set. Whoever uses Prefect already keeps their own profile and server."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    _reach_this_machine()
    folder = home()
    os.environ.setdefault("PREFECT_HOME", str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RequestError(
            f"Prefect's folder {folder} cannot be written to ({error.strerror}); set PREFECT_HOME to one that can"
        ) from None


def api_url() -> str | None:
    """The address of the user's own server. Raises RequestError where Prefect cannot read its settings."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):  # what Prefect says of wrong settings is in the sentence below
            from prefect.settings import PREFECT_API_URL

            url = PREFECT_API_URL.value() or None
        sys.stderr.write(said.getvalue())
        return url
    except Exception as error:  # of pydantic, of TOML, of Prefect itself
        words = " ".join(str(error).split())
        raise RequestError(
            f"Prefect cannot read its settings ({words[:300] or type(error).__name__}); "
            f"look at the variables PREFECT_… and at {home() / 'profiles.toml'}"
        ) from None


def unusable_proxies() -> list[str]:
    """The variables of the environment that name a proxy which Prefect's HTTP client cannot go through."""
    named = [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy") and os.environ[name]]
    if not named:
        return []
    import httpx

    unusable = []
    for name in named:
        url = os.environ[name]
        try:
            httpx.HTTPTransport(proxy=url if "://" in url else f"http://{url}").close()
        except (ImportError, ValueError, httpx.InvalidURL):
            unusable.append(name)
    return unusable


def _reach_this_machine() -> None:
    """Whatever proxy is set, a server on this machine is reached without it."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in known.split(",") if host.strip()]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(
        [*hosts, *(address for address in LOCAL if address not in hosts)]
    )


def home() -> Path:
    """Prefect's folder: the user's own where there is one."""
    try:
        own = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
        if os.environ.get("PREFECT_HOME") or (own / "profiles.toml").exists():
            return own
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ganaudit" / "prefect"
    except (RuntimeError, OSError):
        raise RequestError("Prefect has no folder: no home folder is known here; set PREFECT_HOME") from None

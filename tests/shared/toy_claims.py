"""A system `toy` of four claims: one trains, one has no model to measure, and one fails."""

from __future__ import annotations

import types

import pytest

from ganaudit.claims import systems
from ganaudit.claims.claim import Claim, Criterion, Measurement
from ganaudit.claims.workshop import NeededTraining
from ganaudit.errors import AuditError, RequestError
from ganaudit.training.loop import Budget


def toy_claims(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Registers it. `made`: each training that was made, as (its folder's name, its budget)."""
    made = []

    def make(folder, budget, progress, device):
        folder.mkdir(parents=True, exist_ok=True)
        progress(1.0, 1, {})
        made.append((folder.name, budget.given()))
        return folder / "weights"

    training = NeededTraining("small", Budget(steps=5), make)

    def trained(workshop):
        workshop.trained(training)
        return Measurement(2.0, 1.5, 2.5, 3, "seeds", "seen here")

    def absent(workshop):
        raise RequestError("there is no village-toy")

    def failed(workshop):
        raise AuditError("the loss is nan")

    def less(workshop):
        return Measurement(1.2, 1.1, 1.3, 9, "photos")

    above = Criterion("above", 1.0, "of something")
    claims = (
        Claim("first", "It is more.", "a paper", "a ratio", above, trained, (training,)),
        Claim("second", "It is less.", "a paper", "a ratio", Criterion("below", 1.0), less),
        Claim("third", "It is there.", "a paper", "a share", above, absent),
        Claim("fourth", "It works.", "a paper", "a share", above, failed),
    )
    monkeypatch.setitem(systems.SYSTEMS, "toy", "toy")
    monkeypatch.setattr(systems, "import_module", lambda name: types.SimpleNamespace(CLAIMS=claims))
    return types.SimpleNamespace(claims=claims, made=made)

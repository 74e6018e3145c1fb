"""`ganaudit train lia` and what it is compared with: each takes the values that its training has, and no others."""

from __future__ import annotations

import pytest

from flows.commands.train.lia import _planned
from ganaudit.errors import RequestError


@pytest.mark.parametrize(
    ("model", "change"),
    [
        ("lia", "divergence=2"),
        ("lia", "method=ali"),
        ("vae-gan", "method=ali"),
        ("vae-gan", "mapping=mlp"),
        ("ali", "norm=none"),
    ],
)
def test_a_value_that_a_training_takes_no_notice_of_is_refused(model, change):
    with pytest.raises(RequestError, match=f"--set {change}: "):
        _planned(model, None, [change])


def test_a_value_goes_to_every_recipe_that_has_it():
    plan, joint = _planned("vae-gan", None, ["divergence=2", "batch=8", "latent=16"])
    assert (joint.method, joint.divergence, plan.first.latent) == ("vae-gan", 2.0, 16)
    assert plan.first.batch == plan.second.batch == 8

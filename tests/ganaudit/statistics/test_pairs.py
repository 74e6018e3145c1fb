"""Pairs of classes, on images drawn with and without a link between them."""

from itertools import combinations

import numpy as np
import pytest

from ganaudit.statistics.pairs import Pairs, decide
from ganaudit.statistics.verdicts import Lines


def together(images: np.ndarray) -> np.ndarray:
    return images.astype(np.int64).T @ images.astype(np.int64)


def asked(real: np.ndarray, generated: np.ndarray) -> Pairs:
    sides = together(real), len(real), together(generated), len(generated)
    return decide(*sides, Lines(), np.ones(real.shape[1]))


def test_the_ratio_of_lifts_by_a_plain_loop():
    rng = np.random.default_rng(1)
    real, generated = rng.random((3000, 4)) < 0.4, rng.random((2500, 4)) < [0.3, 0.4, 0.5, 0.6]
    result = asked(real, generated)
    assert list(zip(result.a.tolist(), result.b.tolist(), strict=True)) == list(combinations(range(4), 2))
    for place, (a, b) in enumerate(combinations(range(4), 2)):
        lifts = []
        for images in (real, generated):
            both = sum(bool(image[a] and image[b]) for image in images) / len(images)
            lifts.append(both / (images[:, a].mean() * images[:, b].mean()))
        assert result.ratio[place] == pytest.approx(lifts[1] / lifts[0])
        assert result.low[place] <= result.ratio[place] <= result.high[place]
        expected = lifts[0] * generated[:, a].mean() * generated[:, b].mean() * 2500
        assert result.expected[place] == pytest.approx(expected)
        assert result.generated_together[place] == (generated[:, a] & generated[:, b]).sum()


def test_two_classes_that_never_stand_together_any_more_are_dropped():
    rng = np.random.default_rng(2)
    real, generated = rng.random((4000, 3)) < 0.3, rng.random((4000, 3)) < 0.3
    generated[generated[:, 0], 1] = False
    result = asked(real, generated)
    assert result.verdict[0] == "dropped"
    assert (result.ratio[0], result.low[0]) == (0, 0)
    assert result.high[0] < 0.1
    assert not {"dropped", "reduced"} & set(result.verdict[1:].tolist())


def test_classes_everywhere_and_pairs_too_rare_are_not_asked():
    rng = np.random.default_rng(3)
    real = rng.random((2000, 4)) < [0.99, 0.4, 0.4, 0.002]
    result = asked(real, real)
    assert list(zip(result.a.tolist(), result.b.tolist(), strict=True)) == [(1, 2)]
    assert result.verdict.tolist() == ["equivalent"]


def test_without_a_difference_no_loss_is_claimed():
    rng, wrong = np.random.default_rng(4), 0
    for _ in range(40):
        real, generated = (rng.random((1500, 8)) < np.linspace(0.05, 0.5, 8) for _ in range(2))
        wrong += bool({"dropped", "reduced"} & set(asked(real, generated).verdict.tolist()))
    assert wrong == 0

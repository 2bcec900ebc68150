"""`Controls` of seqgen and of triton_kernels mean the same: names, order, ranges, neutral values, refusals.

Neither package imports the other's controls; this file reads both.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from seqgen.codecs import Integers
from seqgen.controls import ORDER, Controls, Parameters
from triton_kernels import apply_controls
from triton_kernels._arguments import Controls as KernelControls

ROWS, SYMBOLS = 5, 23
CODEC = Integers(SYMBOLS)
LOGITS = 3 * torch.randn(ROWS, SYMBOLS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
LOGITS[1, :4] = -math.inf
LOGITS[2] = LOGITS[2].round()  # many ties
SEEN = torch.rand(ROWS, SYMBOLS, generator=torch.Generator().manual_seed(2)) < 0.4

GRID = {
    "repetition_penalty": (1e-3, 0.5, 1, 1.0, 1.3, 50.0, Fraction(3, 2)),
    "temperature": (1e-300, 1e-3, 0.3, 1, 1.0, np.float32(1.5), 7.0, 1e300),
    "top_k": (1, 2, 7, SYMBOLS - 1, SYMBOLS, SYMBOLS + 1, 2**40, 10**400, np.int64(3)),
    "top_p": (1e-300, 0.01, 0.5, 0.913, 1, 1.0, np.float32(0.25)),
    "min_p": (0, 0.0, -0.0, 1e-300, 0.01, 0.5172, 1, 1.0),
    "typical_p": (1e-300, 0.02, 0.5, 0.877, 1, 1.0),
}
NEUTRAL = {
    "repetition_penalty": 1.0,
    "temperature": 1.0,
    "top_k": SYMBOLS,
    "top_p": 1.0,
    "min_p": 0.0,
    "typical_p": 1.0,
}
REFUSED = {
    "repetition_penalty": (0, 0.0, -1, math.inf, -math.inf, math.nan, 10**400),
    "temperature": (0, 0.0, -0.5, math.inf, math.nan, np.float32("nan"), 10**400),
    "top_k": (0, -3, -(10**400)),
    "top_p": (0, 0.0, -0.5, 1.0001, 2, math.inf, math.nan),
    "min_p": (-0.1, -1e-300, 1.0001, 2, math.inf, math.nan),
    "typical_p": (0, 0.0, -1, 1.5, math.nan),
}
NO_NUMBERS = ("hot", b"1", True, [1.0], (), {}, 1j, object)


def cases(table: dict) -> list:
    return [
        pytest.param(name, value, id=f"{name}-{number}")
        for name, values in table.items()
        for number, value in enumerate(values)
    ]


def assert_same(log_probs: torch.Tensor, others: torch.Tensor, tolerance: float = 1e-12) -> None:
    """Compare log-probabilities; those below -1e5, which only occur with tiny temperatures, are as good as -inf."""
    torch.testing.assert_close(
        log_probs.clamp(min=-1e5), others.clamp(min=-1e5), rtol=tolerance, atol=tolerance
    )


def of_seqgen(**controls: object) -> torch.Tensor:
    bound = Controls(**controls).bind(CODEC)  # type: ignore[arg-type]
    return torch.from_numpy(bound.apply(LOGITS.numpy(), SEEN.numpy()))


def of_kernels(**controls: object) -> torch.Tensor:
    seen = SEEN if "repetition_penalty" in controls else None
    return apply_controls(LOGITS, seen=seen, **controls)  # type: ignore[arg-type]


def refusal(make: object, **controls: object) -> tuple[type[Exception], str]:
    with pytest.raises((ValueError, TypeError)) as error:
        make(**controls)  # type: ignore[operator]
    return type(error.value), str(error.value)


def test_there_are_the_same_controls_in_the_same_order():
    # greedy is stored as a top_p
    ours = [name for name in ORDER if name not in ("greedy", "stop")]
    theirs = [name for name in KernelControls._fields if name != "seen"]
    assert ours == theirs == ["allowed", *Parameters._fields]
    assert set(GRID) == set(NEUTRAL) == set(REFUSED) == set(Parameters._fields)


@pytest.mark.parametrize(("name", "value"), cases(GRID))
def test_a_value_that_one_takes_means_the_same_to_the_other(name, value):
    assert_same(of_kernels(**{name: value}), of_seqgen(**{name: value}))


@pytest.mark.parametrize("name", NEUTRAL)
def test_neutral_values_and_none_change_nothing_in_both(name):
    plain = torch.log_softmax(LOGITS, -1)
    for controls in ({name: NEUTRAL[name]}, {}):
        assert_same(of_kernels(**controls), plain)
        assert_same(of_seqgen(**controls), plain)
    if name != "repetition_penalty":
        of_none = apply_controls(LOGITS, **{name: None})
        assert_same(of_none, plain)


def test_a_grid_of_all_together():
    # at extreme temperatures all or none tie, and the last digit decides
    grid = GRID | {"temperature": GRID["temperature"][1:-1]}
    generator = np.random.default_rng(0)
    for _ in range(200):
        chosen = {name: values[generator.integers(len(values))] for name, values in grid.items()}
        controls = {name: value for name, value in chosen.items() if generator.random() < 0.6}
        assert_same(of_kernels(**controls), of_seqgen(**controls), 1e-9)


@pytest.mark.parametrize(("name", "value"), cases(REFUSED))
def test_a_value_that_one_refuses_the_other_refuses_in_the_same_words(name, value):
    ours, theirs = refusal(of_seqgen, **{name: value}), refusal(of_kernels, **{name: value})
    assert ours == theirs
    assert ours[0] is ValueError
    assert ours[1].startswith(f"{name} must be ")


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_what_is_no_number_is_refused_by_both(name, value):
    ours, theirs = refusal(of_seqgen, **{name: value}), refusal(of_kernels, **{name: value})
    assert ours[0] is theirs[0] is TypeError
    # the kernels also take a tensor
    assert theirs[1].replace(", or a tensor of one per row", "") == ours[1]


@pytest.mark.parametrize("value", [1.5, 2.0, "3"])
def test_top_k_is_a_whole_number_in_both(value):
    ours, theirs = refusal(of_seqgen, top_k=value), refusal(of_kernels, top_k=value)
    assert ours[0] is theirs[0] is TypeError
    assert theirs[1].replace(", or a tensor of one per row", "") == ours[1]


def test_allowed_means_the_same():
    allowed = torch.arange(SYMBOLS) % 3 != 0
    for more in ({}, {"top_p": 0.7, "temperature": 0.8}):
        ours = of_seqgen(allowed=torch.nonzero(allowed)[:, 0].numpy(), **more)
        assert_same(of_kernels(allowed=allowed, **more), ours)


def test_greedy_means_the_same():
    allowed = torch.arange(SYMBOLS) % 3 != 0
    own = torch.nonzero(allowed)[:, 0].numpy()
    for more in ({}, {"repetition_penalty": 1.7}):
        for ours, theirs in (
            (of_seqgen(greedy=True, **more), of_kernels(greedy=True, **more)),
            (of_seqgen(greedy=True, allowed=own, **more), of_kernels(greedy=True, allowed=allowed, **more)),
        ):
            assert torch.equal(ours, theirs)
            assert ((ours == 0).sum(-1) == 1).all()
    np.testing.assert_array_equal(of_seqgen(greedy=True).argmax(-1), LOGITS.numpy().argmax(-1))


@pytest.mark.parametrize("name", [name for name in Parameters._fields if name != "repetition_penalty"])
def test_greedy_and_a_choice_among_several_are_refused_by_both(name):
    controls = {"greedy": True, name: GRID[name][1]}
    ours, theirs = refusal(of_seqgen, **controls), refusal(of_kernels, **controls)
    assert ours == theirs
    assert ours[0] is ValueError
    assert name in ours[1]


@pytest.mark.parametrize("value", [1, 0, "yes", None])
def test_greedy_is_true_or_false_in_both(value):
    assert refusal(of_seqgen, greedy=value) == refusal(of_kernels, greedy=value)

"""The engines of FVSBN, NADE and EoNADE against the equations: pixels with the same random numbers, and frequencies."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from seqgen import Controls, SeqgenError
from seqgen.checkpoint import Weights
from seqgen.image.numba_binary import MARGIN, UNDECIDED, decide, fill_thresholds
from seqgen.kernels.dots import add_row, dot, pack_rows
from seqgen.kernels.words import planes
from seqgen.models.eonade.model import EoNADE
from seqgen.models.fvsbn.model import FVSBN
from seqgen.models.nade.model import NADE
from seqgen.rng import Purpose, uniforms
from tests.conformance.parameters import in_float64, sharpened
from tests.models.nade import oracle

MODELS: dict[str, Any] = {
    "fvsbn": lambda: FVSBN(30, shape=(3, 2, 5)),
    "nade": lambda: NADE(30, 40, shape=(1, 6, 5)),
    "nade-levels": lambda: NADE(30, 9, levels=5, shape=(3, 2, 5)),
    "eonade": lambda: EoNADE(30, 9, shape=(1, 6, 5)),
    "eonade-deep": lambda: EoNADE(24, 9, 3, levels=3, shape=(3, 2, 4)),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    made = sharpened(MODELS[request.param](), 1)
    for parameter in made.parameters():
        parameter.data *= 0.5
    return made


def requests(model: Any) -> list[dict[str, Any]]:
    """Return a plain request; one with known pixels; for orderless models also other orders, with any pixels known."""
    size, noise = model.dimensions, np.random.default_rng(2)
    first = np.where(np.arange(size) < size // 2, noise.integers(0, model.codec.levels, size), -1)
    found: list[dict[str, Any]] = [{}, {"given": first}]
    if model.family == "eonade":
        spread = np.where(noise.random(size) < 0.4, noise.integers(0, model.codec.levels, size), -1)
        found += [{"order": noise.permutation(size)}, {"order": noise.permutation(size), "given": spread}]
    return found


def test_engines_draw_what_the_equations_draw(model: Any) -> None:
    """Pixels are equal, with the random number of each pixel's place."""
    exact = in_float64(model)
    for request in requests(model):
        order, given = request.get("order"), request.get("given")
        if given is not None and order is not None:
            known = given >= 0
            order = np.concatenate([order[known[order]], order[~known[order]]])
        expected = [
            oracle.to_image(oracle.sample(exact, 5, 7 + k, order, given), model.codec.shape) for k in range(4)
        ]
        arguments: dict[str, Any] = {"start": 7, "seed": 5, "condition": request.get("order")}
        if given is not None:
            arguments["prompt"] = oracle.to_image(given, model.codec.shape)
        for engine, one in (("torch", exact), ("numba", model)):
            samples = one.sample(4, engine=engine, **arguments)
            assert np.array_equal(samples, expected), engine


def test_log_probs_add_up_to_the_likelihood(model: Any) -> None:
    for request in requests(model):
        order, given = request.get("order"), request.get("given")
        prompt = None if given is None else oracle.to_image(given, model.codec.shape)
        condition: dict[str, Any] = {} if order is None else {"condition": order}
        with model.stream(
            3, seed=4, prompt=prompt, log_probs=True, chunk=2, engine="numba", **condition
        ) as stream:
            samples = stream.collect()
        for chunks in samples.values():
            image = np.concatenate([chunk.data for chunk in chunks], 1)
            drawn = np.concatenate([chunk.extra["log_prob"] for chunk in chunks])  # (H, C, W)
            if prompt is None:
                assert drawn.sum() == pytest.approx(float(model.log_prob(image, **condition)[0]), abs=1e-4)
            else:
                assert not drawn.transpose(1, 0, 2)[prompt >= 0].any()


@pytest.mark.parametrize("family", ["fvsbn", "nade", "eonade"])
def test_frequencies_of_all_images_are_their_probabilities(family: str) -> None:
    model = {"fvsbn": lambda: FVSBN(9), "nade": lambda: NADE(9, 5), "eonade": lambda: EoNADE(9, 5)}[family]()
    model = sharpened(model, 2)
    order = np.random.default_rng(1).permutation(9) if family == "eonade" else None
    condition: dict[str, Any] = {} if order is None else {"condition": order}
    expected = 20000 * model.log_prob(oracle.every(2, 9), **condition).exp().numpy()
    samples = model.sample(20000, seed=9, chunk=3, batch=256, engine="numba", **condition).reshape(-1, 9)
    counts = np.bincount(samples @ (1 << np.arange(8, -1, -1)), minlength=512)
    often = expected >= 5
    kept = np.append(counts[often], counts[~often].sum()), np.append(expected[often], expected[~often].sum())
    statistic = ((kept[0] - kept[1]) ** 2 / np.maximum(kept[1], 1e-9)).sum()
    freedom = often.sum()
    assert statistic < freedom + 6 * np.sqrt(2 * freedom)


def test_any_order_uses_the_noise_of_the_place() -> None:
    """With independent pixels, the order has no effect."""
    model = sharpened(EoNADE(12, 5, levels=3, shape=(1, 3, 4)), 1)
    model.output.data.zero_()
    plain = model.sample(5, seed=3)
    assert np.array_equal(model.sample(5, seed=3, condition=np.arange(12)[::-1]), plain)
    by_index = [np.random.default_rng(k).permutation(12) for k in range(5)]
    assert np.array_equal(model.sample(5, seed=3, condition=by_index), plain)


def test_bfloat16_weights_give_the_same_bits_packed_or_not(model: Any) -> None:
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16().float()
    packed, plain = (
        [
            chunk.extra["log_prob"]
            for chunk in model.stream(3, precision=precision, log_probs=True, engine="numba")
        ]
        for precision in ("auto", "float32")
    )
    assert all(np.array_equal(a, b) for a, b in zip(packed, plain, strict=True))


def test_raster_models_refuse_holes_and_conditions() -> None:
    model = NADE(9, 4)
    with pytest.raises(SeqgenError, match="can only complete images whose known pixels come first"):
        model.sample(1, prompt=np.array([-1] * 8 + [1]))
    with pytest.raises(SeqgenError, match="condition cannot act on this model"):
        model.sample(1, condition=3)
    with pytest.raises(SeqgenError, match="repetition_penalty cannot act on pixels"):
        model.sample(1, controls=Controls(repetition_penalty=1.2))


def test_parameters_that_are_not_finite_are_named() -> None:
    weights = NADE(9, 4).weights()
    arrays = {**weights.arrays, "output": np.full_like(weights.arrays["output"], np.nan)}
    with pytest.raises(SeqgenError, match="parameter output is not finite"):
        NADE.from_weights(Weights("nade", weights.config, arrays)).sample(1)


# ---- the parts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", [1, 64, 100, 500])
def test_rows_of_weights(inputs: int) -> None:
    noise = np.random.default_rng(0)
    matrix = noise.normal(size=(3, inputs)).astype(np.float32)
    width = -(-inputs // 64) * 64
    x = np.zeros(width + 5, np.float32)
    x[5 : 5 + inputs] = noise.normal(size=inputs)
    for precision in ("float32", "bfloat16"):
        packed = pack_rows(matrix, precision)
        tolerance = 1e-5 if precision == "float32" else 0.02
        product = call_dot(x, 5, packed, 2 * width, width)
        assert product == pytest.approx(float(matrix[2] @ x[5 : 5 + inputs]), abs=tolerance * np.sqrt(inputs))
        total = x[5:].copy()
        call_add_row(total, 0, packed, width, width)
        np.testing.assert_allclose(total[:inputs], x[5 : 5 + inputs] + matrix[1], atol=tolerance)
        assert not total[inputs:].any()


def test_binary_decisions_are_those_of_the_inverse_cdf() -> None:
    """Close to the threshold, where float32 could be wrong, no decision is made."""
    positions = np.arange(100, 5100)
    thresholds = np.empty(5000, np.float32)
    call_thresholds(np.uint64(3), np.uint64(11), 100, thresholds)
    u = uniforms(3, 11, positions, Purpose.TOKEN)
    np.testing.assert_allclose(thresholds, np.log((1 - u) / u), atol=float(MARGIN) / 10)
    for shift in (0.0, 1e-7, -1e-7, 5e-5, -5e-5, 2e-4, -2e-4, 1.0, -1.0):
        logits = (np.log((1 - u) / u) + shift).astype(np.float32)
        drawn = call_decide(logits, thresholds)
        decided = drawn != UNDECIDED
        assert decided.all() if abs(shift) > 1.5 * MARGIN else not decided.any()
        # the inverse CDF over the levels 0 and 1, as in `rng.categorical`
        top = np.maximum(logits.astype(np.float64), 0.0)
        zero = np.exp(0.0 - top)
        exact = zero <= u * (zero + np.exp(logits - top))
        assert np.array_equal(drawn[decided], exact[decided])


@numba.njit
def call_dot(x: Any, x_at: int, w: Any, w_at: int, count: int) -> Any:
    return dot(x, x_at, w, w_at, count)


@numba.njit
def call_add_row(x: Any, x_at: int, w: Any, w_at: int, count: int) -> None:
    add_row(x, x_at, w, w_at, count)


@numba.njit
def call_thresholds(seed: Any, index: Any, first: int, out: Any) -> None:
    fill_thresholds(seed, index, first, planes(), np.empty(4 * len(out) + 8, np.uint32), out)


@numba.njit
def call_decide(logits: Any, thresholds: Any) -> Any:
    decided = np.empty(len(logits), np.int64)
    for k in range(len(logits)):
        decided[k] = decide(logits[k], thresholds[k])
    return decided

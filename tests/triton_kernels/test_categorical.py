"""The float64 reference of the draw: exact probabilities, boundaries, controls against `transformers`, errors."""

import math

import pytest
import torch
from transformers.generation import logits_process as hf

from seqgen.controls import BoundControls, Parameters
from triton_kernels import Noise, apply_controls, draw_categorical, philox_words, uniforms

EDGES = [0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]


def random_logits(rows: int, symbols: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(rows, symbols, generator=generator)


def logits_of(*probabilities: float) -> torch.Tensor:
    return torch.tensor([probabilities], dtype=torch.float64).log()


def kept(logits: torch.Tensor, **controls) -> list[int]:
    return torch.nonzero(apply_controls(logits, **controls)[0] > -math.inf)[:, 0].tolist()


# ---- the draw


def test_draw_is_the_inverse_of_the_cumulative_distribution() -> None:
    logits = random_logits(40, 11)
    words = philox_words(Noise(seed=3, index=torch.arange(40), position=0, purpose=0))[:, 0]
    drawn = draw_categorical(logits, words)
    p = torch.softmax(logits.double(), -1)
    for row in range(40):
        below = 0.0
        for symbol in range(11):
            below += p[row, symbol].item()
            if below > uniforms(words)[row]:
                break
        assert drawn.symbol[row] == symbol
    log_p = torch.log_softmax(logits.double(), -1).gather(1, drawn.symbol[:, None])[:, 0]
    torch.testing.assert_close(drawn.log_prob, log_p)
    torch.testing.assert_close(drawn.model_log_prob, log_p)


@pytest.mark.parametrize("controls", [{}, {"temperature": 0.7, "top_p": 0.9}], ids=["plain", "controls"])
def test_chi_square(controls: dict) -> None:
    n = 40_000
    logits = random_logits(1, 20, seed=1) / 2
    noise = Noise(seed=11, index=torch.arange(n), position=5, purpose=0)
    counts = torch.bincount(draw_categorical(logits.expand(n, 20), noise, **controls).symbol, minlength=20)
    expected = n * apply_controls(logits, **controls).exp()[0]
    assert counts[expected == 0].sum() == 0
    observed, expected = counts[expected > 0], expected[expected > 0]
    assert expected.min() > 5
    statistic = ((observed - expected) ** 2 / expected).sum()
    p_value = torch.special.gammaincc(torch.tensor((len(expected) - 1) / 2), statistic / 2)
    assert p_value > 1e-3


def test_words_at_both_ends_never_draw_a_symbol_without_probability() -> None:
    words = torch.tensor(EDGES)
    probabilities = [0.0, 0.0, 0.3, 0.0, 0.7, 0.0, 0.0]
    drawn = draw_categorical(logits_of(*probabilities).expand(len(EDGES), 7), words)
    assert drawn.symbol.tolist() == [2, 2, 4, 4, 4, 4]
    tiny = logits_of(1e-200, 1.0, 1e-200, 0.0).expand(len(EDGES), 4)
    assert draw_categorical(tiny, words).symbol.tolist() == [1] * len(EDGES)


def test_all_32_bits_decide() -> None:
    # a symbol of probability 2^-32 is drawn by exactly one word
    logits = logits_of(2.0**-32, 1 - 2.0**-32)
    drawn = draw_categorical(logits.expand(3, 2), torch.tensor([0, 1, 2]))
    assert drawn.symbol.tolist() == [0, 1, 1]
    drawn = draw_categorical(logits.flip(1).expand(3, 2), torch.tensor([2**32 - 3, 2**32 - 2, 2**32 - 1]))
    assert drawn.symbol.tolist() == [0, 0, 1]


def test_noise_by_key_is_noise_by_words() -> None:
    logits = random_logits(6, 9)
    noise = Noise(seed=2**63, index=torch.arange(6) + 2**33, position=7, purpose=4)
    by_words = draw_categorical(logits, philox_words(noise)[:, 0].to(torch.uint32))
    for got, expected in zip(draw_categorical(logits, noise), by_words, strict=True):
        assert torch.equal(got, expected)


def test_a_row_does_not_depend_on_its_batch() -> None:
    logits = random_logits(17, 300)
    noise = Noise(seed=0, index=torch.arange(17), position=torch.arange(17), purpose=0)
    controls = {"top_k": 50, "top_p": 0.9, "typical_p": 0.8}
    together = draw_categorical(logits, noise, **controls)
    for row in range(17):
        alone = Noise(seed=0, index=row, position=row, purpose=0)
        for got, expected in zip(
            together, draw_categorical(logits[row, None], alone, **controls), strict=True
        ):
            assert torch.equal(got[row, None], expected)


def test_rows_with_nothing_to_draw() -> None:
    logits = torch.zeros(5, 3)
    logits[0] = -math.inf
    logits[1, 2] = math.nan
    logits[2, 0] = math.inf
    allowed = torch.arange(5)[:, None].expand(5, 3) != 3
    drawn = draw_categorical(logits, torch.zeros(5, dtype=torch.int64), allowed=allowed)
    assert drawn.symbol.tolist() == [-1, -1, -1, -1, 0]
    assert drawn.log_prob.isnan().tolist() == [True] * 4 + [False]
    assert drawn.model_log_prob.isnan().tolist() == [True] * 4 + [False]


# ---- the controls

SEEN = torch.rand(8, 60, generator=torch.Generator().manual_seed(5)) < 0.3
CASES = {
    "temperature": ({"temperature": 0.6}, [hf.TemperatureLogitsWarper(0.6)]),
    "top_k": ({"top_k": 7}, [hf.TopKLogitsWarper(7)]),
    "top_k-all": ({"top_k": 100}, [hf.TopKLogitsWarper(100)]),
    "top_p": ({"top_p": 0.8}, [hf.TopPLogitsWarper(0.8)]),
    "top_p-small": ({"top_p": 0.01}, [hf.TopPLogitsWarper(0.01)]),
    "min_p": ({"min_p": 0.05}, [hf.MinPLogitsWarper(0.05)]),
    "typical_p": ({"typical_p": 0.7}, [hf.TypicalLogitsWarper(0.7)]),
    "typical_p-small": ({"typical_p": 0.02}, [hf.TypicalLogitsWarper(0.02)]),
    "all": (
        {"temperature": 1.4, "top_k": 30, "top_p": 0.9, "min_p": 0.02, "typical_p": 0.8},
        [
            hf.TemperatureLogitsWarper(1.4),
            hf.TopKLogitsWarper(30),
            hf.TopPLogitsWarper(0.9),
            hf.MinPLogitsWarper(0.02),
            hf.TypicalLogitsWarper(0.8),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_controls_equal_those_of_transformers(name: str) -> None:
    controls, warpers = CASES[name]
    logits = random_logits(8, 60, seed=2).double()
    expected = logits
    for warper in warpers:
        expected = warper(torch.zeros(8, 0, dtype=torch.int64), expected)
    torch.testing.assert_close(apply_controls(logits, **controls), torch.log_softmax(expected, -1))


def test_repetition_penalty_equals_that_of_transformers() -> None:
    logits = random_logits(1, 60, seed=3).double()
    history = torch.nonzero(SEEN[0])[:, 0][None]
    expected = hf.RepetitionPenaltyLogitsProcessor(1.7)(history, logits.clone())
    penalised = apply_controls(logits, seen=SEEN[:1], repetition_penalty=1.7)
    torch.testing.assert_close(penalised, torch.log_softmax(expected, -1))


def test_controls_equal_those_of_seqgen() -> None:
    logits = random_logits(8, 60, seed=4)
    numbers = {"repetition_penalty": 1.2, "temperature": 0.9, "top_k": 40, "top_p": 0.97, "min_p": 0.01}
    numbers |= {"typical_p": 0.9}
    allowed = torch.arange(60) % 7 != 0
    expected = BoundControls(Parameters(**numbers), allowed.numpy()).apply(logits.numpy(), SEEN.numpy())
    got = apply_controls(logits, allowed=allowed, seen=SEEN, **numbers)
    torch.testing.assert_close(got, torch.from_numpy(expected))


def test_order_of_controls_and_renormalisation() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0]])
    assert kept(logits, top_p=0.8) == [0, 1]
    assert kept(logits, temperature=0.5, top_p=0.8) == [0]
    # top-p acts on what top-k left: 0.4 of 0.7 is more than a half
    assert kept(logits_of(0.4, 0.3, 0.2, 0.1), top_p=0.5) == [0, 1]
    assert kept(logits_of(0.4, 0.3, 0.2, 0.1), top_k=2, top_p=0.5) == [0]
    allowed = torch.tensor([False, True, True, True])
    assert kept(logits_of(0.4, 0.3, 0.2, 0.1), allowed=allowed, top_k=1) == [1]


def test_ties() -> None:
    assert kept(torch.zeros(1, 5), top_k=2) == [0, 1, 2, 3, 4]
    assert kept(torch.tensor([[0.0, 1.0, -0.0, 0.0]]), top_k=3) == [0, 1, 2, 3]
    assert kept(torch.zeros(1, 10), top_p=0.8) == list(range(8))
    assert kept(logits_of(0.1, 0.4, 0.1, 0.1, 0.3), top_p=0.75) == [0, 1, 4]
    assert kept(torch.zeros(1, 5), typical_p=0.1) == [0, 1, 2, 3, 4]
    assert kept(logits_of(0.5, 0.25, 0.25), top_p=0.5) == [0]


def test_greedy_is_top_k_1_and_typical_may_drop_the_most_likely() -> None:
    logits = random_logits(9, 30)
    drawn = draw_categorical(logits, torch.arange(9) * 2**28, top_k=1)
    assert torch.equal(drawn.symbol, logits.argmax(-1))
    assert torch.equal(drawn.log_prob, torch.zeros(9, dtype=torch.float64))
    cold = draw_categorical(logits, torch.arange(9) * 2**28, temperature=1e-300)
    assert torch.equal(cold.symbol, drawn.symbol)
    assert kept(logits_of(0.4, *[0.1] * 6), typical_p=0.5) == [1, 2, 3, 4, 5, 6]


def test_neutral_values_leave_a_row_alone_and_rows_have_their_own_controls() -> None:
    logits = random_logits(2, 12)
    neutral = {"temperature": 1.0, "top_k": 12, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0}
    neutral |= {"repetition_penalty": 1.0, "seen": torch.ones(2, 12, dtype=torch.bool)}
    neutral |= {"allowed": torch.ones(12, dtype=torch.bool)}
    torch.testing.assert_close(apply_controls(logits, **neutral), torch.log_softmax(logits.double(), -1))
    per_row = {"temperature": torch.tensor([0.5, 1.0]), "top_k": torch.tensor([3, 12])}
    both = apply_controls(logits, **per_row)
    torch.testing.assert_close(both[:1], apply_controls(logits[:1], temperature=0.5, top_k=3))
    torch.testing.assert_close(both[1:], apply_controls(logits[1:]))


# ---- errors


@pytest.mark.parametrize(
    ("controls", "error", "message"),
    [
        ({"temperature": 0}, ValueError, "^temperature must be >0.0, got 0$"),
        ({"temperature": math.inf}, ValueError, "temperature .* got inf"),
        ({"temperature": "hot"}, TypeError, "temperature .* got 'hot'"),
        ({"temperature": torch.ones(3)}, ValueError, r"temperature .* shape \(2,\) on cpu, got \(3,\)"),
        ({"top_k": 0}, ValueError, "^top_k must be at least 1, got 0$"),
        ({"top_k": 1.5}, TypeError, "top_k .* got 1.5"),
        ({"top_k": torch.ones(2)}, TypeError, "top_k .* got a tensor of torch.float32"),
        ({"top_p": 1.5}, ValueError, "^top_p must be >0.0 and <=1.0, got 1.5$"),
        ({"top_p": torch.tensor([0.5, 0.0])}, ValueError, "top_p .* got 0.0"),
        ({"min_p": -0.1}, ValueError, "^min_p must be >=0.0 and <=1.0, got -0.1$"),
        ({"typical_p": math.nan}, ValueError, "typical_p .* got nan"),
        ({"repetition_penalty": 1.2}, ValueError, "repetition_penalty acts only together with seen"),
        ({"seen": torch.ones(2, 4, dtype=torch.bool)}, ValueError, "seen acts only together with rep"),
        ({"allowed": torch.ones(4)}, TypeError, "allowed must be a tensor of torch.bool, got .*float32"),
        ({"allowed": torch.ones(3, dtype=torch.bool)}, ValueError, r"allowed .* \(2, 4\) or \(4,\), got \(3,\)"),
        ({"impl": "triton"}, ValueError, "impl='triton' needs tensors on a CUDA or ROCm device, got cpu"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_bad_controls_are_named(controls: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        draw_categorical(torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64), **controls)


@pytest.mark.parametrize(
    ("logits", "noise", "error", "message"),
    [
        (torch.zeros(2, 4, dtype=torch.int64), torch.zeros(2), TypeError, "logits .* got a tensor of torch.int64"),
        ([[1.0]], torch.zeros(1), TypeError, "logits must be a floating-point tensor, got .*1.0"),
        (torch.zeros(4), torch.zeros(1), ValueError, r"logits must be of shape \(B, V\) .* got \(4,\)"),
        (torch.zeros(2, 4), torch.zeros(2), TypeError, "noise must be words .* got torch.float32"),
        (torch.zeros(2, 4), torch.zeros(3, dtype=torch.int64), ValueError, r"noise .* \(2,\) .* got \(3,\)"),
        (torch.zeros(2, 4), torch.tensor([0, 2**32]), ValueError, "noise .* got 0 to 4294967296"),
        (torch.zeros(2, 4), 7, TypeError, "noise must be a tensor of words or a Noise, got 7"),
        (
            torch.zeros(2, 4),
            Noise(seed=0, index=torch.arange(3), position=0, purpose=0),
            ValueError,
            r"must broadcast to the batch's shape \(2,\), got shapes \(3,\)",
        ),
    ],
    ids=["integer", "list", "vector", "float-words", "too-many-words", "large-word", "number", "too-many-keys"],
)  # fmt: skip
def test_bad_logits_and_noise_are_named(logits, noise, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        draw_categorical(logits, noise)

"""Kernels against their references.

On a GPU these tests run directly; without one, test_interpreter.py runs this file in a separate process with
TRITON_INTERPRET=1, which has to be set before Triton is imported.
"""

import math
import os

import pytest
import torch

from triton_kernels import Draw, Noise, apply_controls, draw_categorical, philox_words, uniforms

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
HAS_GPU = torch.cuda.is_available()
pytestmark = (
    [] if INTERPRETED else [pytest.mark.gpu, pytest.mark.skipif(not HAS_GPU, reason="needs a CUDA device")]
)

# as documented in draw_categorical
BOUNDARY = 1e-5
EDGES = [0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]


@pytest.fixture(autouse=True)
def poisoned_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill the result of `torch.empty` with arbitrary values, so that an element that no program writes is noticed."""
    empty = torch.empty

    def poisoned(*shape, **options) -> torch.Tensor:
        out = empty(*shape, **options)
        return out.fill_(12345.0 if out.is_floating_point() else -999)

    monkeypatch.setattr(torch, "empty", poisoned)


def tensor(values, **options) -> torch.Tensor:
    return torch.tensor(values, device=DEVICE, **options)


def random_logits(rows: int, symbols: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1000 * rows + symbols)
    return (3 * torch.randn(rows, symbols, generator=generator)).to(DEVICE, dtype)


def random_words(rows: int) -> torch.Tensor:
    return torch.randint(0, 2**32, (rows,), generator=torch.Generator().manual_seed(rows)).to(DEVICE)


def assert_agree(logits: torch.Tensor, words: torch.Tensor, drawn: Draw, **controls) -> None:
    """Assert equal symbols, except within BOUNDARY of a boundary, and log-probabilities that agree."""
    expected = draw_categorical(logits, words, impl="reference", **controls)
    log_p = apply_controls(logits, **controls)
    steps = torch.cumsum(log_p.exp(), -1)
    margin = (steps - uniforms(words)[:, None]).abs().amin(-1)
    assert bool(((drawn.symbol == expected.symbol) | (margin < BOUNDARY)).all())
    assert bool((drawn.symbol != expected.symbol).sum() <= 1)
    chosen = drawn.symbol[:, None]
    exact = log_p.gather(1, chosen)[:, 0], torch.log_softmax(logits.double(), -1).gather(1, chosen)[:, 0]
    for got, wanted in zip(drawn[1:], exact, strict=True):
        assert got.dtype == torch.float32
        torch.testing.assert_close(got.double(), wanted, atol=1e-5, rtol=1e-6)


# ---- Philox


@pytest.mark.parametrize(("n", "seed"), [(1, 1), (300, 0), (256, 2**32 + 5), (1023, 2**64 - 1)])
def test_philox_words(n: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(n)
    index = torch.randint(-(2**63), 2**63 - 1, (n,), generator=generator).to(DEVICE)
    position = torch.randint(0, 2**56, (n,), generator=generator).to(DEVICE)
    noise = Noise(seed=seed, index=index, position=position, purpose=seed % 256)
    assert torch.equal(philox_words(noise, impl="triton"), philox_words(noise, impl="reference"))


def test_philox_known_answer_and_broadcast() -> None:
    position = 0x243F6A88 | 0x707344 << 32
    noise = Noise(
        seed=0x299F31D0A4093822,
        index=tensor([0x13198A2E85A308D3])[:, None],
        position=tensor([position, 0]),
        purpose=3,
    )
    words = philox_words(noise, impl="triton")
    assert words.shape == (1, 2, 4)
    assert words[0, 0].tolist() == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


# ---- the draw

CONTROLS = {
    "plain": {},
    "temperature": {"temperature": 0.7},
    "cold": {"temperature": 1e-3},
    "top_k": {"top_k": 5},
    "top_p": {"top_p": 0.8},
    "min_p": {"min_p": 0.05},
    "typical_p": {"typical_p": 0.6},
    "masks": {"masks": True, "repetition_penalty": 1.3},
    "all": {
        "masks": True,
        "repetition_penalty": 0.9,
        "temperature": 1.3,
        "top_k": 40,
        "top_p": 0.95,
        "min_p": 0.01,
        "typical_p": 0.9,
    },
}


@pytest.mark.parametrize("symbols", [1, 2, 67, 256])
@pytest.mark.parametrize("name", CONTROLS)
def test_draw(name: str, symbols: int) -> None:
    logits, words = random_logits(9, symbols), random_words(9)
    controls = dict(CONTROLS[name])
    if controls.pop("masks", False):
        generator = torch.Generator().manual_seed(symbols)
        controls["seen"] = (torch.rand(9, symbols, generator=generator) < 0.3).to(DEVICE)
        controls["allowed"] = (torch.rand(symbols, generator=generator) < 0.8).to(DEVICE)
        controls["allowed"][symbols // 2] = True
    assert_agree(logits, words, draw_categorical(logits, words, impl="triton", **controls), **controls)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_draw_from_other_types(dtype: torch.dtype) -> None:
    logits, words = random_logits(5, 40, dtype), random_words(5)
    assert_agree(logits, words, draw_categorical(logits, words, impl="triton", top_p=0.9), top_p=0.9)


def test_a_wide_row_and_strides() -> None:
    logits, words = random_logits(2, 3000), random_words(2)
    assert_agree(logits, words, draw_categorical(logits, words, impl="triton", top_p=0.9), top_p=0.9)
    every_other = random_logits(4, 2 * 33)[::2, ::2]
    assert_agree(every_other, words, draw_categorical(every_other, words, impl="triton"))
    with pytest.raises(ValueError, match=r"at most 4096 symbols for impl='triton', .* got 4097"):
        draw_categorical(random_logits(2, 4097), words, impl="triton")


def test_noise_by_key_is_noise_by_words_and_no_rows() -> None:
    logits = random_logits(9, 50)
    noise = Noise(seed=2**63 + 1, index=tensor(range(9)) + 2**34, position=3, purpose=6)
    by_words = draw_categorical(logits, philox_words(noise)[:, 0], impl="triton")
    for got, expected in zip(draw_categorical(logits, noise, impl="triton"), by_words, strict=True):
        assert torch.equal(got, expected)
    assert draw_categorical(logits[:0], random_words(0), impl="triton").symbol.shape == (0,)


@pytest.mark.parametrize("symbols", [2, 200])
def test_a_row_does_not_depend_on_its_batch(symbols: int) -> None:
    logits, words = random_logits(13, symbols), random_words(13)
    together = draw_categorical(logits, words, top_p=0.9, typical_p=0.9, impl="triton")
    for row in (0, 12):
        alone = draw_categorical(logits[row, None], words[row, None], top_p=0.9, typical_p=0.9, impl="triton")
        for got, expected in zip(together, alone, strict=True):
            assert torch.equal(got[row, None], expected)


def test_words_at_both_ends_never_draw_a_symbol_without_probability() -> None:
    logits = tensor([0.0, 0.0, 0.3, 0.0, 0.7, 0.0, 0.0]).log().expand(len(EDGES), 7)
    assert draw_categorical(logits, tensor(EDGES), impl="triton").symbol.tolist() == [2, 2, 4, 4, 4, 4]
    ends = tensor([0.0] * 100 + [1.0] + [0.0] * 27).log().expand(len(EDGES), 128)
    assert draw_categorical(ends, tensor(EDGES), impl="triton").symbol.tolist() == [100] * len(EDGES)


def test_all_32_bits_decide() -> None:
    logits = tensor([-32 * math.log(2), 0.0]).expand(3, 2)
    assert draw_categorical(logits, tensor([0, 1, 2]), impl="triton").symbol.tolist() == [0, 1, 1]
    words = tensor([2**32 - 3, 2**32 - 2, 2**32 - 1])
    assert draw_categorical(logits.flip(1), words, impl="triton").symbol.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("logits", "controls"),
    [
        ([0.0] * 10, {"top_p": 0.8}),
        ([0.0] * 5, {"top_k": 2}),
        ([0.0, 1.0, -0.0, 0.0, -1.0], {"top_k": 3}),
        ([0.0, 2.0, 0.0, 0.0, 1.0, -1.0], {"top_p": 0.9}),
        ([-5.0, -math.inf, -3.0, -3.0], {"top_k": 3}),
        ([0.0] * 7, {"typical_p": 0.5}),
        ([0.3, 0.1, 0.2], {"top_k": 1}),
    ],
    ids=["top_p-uniform", "top_k-uniform", "top_k-zeros", "top_p-group", "infinite", "typical", "greedy"],
)
def test_ties_are_kept_as_in_the_reference(logits: list[float], controls: dict) -> None:
    words = (torch.arange(8) * 2**29 + 2**28).to(DEVICE)
    rows = tensor(logits).expand(8, len(logits))
    drawn = draw_categorical(rows, words, impl="triton", **controls)
    assert_agree(rows, words, drawn, **controls)


def test_every_row_has_its_own_controls() -> None:
    logits, words = random_logits(4, 20), random_words(4)
    controls = {
        "temperature": tensor([0.5, 1.0, 2.0, 1.0]),
        "top_k": tensor([3, 20, 1000, 1]),
        "top_p": tensor([0.5, 1.0, 0.9, 0.1], dtype=torch.float64),
        "min_p": tensor([0.0, 0.5, 0.1, 0.0]),
        "typical_p": tensor([1.0, 1.0, 0.2, 1.0]),
    }
    assert_agree(logits, words, draw_categorical(logits, words, impl="triton", **controls), **controls)


def test_rows_with_nothing_to_draw() -> None:
    logits = torch.zeros(5, 3)
    logits[0] = -math.inf
    logits[1, 2] = math.nan
    logits[2, 0] = math.inf
    allowed = (torch.arange(5)[:, None].expand(5, 3) != 3).to(DEVICE)
    drawn = draw_categorical(
        logits.to(DEVICE), tensor([0] * 5), allowed=allowed, top_p=0.9, typical_p=0.9, impl="triton"
    )
    assert drawn.symbol.tolist() == [-1, -1, -1, -1, 0]
    assert drawn.log_prob.isnan().tolist() == [True] * 4 + [False]
    assert drawn.model_log_prob.isnan().tolist() == [True] * 4 + [False]


@pytest.mark.skipif(INTERPRETED, reason="too slow in the interpreter")
def test_chi_square_on_a_gpu() -> None:
    n = 1_000_000
    logits = random_logits(1, 20)
    noise = Noise(seed=1, index=torch.arange(n, device=DEVICE), position=0, purpose=0)
    drawn = draw_categorical(logits.expand(n, 20), noise, impl="triton")
    counts = torch.bincount(drawn.symbol, minlength=20)
    expected = n * apply_controls(logits).exp()[0]
    statistic = ((counts - expected) ** 2 / expected).sum().cpu()
    assert torch.special.gammaincc(torch.tensor(19 / 2), statistic / 2) > 1e-3

"""The Philox reference: published results, an implementation in Python integers, and the numpy version in seqgen."""

import numpy as np
import pytest
import torch

from seqgen import rng
from triton_kernels import Noise, philox_words, philox_words_reference, uniforms

# Random123, tests/kat_vectors: philox4x32 10 rounds, (counter, key, words)
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def noise_of(counter: str, key: str) -> Noise:
    c0, c1, c2, c3 = (int(word, 16) for word in counter.split())
    k0, k1 = (int(word, 16) for word in key.split())
    return Noise(
        seed=k0 | k1 << 32, index=c1 | c2 << 32, position=c0 | (c3 & 0xFFFFFF) << 32, purpose=c3 >> 24
    )


def oracle(seed: int, index: int, position: int, purpose: int) -> list[int]:
    mask = 2**32 - 1
    counter = [position & mask, index & mask, index >> 32, (purpose << 24) + (position >> 32)]
    key = [seed & mask, seed >> 32]
    for _ in range(10):
        low, high = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [high >> 32 ^ counter[1] ^ key[0], high & mask, low >> 32 ^ counter[3] ^ key[1], low & mask]
        key = [key[0] + 0x9E3779B9 & mask, key[1] + 0xBB67AE85 & mask]
    return counter


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN, ids=["zeros", "ones", "pi"])
def test_known_answers(counter: str, key: str, words: str) -> None:
    drawn = philox_words(noise_of(counter, key))
    assert " ".join(f"{word:08x}" for word in drawn.tolist()) == words


def test_every_bit_of_the_counter_counts() -> None:
    generator = np.random.default_rng(0)
    seen = set()
    for _ in range(50):
        seed, index = (int(x) for x in generator.integers(0, 2**64, 2, dtype=np.uint64))
        position, purpose = int(generator.integers(0, 2**56)), int(generator.integers(0, 256))
        drawn = philox_words_reference(Noise(seed=seed, index=index, position=position, purpose=purpose))
        assert drawn.tolist() == oracle(seed, index, position, purpose)
        seen.add(tuple(drawn.tolist()))
    assert len(seen) == 50


def test_tensors_broadcast_and_agree_with_numpy() -> None:
    index = torch.tensor([0, 1, 2**32, 2**40 + 7, 2**63 - 1])[:, None]
    position = torch.tensor([0, 5, 2**32 + 1, 2**56 - 1])
    drawn = philox_words(Noise(seed=2**64 - 3, index=index, position=position, purpose=rng.Purpose.STATE))
    assert drawn.shape == (5, 4, 4)
    assert drawn.dtype == torch.int64
    expected = rng.words(2**64 - 3, index.numpy(), position.numpy(), rng.Purpose.STATE)
    np.testing.assert_array_equal(drawn.numpy(), expected.astype(np.int64))


def test_uniforms_keep_all_bits() -> None:
    words = torch.tensor([0, 1, 2**31, 2**32 - 1])
    assert uniforms(words).tolist() == [2.0**-33, 3 * 2.0**-33, 0.5 + 2.0**-33, 1 - 2.0**-33]
    np.testing.assert_array_equal(uniforms(words).numpy(), rng.to_uniform(words.numpy()))


@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        ({"seed": -1}, ValueError, r"seed must be an integer from 0 to 2\^64 - 1, got -1"),
        ({"seed": 0.5}, TypeError, "seed must be an integer .* got 0.5"),
        ({"index": 2**64}, ValueError, r"index .* 2\^64 - 1, got 18446744073709551616"),
        ({"position": 2**56}, ValueError, r"position .* 2\^56 - 1, got 72057594037927936"),
        ({"position": torch.tensor([0, -3])}, ValueError, r"position .* got values from -3 to 0"),
        ({"index": torch.tensor([0.0])}, TypeError, r"index .* int64 tensor, got a tensor of torch.float32"),
        ({"purpose": 256}, ValueError, r"purpose .* 2\^8 - 1, got 256"),
        ({"purpose": True}, TypeError, "purpose .* got True"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_bad_arguments_are_named(argument: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Noise(**{"seed": 0, "index": 0, "position": 0, "purpose": 0} | argument)


def test_shapes_that_do_not_broadcast_and_unknown_implementations() -> None:
    zero = Noise(seed=0, index=torch.arange(2), position=torch.arange(3), purpose=0)
    with pytest.raises(
        ValueError, match=r"index and position must broadcast .* got shapes \(2,\) and \(3,\)"
    ):
        philox_words(zero)
    with pytest.raises(ValueError, match="impl must be 'auto', 'reference' or 'triton', got 'cuda'"):
        philox_words(Noise(seed=0, index=0, position=0, purpose=0), impl="cuda")  # type: ignore[arg-type]

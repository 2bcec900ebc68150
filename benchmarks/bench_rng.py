"""The random source: Philox uniforms on one core, compared with numpy's own Philox generator."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.side_by_side import side_by_side
from seqgen import rng
from seqgen.kernels.normals import normals
from seqgen.kernels.random import fill_uniforms
from seqgen.rng import Purpose

COUNT = 1 << 20  # 8 MB: a typical request, and larger than the caches
ROUNDS = 20


def bench_uniforms(benchmark: Any) -> None:
    """Generate uniforms: all 32 bits of every word as a float64 in (0, 1)."""
    seed, index, purpose = np.uint64(7), np.uint64(3), int(Purpose.TOKEN)
    out, peer_out = np.empty(COUNT), np.empty(COUNT)
    generator = np.random.Generator(np.random.Philox(7))

    def ours() -> int:
        for repeat in range(ROUNDS):
            fill_uniforms(seed, index, np.uint64(repeat * COUNT // 4), purpose, out)
        return ROUNDS * COUNT

    def peer() -> int:
        for _ in range(ROUNDS):
            generator.random(out=peer_out)
        return ROUNDS * COUNT

    fill_uniforms(seed, index, np.uint64(0), purpose, out)
    expected = rng.to_uniform(rng.words(7, 3, np.arange(1000), purpose)).ravel()
    assert np.array_equal(out[:4000], expected), "the compiled uniforms differ from the definition"
    generator.random(out=peer_out)
    for drawn in (out, peer_out):
        assert abs(drawn.mean() - 0.5) < 0.003
        assert abs(drawn.var() - 1 / 12) < 0.003
    side_by_side(
        benchmark, family="rng", work="Philox uniforms, one core", unit="numbers", ours=ours, peer=peer,
        peer_name="numpy Generator(Philox).random", target_rate=100e6,
        note="ours keeps 32 bits per number (Philox4x32), numpy 53 (Philox4x64)",
    )  # fmt: skip


def bench_normals(benchmark: Any) -> None:
    """Generate standard normals by inversion; numpy uses a ziggurat."""
    seed, index, purpose = np.uint64(7), np.uint64(3), int(Purpose.EMISSION)
    out, peer_out = np.empty(COUNT), np.empty(COUNT)
    generator = np.random.Generator(np.random.Philox(7))

    def ours() -> int:
        for repeat in range(ROUNDS // 4):
            normals(seed, index, repeat * COUNT, purpose, out)
        return ROUNDS // 4 * COUNT

    def peer() -> int:
        for _ in range(ROUNDS // 4):
            generator.standard_normal(out=peer_out)
        return ROUNDS // 4 * COUNT

    normals(seed, index, 0, purpose, out)
    assert np.array_equal(out[:4000], rng.normals(7, 3, np.arange(1000), purpose, 4).ravel())
    generator.standard_normal(out=peer_out)
    for drawn in (out, peer_out):
        assert abs(drawn.mean()) < 0.01
        assert abs(drawn.var() - 1) < 0.01
    side_by_side(
        benchmark, family="rng", work="normals, one core", unit="numbers", ours=ours, peer=peer,
        peer_name="numpy Generator(Philox).standard_normal",
        note="ours is the quantile function of one uniform each, so that each normal can be computed alone",
    )  # fmt: skip

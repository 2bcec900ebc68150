"""The tiles of every kind of machine, as assembly: no sum or weight of an inner loop is kept on the stack.

The assembly is inspected for machines that are not at hand, too; `tests/kernels/test_targets.py` compares results.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from llvmlite import ir

from seqgen.kernels import tiles
from seqgen.kernels.padding import WIDTH
from seqgen.kernels.target import PROBE, Target, assembly, inspect


class Machine(NamedTuple):
    """A CPU: its name in LLVM, its triple, what its registers are, and its vector instruction and stack pointer."""

    name: str
    triple: str
    target: Target
    fma: str
    stack: str


X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
AVX2, AVX512, NEON = Target(8, 16, True), Target(16, 32, True), Target(4, 32, True)
X86_STACK, ARM_STACK = r"\(%rsp", r"\[sp\b"
MACHINES = {
    "haswell": Machine("haswell", X86, AVX2, r"vfmadd\d+ps\b.*%ymm", X86_STACK),
    "alderlake": Machine("alderlake", X86, AVX2, r"vfmadd\d+ps\b.*%ymm", X86_STACK),
    "znver3": Machine("znver3", X86, AVX2, r"vfmadd\d+ps\b.*%ymm", X86_STACK),
    "skylake-avx512": Machine("skylake-avx512", X86, AVX512, r"vfmadd\d+ps\b.*%zmm", X86_STACK),
    "znver4": Machine("znver4", X86, AVX512, r"vfmadd\d+ps\b.*%zmm", X86_STACK),
    "neoverse-n1": Machine("neoverse-n1", ARM, NEON, r"fmla\s+v\d+\.4s", ARM_STACK),
    "apple-m1": Machine("apple-m1", "arm64-apple-macosx", NEON, r"fmla(?:\.4s\s+v|\s+v\d+\.4s)", ARM_STACK),
}


def inner_loops(text: str, machine: Machine) -> list[str]:
    """Return the code between a label and the last jump back to it, without other labels, if it multiplies."""
    lines = text.splitlines()
    labels = {m[1]: k for k, line in enumerate(lines) if (m := re.match(r"(\.?L\w+):", line))}
    found = []
    for label, begin in labels.items():
        jump = re.compile(rf"\s+(?:j\w+|b\.\w+|b|tbn?z|cbn?z)\s.*{re.escape(label)}$")
        jumps = [k for k in range(begin, len(lines)) if jump.match(lines[k])]
        loop = lines[begin : jumps[-1] + 1] if jumps else []
        if not any(line.split(":")[0] in labels for line in loop[1:]):
            found.append("\n".join(loop))
    return [loop for loop in found if re.search(machine.fma, loop)]


@pytest.mark.parametrize("name", MACHINES)
def test_no_inner_loop_uses_the_stack(name):
    machine = MACHINES[name]
    module = ir.Module()
    tiles.products(module, tiles.shapes(machine.target))
    text = assembly(str(module), machine.name, "", machine.triple)
    loops = inner_loops(text, machine)
    sizes = {len(re.findall(machine.fma, loop)) for loop in loops}
    per_vector = WIDTH // machine.target.floats
    chosen = tiles.shapes(machine.target)
    wanted = {shape.lanes * shape.vectors * per_vector for shape in (*chosen.many, *chosen.alone)}
    # LLVM may unroll a loop
    assert all(any(size % one == 0 for size in sizes) for one in wanted), (sizes, wanted)
    for loop in loops:
        assert not re.search(machine.stack, loop), f"{name} keeps a number of this loop on the stack:\n{loop}"


@pytest.mark.parametrize("name", MACHINES)
def test_the_probe_tells_the_kinds_of_machines_apart(name):
    machine = MACHINES[name]
    assert inspect(assembly(PROBE, machine.name, "", machine.triple)) == machine.target


@pytest.mark.parametrize("name", ["x86-64", "sandybridge"])
def test_a_machine_without_fused_multiply_add_is_recognized(name):
    found = inspect(assembly(PROBE, name, "", X86))
    assert not found.fused
    assert "without fused multiply-add" in str(found)
    assert all(shape.lanes == shape.vectors == 1 for kind in tiles.shapes(found) for shape in kind)


def test_a_tile_beyond_the_registers_is_noticed():
    machine = MACHINES["znver3"]
    module = ir.Module()
    beyond = tiles.Shapes((tiles.Shape(2, 4), tiles.Shape(1, 1)), (tiles.Shape(1, 4),))
    tiles.products(module, beyond)
    loops = inner_loops(assembly(str(module), machine.name, "", machine.triple), machine)
    assert any(re.search(machine.stack, loop) for loop in loops)

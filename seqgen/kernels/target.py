"""The vector registers of the CPU that Numba compiles for: usually this one, another with NUMBA_CPU_NAME."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import llvmlite.binding as llvm
from numba.core import config

PROBE = """
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
define void @probe(<16 x float>* %x, <16 x float>* %y) {
  %a = load <16 x float>, <16 x float>* %x
  %b = load <16 x float>, <16 x float>* %y
  %c = call <16 x float> @llvm.fma.v16f32(<16 x float> %a, <16 x float> %b, <16 x float> %a)
  store <16 x float> %c, <16 x float>* %y
  ret void
}
"""


class Target(NamedTuple):
    """What the products' tiles depend on.

    Attributes:
        floats: float32 numbers in a vector register.
        registers: number of vector registers.
        fused: whether there is an instruction that multiplies and adds with one rounding. Without it, the C library's
            `fmaf` computes the same number, many times slower.
    """

    floats: int
    registers: int
    fused: bool

    def __str__(self) -> str:
        how = "" if self.fused else ", without fused multiply-add"
        return f"{self.registers} registers of {32 * self.floats} bits{how}"


@cache
def target() -> Target:
    """Return the registers of Numba's target."""
    name = config.CPU_NAME if config.CPU_NAME is not None else llvm.get_host_cpu_name()
    features = config.CPU_FEATURES
    return inspect(assembly(PROBE, name, llvm_features() if features is None else features))


def llvm_features() -> str:
    """Return the features of this CPU as LLVM names them, as Numba passes them on."""
    from numba.core.codegen import get_host_cpu_features

    return str(get_host_cpu_features())


def assembly(module: str, name: str, features: str = "", triple: str | None = None) -> str:
    """Return the assembly into which LLVM compiles a module for a CPU.

    Args:
        module: LLVM IR, not optimized further.
        name, features: of the CPU. triple: of the machine; by default that of this process.
    """
    if triple is None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        triple = llvm.get_process_triple()
    else:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=name, features=features, opt=3)
    parsed = llvm.parse_assembly(module)
    options = llvm.PipelineTuningOptions(speed_level=3)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(parsed, builder)
    return str(machine.emit_assembly(parsed))


def inspect(text: str) -> Target:
    """Return the target that compiled the probe into this assembly."""
    if "fmaf" in text:
        return Target(4, 16, False)
    if "%zmm" in text:
        return Target(16, 32, True)
    if "%ymm" in text:
        return Target(8, 16, True)
    return Target(4, 32, True)

"""Compile every kernel configuration for GPUs that this machine need not have, and report the resources of each.

`python -m triton_kernels.targets [--json]` prints the table. Triton's compiler and interpreter cannot be used in one
process, so the functions here run that command in a subprocess.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from triton_kernels._backend import HAS_TRITON, INTERPRET, NO_TRITON, Configuration, Resources, triton


@dataclass(frozen=True)
class Target:
    """A GPU architecture by its name in Triton, and the shared memory limit of one program."""

    backend: str
    arch: int | str
    warp_size: int
    shared_limit: int


# limits: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability"; CDNA 3 ISA, "LDS"
TARGETS = {
    "sm_80": Target("cuda", 80, 32, 163 * 1024),
    "sm_90": Target("cuda", 90, 32, 227 * 1024),
    "sm_100": Target("cuda", 100, 32, 227 * 1024),
    "gfx942": Target("hip", "gfx942", 64, 64 * 1024),
}

_MODULES = ("philox", "categorical")


def shipped() -> tuple[str, ...]:
    """Return the names, "kernel/variant", of all configurations. Works without Triton."""
    return tuple(configuration.name for configuration in _configurations())


def compile_for(name: str, target: str) -> Resources:
    """Compile one configuration for one target, in a subprocess.

    Args:
        name: one of `shipped()`.
        target: "sm_80" (A100), "sm_90" (H100), "sm_100" (B200) or "gfx942" (MI300).

    Raises:
        ValueError: if the name or target is unknown.
        ImportError: if Triton is not installed.
        RuntimeError: with the compiler's message, if the kernel does not compile.
    """
    return compile_all([name], [target])[0]


def compile_all(names: Sequence[str] | None = None, targets: Sequence[str] | None = None) -> list[Resources]:
    """Compile configurations (default: all) for targets (default: all), in one subprocess; see `compile_for`."""
    names = list(shipped() if names is None else names)
    targets = list(TARGETS if targets is None else targets)
    _check_known("name", names, shipped())
    _check_known("target", targets, tuple(TARGETS))
    if not HAS_TRITON:
        raise ImportError(f"kernels cannot be compiled: {NO_TRITON}")
    root = str(Path(__file__).resolve().parents[1])
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "triton_kernels.targets", "--json"]
    command += [f"--name={name}" for name in names] + [f"--target={target}" for target in targets]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command[1:])} failed with status {done.returncode}:\n{done.stderr.strip()}"
        )
    return [Resources(**row) for row in json.loads(done.stdout)["kernels"]]


def compile_here(configuration: Configuration, target_name: str) -> Resources:
    """Do `compile_for` in this process, which must not have been started with TRITON_INTERPRET=1."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    target, kernel = TARGETS[target_name], configuration.kernel
    signature = {argument: configuration.types.get(argument, "constexpr") for argument in kernel.arg_names}
    source = ASTSource(
        fn=kernel,
        signature=signature,
        constexprs={
            argument: configuration.constants.get(argument)
            for argument, type_ in signature.items()
            if type_ == "constexpr"
        },
        # mark pointers as aligned, as PyTorch's allocations are, so that loads are vectorised
        attrs={
            (k,): [["tt.divisibility", 16]] for k, type_ in enumerate(signature.values()) if type_[0] == "*"
        },
    )
    started = time.perf_counter()
    compiled = triton.compile(
        source,
        target=GPUTarget(target.backend, target.arch, target.warp_size),
        options={"num_warps": configuration.num_warps, "num_stages": configuration.num_stages},
    )
    seconds = time.perf_counter() - started
    if target.backend == "cuda":
        registers, stack, text = _cuda_usage(compiled)
    else:
        registers, stack, text = _hip_usage(compiled)
    return Resources(
        name=configuration.name,
        target=target_name,
        shared_bytes=compiled.metadata.shared,
        shared_limit=target.shared_limit,
        stack_bytes=stack,
        registers=registers,
        instructions=sum(line.startswith("\t") and not line.startswith("\t.") for line in text.splitlines()),
        seconds=round(seconds, 3),
    )


def _configurations() -> Iterator[Configuration]:
    for module in _MODULES:
        yield from importlib.import_module(f"triton_kernels.{module}").SHIPPED


def _check_known(what: str, given: Sequence[str], known: tuple[str, ...]) -> None:
    for value in given:
        if value not in known:
            raise ValueError(f"{what} must be one of {', '.join(known)}, got {value!r}")


def _cuda_usage(compiled: Any) -> tuple[int, int, str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(compiled.asm["cubin"])
        command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", str(path)]
        usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = dict(re.findall(r"(REG|STACK):(\d+)", usage))
    return int(found["REG"]), int(found["STACK"]), compiled.asm["ptx"]


def _hip_usage(compiled: Any) -> tuple[int, int, str]:
    text = compiled.asm["amdgcn"]
    found = dict(re.findall(r"\.(vgpr_count|private_segment_fixed_size):\s+(\d+)", text))
    return int(found["vgpr_count"]), int(found["private_segment_fixed_size"]), text


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile and print the table; return 0, or 1 if a kernel does not fit, or 2 if there is no compiler."""
    parser = argparse.ArgumentParser(
        prog="python -m triton_kernels.targets", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--name", action="append", metavar="NAME", help="a configuration (default: all)")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="a target (default: all)")
    parser.add_argument("--json", action="store_true", help="print a JSON object instead of a table")
    chosen = parser.parse_args(arguments)
    if not HAS_TRITON or INTERPRET:
        reason = "TRITON_INTERPRET is set; unset it to compile" if INTERPRET else NO_TRITON
        print(f"cannot compile kernels: {reason}", file=sys.stderr)
        if chosen.json:
            print(json.dumps({"triton": triton.__version__, "error": reason, "kernels": []}))
        return 2
    known = {configuration.name: configuration for configuration in _configurations()}
    for name in chosen.name or ():
        if name not in known:
            parser.error(f"--name must be one of {', '.join(known)}, got {name!r}")
    rows = []
    if not chosen.json:
        print(
            f"{'kernel':34}{'target':8}{'shared':>8}{'limit':>8}{'stack':>7}{'registers':>11}{'lines':>7}{'s':>7}"
        )
    for name in chosen.name or known:
        for target in chosen.target or TARGETS:
            row = compile_here(known[name], target)
            rows.append(row)
            if not chosen.json:
                print(
                    f"{name:34}{target:8}{row.shared_bytes:8}{row.shared_limit:8}{row.stack_bytes:7}"
                    f"{row.registers:11}{row.instructions:7}{row.seconds:7.2f}",
                    flush=True,
                )
    if chosen.json:
        print(json.dumps({"triton": triton.__version__, "kernels": [asdict(row) for row in rows]}))
        return 0
    return int(any(row.stack_bytes or row.shared_bytes > row.shared_limit for row in rows))


if __name__ == "__main__":
    sys.exit(main())

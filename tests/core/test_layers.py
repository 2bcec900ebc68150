"""Imports go from a layer to those below, and from family to family through `__init__`, without cycles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

LAYERS: tuple[tuple[str, ...], ...] = (
    ("triton_kernels",),
    # the contract: the definition of a generator, and the registry of strings
    (
        "seqgen.errors", "seqgen.files", "seqgen.arrays", "seqgen.checks", "seqgen.extras", "seqgen.lazy",
        "seqgen.placeholder", "seqgen.rng", "seqgen.neighbours", "seqgen.threads", "seqgen.stats", "seqgen.controls",
        "seqgen.codecs", "seqgen.checkpoint",
        "seqgen.configuration", "seqgen.fields", "seqgen.schema", "seqgen.registry", "seqgen.engine", "seqgen.packed",
        "seqgen.per_index", "seqgen.turns", "seqgen.rounds", "seqgen.stream_state", "seqgen.streaming",
        "seqgen.kept", "seqgen.generator", "seqgen.pretrained", "seqgen.torch_model", "seqgen.logistic",
    ),
    ("seqgen.kernels",),
    ("seqgen.engines",),
    ("seqgen.data", "seqgen.training", "seqgen.evaluation"),
    ("seqgen.conditions",),
    ("seqgen.image", "seqgen.audio"),
    ("seqgen.models",),
    ("seqgen.compiled", "seqgen.usual_requests", "seqgen.warming", "seqgen.opening", "seqgen.doctor"),
    ("seqgen",),
    ("pipelines.stage",),
    ("pipelines",),
)  # fmt: skip
"""From the lowest to the highest; a module belongs to the entry that is its longest prefix."""

EXCEPTIONS = {("seqgen.__main__", "pipelines.cli")}
"""`python -m seqgen` only starts the command line."""


def modules() -> dict[str, Path]:
    """Return every module of the three packages by name."""
    found = {}
    for package in ("triton_kernels", "seqgen", "pipelines"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(path: Path) -> Iterator[str]:
    """Return the modules of ours that a file imports anywhere in it."""

    def visit(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in MODULES:
                    yield inner
                elif node.module in MODULES:
                    yield str(node.module)
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    return visit(ast.parse(path.read_text()))


def layer(module: str) -> int:
    places = {
        entry: rank for rank, entries in enumerate(LAYERS) for entry in entries
        if module == entry or module.startswith(f"{entry}.")
    }  # fmt: skip
    return places[max(places, key=len)]


def family(module: str) -> str | None:
    """Return the folder of a module in `seqgen.models`, if it is in one."""
    parts = module.split(".")
    return parts[2] if parts[:2] == ["seqgen", "models"] and len(parts) > 2 else None


def test_no_import_climbs():
    climbing = [
        (module, imported)
        for module, path in MODULES.items()
        for imported in imports(path)
        if layer(imported) > layer(module) and (module, imported) not in EXCEPTIONS
    ]
    assert not climbing


def test_a_module_of_the_contract_is_named_in_its_layer():
    """Thus the layer of a new file in `seqgen/` has to be chosen explicitly."""
    named = {entry for entries in LAYERS for entry in entries}
    assert named <= set(MODULES)
    for module in MODULES:
        if module.startswith("seqgen.") and module != "seqgen.__main__":
            assert ".".join(module.split(".")[:2]) in named, f"{module} has no layer in {__name__}"


def test_a_family_imports_another_only_through_its_init():
    through = [
        (module, imported)
        for module, path in MODULES.items()
        for imported in imports(path)
        if family(imported) not in (None, family(module)) and imported.count(".") > 2
    ]
    assert not through


def test_there_is_no_circle():
    """This includes imports within functions, where a cycle would only fail later."""
    graph = {module: set(imports(path)) for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, f"circle: {' -> '.join([*above[above.index(module) :], module])}"
        if module not in done:
            for imported in graph[module]:
                visit(imported, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_the_reader_of_imports_sees_them(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nimport seqgen.rng\nfrom seqgen import files\n"
        "def f():\n    from seqgen.errors import SeqgenError, integer\n"
        "if TYPE_CHECKING:\n    from seqgen.stats import StreamStats\n"
    )
    assert set(imports(path)) == {"seqgen.rng", "seqgen.files", "seqgen.errors", "seqgen.stats"}
    assert layer("seqgen.models.markov.model") > layer("seqgen.kernels.draw") > layer("seqgen.rng")
    assert layer("pipelines.cli.train") > layer("seqgen.opening")

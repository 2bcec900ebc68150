"""Matrix products as LLVM code, with all sums of a tile in registers.

A tile adds x @ W for some lanes and some vectors of 16 outputs. Its sums are phi nodes of the loop over the inputs, so
that they stay in registers, as long as the machine has enough of them: 16 registers of 8 floats (AVX2) hold 12 sums,
two weights and an input, 32 of 16 (AVX-512) 16 sums with room for the rest. A compiler that runs out of registers
stores sums in every round, which takes twice the time. Every output is one chain of fused multiply-adds over the inputs
in order, whichever tile computes it, so the result depends neither on the tiles nor on the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from llvmlite import ir

from seqgen.kernels.padding import BLOCK, PANEL, WIDTH
from seqgen.kernels.target import Target

_FLOAT, _INT32, _INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_FLOATS, _INTS = ir.VectorType(_FLOAT, WIDTH), ir.VectorType(_INT32, WIDTH)
_SPLAT = ir.Constant(_INTS, [0] * WIDTH)
_ZERO = ir.Constant(_INT64, 0)


class Shape(NamedTuple):
    """Lanes and vectors of 16 outputs of a tile."""

    lanes: int
    vectors: int


class Shapes(NamedTuple):
    """The tiles of a machine.

    Attributes:
        many: for several lanes, the largest first; ends with a single lane.
        alone: for a product with a single lane, whose outputs are 64 or as many as the first of these covers.
    """

    many: tuple[Shape, ...]
    alone: tuple[Shape, ...]


def shapes(target: Target) -> Shapes:
    """Return the tiles whose sums fit into a machine's registers."""
    if not target.fused:  # every number is a call of a function: the least code
        return Shapes((Shape(1, 1),), (Shape(1, 1),))
    one = Shape(1, BLOCK // WIDTH)
    if target.floats == WIDTH:
        # eight sums hide the latency of two units of four steps
        return Shapes((Shape(4, 4), Shape(2, 4), one), (Shape(1, 8), one))
    return Shapes((Shape(6, 1), Shape(4, 1), Shape(2, 2), one), (one,))


def product_name(*, narrow: bool, alone: bool) -> str:
    """Return the name of the compiled function; `product_type` is its type."""
    return f"seqgen.{'matvec' if alone else 'matmul'}.{'bfloat16' if narrow else 'float32'}"


def product_type(*, narrow: bool, alone: bool) -> ir.FunctionType:
    """Return the type of a product: x, w, y, inputs, outputs; with several lanes then lanes, x stride, y stride."""
    floats, weights = _FLOAT.as_pointer(), (_INT32 if narrow else _FLOAT).as_pointer()
    return ir.FunctionType(
        ir.VoidType(), [floats, weights, floats, _INT64, _INT64, *([] if alone else [_INT64] * 3)]
    )


def products(module: ir.Module, chosen: Shapes) -> None:
    """Add the four products, of float32 and of bfloat16 weights, for one lane and for several, to a module."""
    for narrow in (False, True):
        for alone in (True, False):
            name, kind = product_name(narrow=narrow, alone=alone), product_type(narrow=narrow, alone=alone)
            function = ir.Function(module, kind, name)
            function.attributes.add("noinline")
            _Product(function, narrow).build(chosen, alone)


class _Product:
    """Generates the body of a product."""

    def __init__(self, function: ir.Function, narrow: bool) -> None:
        self.function, self.narrow = function, narrow
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.x, self.w, self.y, self.inputs, self.outputs, *lanes = function.args
        self.lanes, self.x_stride, self.y_stride = lanes or (ir.Constant(_INT64, 1), _ZERO, _ZERO)

    def build(self, chosen: Shapes, alone: bool) -> None:
        builder = self.builder
        with builder.if_then(builder.icmp_signed("<=", self.inputs, _ZERO)):
            builder.ret_void()
        if alone:
            self._alone(chosen.alone)
            builder.ret_void()
            return
        with builder.if_then(builder.icmp_signed("==", self.lanes, ir.Constant(_INT64, 1))):
            name = product_name(narrow=self.narrow, alone=True)
            builder.call(self.function.module.globals[name], self.function.args[:5])
            builder.ret_void()
        with self._loop(_ZERO, self.outputs, BLOCK) as (first, _):
            self._lanes(chosen.many, first)
        builder.ret_void()

    def _alone(self, chosen: tuple[Shape, ...]) -> None:
        begin = _ZERO
        for shape in chosen:
            size = max(BLOCK, shape.vectors * WIDTH)
            with self._loop(begin, self.outputs, size) as (first, after):
                self._tiles(shape, _ZERO, first, size)
            begin = after

    def _lanes(self, chosen: tuple[Shape, ...], first: ir.Value) -> None:
        lane = _ZERO
        for shape in chosen:
            with self._loop(lane, self.lanes, shape.lanes) as (at, after):
                self._tiles(shape, at, first, BLOCK)
            lane = after

    @contextmanager
    def _loop(self, begin: ir.Value, end: ir.Value, step: int) -> Iterator[tuple[ir.Value, ir.Value]]:
        """Repeat the code generated in the context for k = begin, begin + step … while k + step <= end.

        Yields k within the loop, and the first k that is not reached, for code after it; they are the same value.
        """
        builder, before = self.builder, self.builder.block
        head, body, after = (self.function.append_basic_block(name) for name in ("head", "body", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        k = builder.phi(_INT64)
        k.add_incoming(begin, before)
        following = builder.add(k, ir.Constant(_INT64, step))
        builder.cbranch(builder.icmp_signed("<=", following, end), body, after)
        builder.position_at_end(body)
        yield k, k
        k.add_incoming(following, builder.block)
        builder.branch(head)
        builder.position_at_end(after)

    def _tiles(self, shape: Shape, lane: ir.Value, first: ir.Value, size: int) -> None:
        """Compute `size` outputs from `first` on, in whole blocks, of the tile's lanes from `lane` on."""
        builder = self.builder
        weights = builder.mul(first, self.inputs)
        if self.narrow:  # a word holds two weights
            weights = builder.lshr(weights, ir.Constant(_INT64, 1))
        w = builder.gep(self.w, [weights])
        x = builder.gep(self.x, [builder.mul(lane, self.x_stride)])
        y = builder.gep(self.y, [builder.add(builder.mul(lane, self.y_stride), first)])
        for within in range(0, size, shape.vectors * WIDTH):
            self._tile(shape, x, w, y, within)

    def _tile(self, shape: Shape, x: ir.Value, w: ir.Value, y: ir.Value, within: int) -> None:
        builder, module = self.builder, self.function.module
        fma = module.globals.get("llvm.fma.v16f32") or ir.Function(
            module, ir.FunctionType(_FLOATS, [_FLOATS] * 3), "llvm.fma.v16f32"
        )
        rows = [
            builder.gep(x, [builder.mul(self.x_stride, ir.Constant(_INT64, m))]) for m in range(shape.lanes)
        ]
        places = [
            builder.bitcast(builder.gep(y, [self._offset(m, within + WIDTH * v)]), _FLOATS.as_pointer())
            for m in range(shape.lanes)
            for v in range(shape.vectors)
        ]
        start = [self._load(place, _FLOATS) for place in places]
        before, body, after = (
            builder.block,
            self.function.append_basic_block("tile"),
            self.function.append_basic_block("sums"),
        )
        builder.branch(body)
        builder.position_at_end(body)
        k = builder.phi(_INT64)
        k.add_incoming(_ZERO, before)
        sums = [builder.phi(_FLOATS) for _ in places]
        for total, value in zip(sums, start, strict=True):
            total.add_incoming(value, before)
        weights = self._weights(w, k, within, shape.vectors)
        totals = []
        for m, row in enumerate(rows):
            number = builder.insert_element(
                ir.Constant(_FLOATS, ir.Undefined),
                builder.load(builder.gep(row, [k])),
                ir.Constant(_INT32, 0),
            )
            spread = builder.shuffle_vector(number, ir.Constant(_FLOATS, ir.Undefined), _SPLAT)
            own = sums[m * shape.vectors : (m + 1) * shape.vectors]
            totals += [
                builder.call(fma, [spread, weight, total]) for weight, total in zip(weights, own, strict=True)
            ]
        following = builder.add(k, ir.Constant(_INT64, 1))
        k.add_incoming(following, body)
        for total, value in zip(sums, totals, strict=True):
            total.add_incoming(value, body)
        builder.cbranch(builder.icmp_signed("<", following, self.inputs), body, after)
        builder.position_at_end(after)
        for place, value in zip(places, totals, strict=True):
            builder.store(value, place).align = 4

    def _offset(self, lane: int, column: int) -> ir.Value:
        rows = self.builder.mul(self.y_stride, ir.Constant(_INT64, lane))
        return self.builder.add(rows, ir.Constant(_INT64, column))

    def _weights(self, w: ir.Value, k: ir.Value, within: int, vectors: int) -> list[ir.Value]:
        """Return the weights of input k for some vectors of outputs, widened to float32."""
        builder, size = self.builder, PANEL // 2 if self.narrow else PANEL
        row = builder.mul(k, ir.Constant(_INT64, size))
        words: dict[int, ir.Value] = {}
        found = []
        for v in range(vectors):
            panel, column = divmod(within + WIDTH * v, PANEL)
            begin = row
            if panel > 0:
                begin = builder.add(row, builder.mul(self.inputs, ir.Constant(_INT64, panel * size)))
            if not self.narrow:
                at = builder.gep(w, [builder.add(begin, ir.Constant(_INT64, column))])
                found.append(self._load(builder.bitcast(at, _FLOATS.as_pointer()), _FLOATS))
                continue
            if panel not in words:  # the two vectors of a panel share its words
                words[panel] = self._load(builder.bitcast(builder.gep(w, [begin]), _INTS.as_pointer()), _INTS)
            if column == 0:
                bits = builder.shl(words[panel], ir.Constant(_INTS, [16] * WIDTH))
            else:
                bits = builder.and_(words[panel], ir.Constant(_INTS, [0xFFFF0000] * WIDTH))
            found.append(builder.bitcast(bits, _FLOATS))
        return found

    def _load(self, place: ir.Value, kind: ir.Type) -> ir.Value:
        loaded = self.builder.load(place)
        loaded.align = 4
        return loaded

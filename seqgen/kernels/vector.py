"""Matrix products in kernels: packing of the weights, and calls of the compiled tiles.

A matrix (inputs, outputs) is packed in panels of 32 outputs, each row by row, as float32 or as bfloat16, of which the
two vectors of a panel share 32-bit words (`bfloat16.in_pairs`). Outputs are padded to whole blocks of 64.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from seqgen.kernels import tiles
from seqgen.kernels.bfloat16 import in_pairs
from seqgen.kernels.helpers import HelperLibrary
from seqgen.kernels.padding import PANEL, padded
from seqgen.kernels.target import target


def pack(matrix: np.ndarray, precision: str) -> np.ndarray:
    """Pack a float32 matrix (inputs, outputs) for `matmul`, outputs padded with zeros to whole blocks.

    Args:
        matrix: (inputs, outputs).
        precision: "float32" or "bfloat16".

    Returns:
        one-dimensional float32, or uint32 with two bfloat16 in each word.
    """
    inputs, outputs = matrix.shape
    whole = np.zeros((inputs, padded(outputs)), np.float32)
    whole[:, :outputs] = matrix
    panels = np.ascontiguousarray(
        whole.reshape(inputs, padded(outputs) // PANEL, PANEL).transpose(1, 0, 2)
    ).ravel()
    return in_pairs(panels) if precision == "bfloat16" else panels


@cache
def _library(codegen: Any) -> Any:
    """Return the compiled products, which are linked into every kernel that calls them."""
    library = HelperLibrary(codegen, "seqgen.products")
    module = library.create_ir_module("seqgen.products")
    tiles.products(module, tiles.shapes(target()))
    library.add_ir_module(module)
    library.finalize()
    return library


def _call(context, builder, x, w, y, sizes, *, alone):
    """Call a product; x, w and y are arrays, each with its Numba type and its position in numbers."""
    narrow = w[0].dtype == types.uint32
    if narrow:  # a word holds two weights
        w = (w[0], w[1], builder.lshr(w[2], ir.Constant(w[2].type, 1)))
    pointers = [
        builder.gep(context.make_array(kind)(context, builder, array).data, [at])
        for kind, array, at in (x, w, y)
    ]
    context.active_code_library.add_linking_library(_library(context.codegen()))
    kind = tiles.product_type(narrow=narrow, alone=alone)
    name = tiles.product_name(narrow=narrow, alone=alone)
    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [*pointers, *sizes])
    return context.get_dummy_value()


def _whole(context, builder, signature, arguments):
    """Return the arguments, with whole numbers as 64 bits."""
    return [
        context.cast(builder, value, kind, types.intp) if isinstance(kind, types.Integer) else value
        for value, kind in zip(arguments, signature.args, strict=True)
    ]


@intrinsic
def matvec(typingctx, x, x_at, w, w_at, inputs, outputs, y):
    """Add x @ W to the first `outputs` of y: `matmul` for one row."""

    def generate(context, builder, signature, arguments):
        kinds = signature.args
        own_x, x_from, own_w, w_from, count, columns, own_y = _whole(context, builder, signature, arguments)
        zero = ir.Constant(x_from.type, 0)
        x_part, w_part, y_part = (kinds[0], own_x, x_from), (kinds[2], own_w, w_from), (kinds[6], own_y, zero)
        return _call(context, builder, x_part, w_part, y_part, [count, columns], alone=True)

    return types.void(x, x_at, w, w_at, inputs, outputs, y), generate


@intrinsic
def matmul(typingctx, x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y, y_stride):
    """Add x @ W to y for `lanes` rows.

    Args:
        x: float32 array; row l begins at flat position x_at + l * x_stride and has `inputs` values.
        w: packed matrix that begins at flat position w_at; (inputs, outputs), outputs in whole blocks.
        y: float32 array whose row l begins at l * y_stride; holds the bias on entry and the result on exit.
    """

    def generate(context, builder, signature, arguments):
        kinds = signature.args
        own_x, x_from, x_step, count, own_w, w_from, rows, columns, own_y, y_step = _whole(
            context, builder, signature, arguments
        )
        zero = ir.Constant(x_from.type, 0)
        x_part, w_part, y_part = (kinds[0], own_x, x_from), (kinds[4], own_w, w_from), (kinds[8], own_y, zero)
        return _call(
            context, builder, x_part, w_part, y_part, [rows, columns, count, x_step, y_step], alone=False
        )

    return types.void(x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y, y_stride), generate

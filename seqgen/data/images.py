"""Image data sets: read files, split them, and convert intensities to levels.

Readers return an `ImageSet` of intensities from 0 to 255; `to_levels` and `binarize` convert them to the levels of
models.
"""

from __future__ import annotations

from seqgen.data.completion import keep_known, read_prompt
from seqgen.data.fitting import fit_size
from seqgen.data.idx import read_idx, read_idx_pair
from seqgen.data.image_files import read_image_file
from seqgen.data.image_reader import read_images, read_mnist_json
from seqgen.data.image_set import ImageSet
from seqgen.data.levels import binarize, intensities, to_levels
from seqgen.data.ranges import Expected
from seqgen.data.splits import Splits, read_splits, split

__all__ = [
    "Expected",
    "ImageSet",
    "Splits",
    "binarize",
    "fit_size",
    "intensities",
    "keep_known",
    "read_idx",
    "read_idx_pair",
    "read_image_file",
    "read_images",
    "read_mnist_json",
    "read_prompt",
    "read_splits",
    "split",
    "to_levels",
]

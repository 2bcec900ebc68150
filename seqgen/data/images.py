"""Images in: reading them from files of all kinds, splitting them, and turning intensities into levels.

Readers give an `ImageSet` of intensities from 0 to 255; `to_levels` and `binarize` make of them what models take.
"""

from __future__ import annotations

from seqgen.data.completion import keep_known, read_prompt
from seqgen.data.fitting import fit_size
from seqgen.data.idx import read_idx, read_idx_pair
from seqgen.data.image_files import read_image_file
from seqgen.data.image_reader import read_images, read_mnist_json
from seqgen.data.image_set import ImageSet
from seqgen.data.levels import binarize, intensities, to_levels
from seqgen.data.splits import Splits, read_splits, split

__all__ = [
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

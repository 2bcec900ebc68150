"""Operators: stages that transform the items of another stage, one per file."""

from pipelines.operators.batch import Batch
from pipelines.operators.map import Map
from pipelines.operators.paced import Paced
from pipelines.operators.take import Take

__all__ = ["Batch", "Map", "Paced", "Take"]

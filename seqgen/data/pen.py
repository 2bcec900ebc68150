"""Estimate the path of the pen that drew a picture: the lowest-cost walk through its skeleton that covers every line.

The walk starts at the end nearest to the upper left. The cost penalizes turns at joints, lines covered twice, and an
end far from the lower right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seqgen.data.skeleton import Edge, Graph, skeleton_graph, skeleton_of, tidied
from seqgen.errors import SeqgenError

MOST_EDGES = 8
MOST_TWICE = 2
# weights of the three costs: per radian, for covering all lines twice, for ending in the opposite corner
_TURN, _TWICE, _END = 1.0, 4.0, 3.0
_U_TURN = 1.5


def pen_path(mask: np.ndarray, *, spur: float, reach: float) -> np.ndarray:
    """Return the path (n, 2) of (row, column) of a pen that drew the pixels of `mask` (H, W).

    Args:
        spur: branches and links between joints shorter than this are removed as artefacts.
        reach: number of pixels of a line that determine its direction.

    Raises:
        SeqgenError: if the picture has no line, or too many for a single pen stroke.
        MissingPackageError: if scikit-image is not installed.
    """
    graph = tidied(skeleton_graph(skeleton_of(mask)), spur)
    if not 1 <= len(graph.edges) <= MOST_EDGES:
        raise SeqgenError(
            f"a pen stroke has 1 to {MOST_EDGES} lines between its ends and crossings, this picture has "
            f"{len(graph.edges)}"
        )
    ends = [node for node in graph.places if len(graph.at(node)) == 1]
    begin = min(ends or graph.places, key=lambda node: float(graph.places[node].sum()))
    total = sum(edge.length for edge in graph.edges)
    walks = list(_walks(_Walk(begin, graph.places[begin][None]), graph, reach))
    farthest = max(float(place.sum()) for place in graph.places.values())

    def cost(walk: _Walk) -> float:
        missing = 1.0 - sum(edge.length for edge in graph.edges if walk.uses(edge)) / total
        wrong_end = 1.0 - float(walk.path[-1].sum()) / farthest
        return 100.0 * missing + _TURN * walk.turned + _TWICE * walk.twice / total + _END * wrong_end

    return min(walks, key=cost).path


@dataclass(frozen=True)
class _Walk:
    """A walk that has reached `node`: its path, edges in order, radians turned, and length covered twice."""

    node: int
    path: np.ndarray
    edges: tuple[Edge, ...] = ()
    turned: float = 0.0
    twice: float = 0.0
    again: int = 0

    def uses(self, edge: Edge) -> int:
        return sum(other is edge for other in self.edges)

    def along(self, edge: Edge, line: np.ndarray, reach: float) -> _Walk:
        """Return the walk extended along an edge."""
        used = self.uses(edge) > 0
        if self.edges and self.edges[-1] is edge and used and edge.ends[0] != edge.ends[1]:
            turn = _U_TURN
        else:
            cosine = float(-_direction(self.path[::-1], reach) @ _direction(line, reach))
            turn = math.acos(max(-1.0, min(1.0, cosine))) if self.edges else 0.0
        last = edge.ends[1] if line is edge.line else edge.ends[0]
        return _Walk(
            last,
            np.concatenate([self.path, line[1:]]),
            (*self.edges, edge),
            self.turned + turn,
            self.twice + (edge.length if used else 0.0),
            self.again + used,
        )


def _walks(walk: _Walk, graph: Graph, reach: float) -> Iterator[_Walk]:
    """Yield this walk and all its extensions that use each edge at most twice."""
    yield walk
    for edge in graph.edges:
        uses = walk.uses(edge)
        if walk.node not in edge.ends or uses > 1 or (uses and walk.again == MOST_TWICE):
            continue
        both = edge.ends[0] == edge.ends[1]
        for line in (edge.line, edge.line[::-1]) if both else (_leaving(edge, walk.node),):
            yield from _walks(walk.along(edge, line, reach), graph, reach)


def _leaving(edge: Edge, node: int) -> np.ndarray:
    return edge.line if edge.ends[0] == node else edge.line[::-1]


def _direction(line: np.ndarray, reach: float) -> np.ndarray:
    """Return the unit vector from the start of a line to the point at distance `reach`; zero for a point."""
    step = line[min(len(line) - 1, int(reach))] - line[0]
    length = float(np.hypot(*step))
    return step / length if length else step

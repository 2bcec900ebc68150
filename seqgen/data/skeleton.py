"""Compute the skeleton graph of a picture of a stroke: ends and joints are nodes, lines between them edges.

Coordinates are (row, column) in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from seqgen import extras
from seqgen.errors import SeqgenError

_AROUND = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
Pixel = tuple[int, int]


@dataclass
class Edge:
    """A line (n, 2) from node `ends[0]` to node `ends[1]`."""

    ends: tuple[int, int]
    line: np.ndarray

    @property
    def length(self) -> float:
        return float(np.sum(np.hypot(*np.diff(self.line, axis=0).T)))

    def leaving(self, node: int) -> np.ndarray:
        """Return the line oriented away from `node`."""
        return self.line if self.ends[0] == node else self.line[::-1]

    def other(self, node: int) -> int:
        return self.ends[1] if self.ends[0] == node else self.ends[0]


@dataclass
class Graph:
    """Nodes by number with their positions, and the edges between them."""

    places: dict[int, np.ndarray] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def at(self, node: int) -> list[Edge]:
        """Return the edges at a node; a loop occurs twice."""
        return [edge for edge in self.edges for end in edge.ends if end == node]


def skeleton_of(mask: np.ndarray) -> np.ndarray:
    """Return the skeleton (H, W) bool of the largest connected component of `mask`.

    Raises:
        SeqgenError: if no pixel is set, or more than a tenth of them are in other components.
        MissingPackageError: if scikit-image is not installed.
    """
    extras.load("scikit-image", "tracing strokes")
    from skimage.measure import label
    from skimage.morphology import skeletonize

    labels = label(mask, connectivity=2)
    sizes = np.bincount(labels.ravel())[1:]
    if not len(sizes) or sizes.max() < 0.9 * sizes.sum():
        raise SeqgenError(f"a pen stroke is one connected line, this picture has {len(sizes)} parts")
    return np.asarray(skeletonize(labels == 1 + int(sizes.argmax())))


def skeleton_graph(skeleton: np.ndarray) -> Graph:
    """Return the graph of a skeleton whose lines are one pixel wide."""
    pixels = {(int(r), int(c)) for r, c in np.argwhere(skeleton)}
    near = {pixel: _neighbours(pixel, pixels) for pixel in pixels}
    node_of: dict[Pixel, int] = {}
    graph = Graph()
    for pixel in sorted(pixels):
        if len(near[pixel]) != 2 and pixel not in node_of:
            members = _joined(pixel, near)
            number = len(graph.places)
            graph.places[number] = np.mean(members, axis=0)
            node_of |= dict.fromkeys(members, number)
    if not node_of and pixels:
        # a closed ring starts at its topmost pixel
        top = min(pixels)
        node_of[top], graph.places[0] = 0, np.array(top, float)
    seen: set[frozenset[Pixel]] = set()
    for pixel, number in node_of.items():
        for step in near[pixel]:
            if step in node_of and node_of[step] == number:
                continue
            line = [pixel, step]
            while line[-1] not in node_of:
                line.append(next(p for p in near[line[-1]] if p != line[-2]))
            # each line is found from both of its ends
            for link in (frozenset(line[:2]), frozenset(line[-2:])):
                if link in seen:
                    break
            else:
                last = node_of[line[-1]]
                whole = np.array([graph.places[number], *line[1:-1], graph.places[last]], float)
                graph.edges.append(Edge((number, last), whole))
            seen |= {frozenset(line[:2]), frozenset(line[-2:])}
    return graph


def _neighbours(pixel: Pixel, pixels: set[Pixel]) -> list[Pixel]:
    """Return the neighbours of a pixel; a diagonal one is excluded if a shared edge neighbour links the two."""
    r, c = pixel
    found = []
    for dr, dc in _AROUND:
        if (r + dr, c + dc) in pixels and not (
            dr and dc and ((r + dr, c) in pixels or (r, c + dc) in pixels)
        ):
            found.append((r + dr, c + dc))
    return found


def _joined(pixel: Pixel, near: dict[Pixel, list[Pixel]]) -> list[Pixel]:
    """Return all joint pixels connected to a joint pixel, or an end pixel alone."""
    members = [pixel]
    if len(near[pixel]) < 2:
        return members
    for member in members:
        members += [p for p in near[member] if len(near[p]) > 2 and p not in members]
    return members


def tidied(graph: Graph, spur: float) -> Graph:
    """Remove short branches, short links between joints, and nodes where only two lines meet."""
    changed = True
    while changed:
        changed = False
        for edge in sorted(graph.edges, key=lambda edge: edge.length):
            degrees = [len(graph.at(end)) for end in edge.ends]
            short = edge.length < spur
            if short and min(degrees) == 1 and max(degrees) > 2:
                _remove(graph, edge)
            elif short and min(degrees) > 2 and edge.ends[0] != edge.ends[1]:
                _contract(graph, edge)
            elif short and edge.ends[0] == edge.ends[1] and degrees[0] > 2:
                _remove(graph, edge)
            else:
                continue
            changed = True
            break
        for node in list(graph.places):
            edges = graph.at(node)
            if len(edges) == 2 and edges[0] is not edges[1]:
                _splice(graph, node, edges[0], edges[1])
                changed = True
    return graph


def _remove(graph: Graph, edge: Edge) -> None:
    graph.edges = [other for other in graph.edges if other is not edge]
    for node in set(edge.ends):
        if not graph.at(node):
            del graph.places[node]


def _contract(graph: Graph, edge: Edge) -> None:
    """Merge the two joints of an edge at its midpoint."""
    kept, gone = edge.ends
    graph.edges = [other for other in graph.edges if other is not edge]
    graph.places[kept] = (graph.places[kept] + graph.places[gone]) / 2
    del graph.places[gone]
    for other in graph.edges:
        other.ends = tuple(kept if end == gone else end for end in other.ends)  # type: ignore[assignment]
        for place, end in ((0, other.ends[0]), (-1, other.ends[1])):
            if end == kept:
                other.line = other.line.copy()
                other.line[place] = graph.places[kept]


def _splice(graph: Graph, node: int, first: Edge, second: Edge) -> None:
    """Merge the two edges that meet at a node."""
    line = np.concatenate([first.leaving(node)[::-1], second.leaving(node)[1:]])
    graph.edges = [edge for edge in graph.edges if edge is not first and edge is not second]
    graph.edges.append(Edge((first.other(node), second.other(node)), line))
    del graph.places[node]

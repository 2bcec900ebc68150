"""The controls implemented symbol by symbol from their definitions: the specification of the fast ones."""

from __future__ import annotations

import math

Logits = list[float]
NEVER = -math.inf


def probabilities(logits: Logits) -> Logits:
    top = max(logits)
    weights = [math.exp(x - top) for x in logits]
    total = math.fsum(weights)
    return [w / total for w in weights]


def allowed(logits: Logits, mask: list[bool]) -> Logits:
    return [x if ok else NEVER for x, ok in zip(logits, mask, strict=True)]


def repetition_penalty(logits: Logits, penalty: float, seen: list[bool]) -> Logits:
    def punished(x: float) -> float:
        return x / penalty if x > 0 else x * penalty

    return [punished(x) if was else x for x, was in zip(logits, seen, strict=True)]


def temperature(logits: Logits, value: float) -> Logits:
    return [x / value for x in logits]


def top_k(logits: Logits, k: int) -> Logits:
    return [x if sum(other > x for other in logits) < k else NEVER for x in logits]


def top_p(logits: Logits, p: float) -> Logits:
    return _most_first(logits, sorted(range(len(logits)), key=lambda v: (-logits[v], v)), p)


def min_p(logits: Logits, p: float) -> Logits:
    chances = probabilities(logits)
    return [x if chance >= p * max(chances) else NEVER for x, chance in zip(logits, chances, strict=True)]


def typical_p(logits: Logits, p: float) -> Logits:
    chances = probabilities(logits)
    entropy = math.fsum(-c * math.log(c) for c in chances if c)
    distance = [abs(-math.log(c) - entropy) if c else math.inf for c in chances]
    kept = _most_first(logits, sorted(range(len(logits)), key=lambda v: (distance[v], v)), p)
    last = max(d for d, x in zip(distance, kept, strict=True) if x > NEVER)
    return [x if d <= last else NEVER for x, d in zip(logits, distance, strict=True)]


def _most_first(logits: Logits, order: list[int], p: float) -> Logits:
    chances = probabilities(logits)
    kept: list[int] = []
    for v in order:
        kept.append(v)
        if math.fsum(chances[k] for k in kept) >= p:
            break
    return [x if v in kept else NEVER for v, x in enumerate(logits)]

"""A stream resumes exactly from its state: at any chunk, in another process, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from seqgen.errors import SeqgenError
from seqgen.packed import digest
from seqgen.streaming import Stream
from tests.conformance.case import Case
from tests.conformance.running import chunks, plain_chunk
from tests.conformance.streams import RESUMED, drained, through_json, whole_way


def varied(case: Case) -> dict[str, Any]:
    return RESUMED | case.everything()


def begun(case: Case, engine: str, steps: int = 2, **changes: Any) -> Any:
    """Return a stream that has delivered `steps` chunks."""
    stream = case.stream(engine, **{**RESUMED, **changes})
    for _ in range(steps):
        next(stream)
    return stream


@pytest.mark.sweep("kind", ["varied", "plain"])
def test_taking_the_state_does_not_disturb_a_stream(case, engine, kind):
    _, delivered = whole_way(case, engine, kind)
    assert delivered == drained(case, engine, **RESUMED | case.request(kind))


@pytest.mark.sweep("kind", ["varied", "plain"])
def test_from_every_state_follow_the_next_chunk_and_the_next_state(case, engine, kind):
    """By induction, a stream resumed from any state equals the uninterrupted one to its end."""
    request = RESUMED | case.request(kind)
    states, delivered = whole_way(case, engine, kind)
    for done, state in enumerate(states):
        fresh = case.stream(engine, **request)
        fresh.load_state_dict(state)
        assert through_json(fresh.state_dict()) == state
        chunk = next(fresh, None)
        if done == len(delivered):
            assert chunk is None
        else:
            assert plain_chunk(chunk) == delivered[done]
            assert through_json(fresh.state_dict()) == states[done + 1]


@pytest.mark.sweep("done", ["middle", "one later", "two later", "end", 1, 0])
def test_a_stream_that_is_under_way_goes_on_from_a_state_to_its_end(case, engine, done):
    """What a stream holds besides its state matters in later rounds; the middle and the next chunks cover one round."""
    states, delivered = whole_way(case, engine)
    middle = len(delivered) // 2
    done = {"middle": middle, "one later": middle + 1, "two later": middle + 2, "end": len(delivered)}.get(
        done, done
    )
    stream = case.stream(engine, **varied(case))
    assert [plain_chunk(next(stream)) for _ in range(2)] == delivered[:2]
    stream.load_state_dict(states[done])
    assert chunks(stream) == delivered[done:]


@pytest.mark.common
def test_an_endless_stream_resumes_mid_sample(case, engine):
    request = {"batch": 2, "chunk": 5, "seed": 1}
    stream = case.stream(engine, **request)
    for _ in range(7):
        next(stream)
    fresh = case.stream(engine, **request)
    fresh.load_state_dict(through_json(stream.state_dict()))
    for _ in range(6):
        assert plain_chunk(next(fresh)) == plain_chunk(next(stream))


@pytest.mark.serial
def test_a_stream_of_another_process_resumes_here_and_there(case, engine, other_process):
    _, here = whole_way(case, engine)
    there, from_here = other_process[f"{case.id}-{engine}"]
    assert there == here, "another process draws the same"
    assert from_here == here[4:], "a state of this process goes on in another"


# ---- invalid states -------------------------------------------------------------------------------------


@pytest.mark.once_per
@pytest.mark.parametrize(
    ("name", "value"),
    [("n", 4), ("length", 12), ("batch", 2), ("chunk", 5), ("seed", 4), ("start", 1), ("log_probs", True)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_state_of_another_request_is_refused(case, engine, name, value):
    state = begun(case, engine).state_dict()
    other = case.stream(engine, **{**RESUMED, name: value})
    with pytest.raises(SeqgenError, match=rf"made with {name}=.*this stream has {name}={value}"):
        other.load_state_dict(state)


@pytest.mark.needs("prompts", "controls", "conditions")
@pytest.mark.once_per
@pytest.mark.parametrize("name", ["prompt", "condition", "controls"])
def test_the_state_of_another_prompt_condition_or_other_controls_is_refused(case, engine, name):
    values = {"prompt": case.prompts, "condition": case.conditions, "controls": case.controls}[name]
    state = begun(case, engine, **{name: values[0]}).state_dict()
    for value in (values[1], None):
        with pytest.raises(SeqgenError, match=f"made with {name}="):
            case.stream(engine, **RESUMED, **{name: value}).load_state_dict(state)
    case.stream(engine, **RESUMED, **{name: values[0]}).load_state_dict(state)


@pytest.mark.once_per
def test_the_state_of_another_model_or_engine_is_refused(case, engine):
    state = begun(case, engine).state_dict()
    other = case.model(engine, number=1).stream(engine=engine, **RESUMED)
    with pytest.raises(
        SeqgenError, match=r"belongs to weights [0-9a-f]{12}….*load the model that was streamed"
    ):
        other.load_state_dict(state)
    for name in case.engines:
        if name != engine:
            with pytest.raises(SeqgenError, match=f"engine='{engine}'"):
                case.model(engine).stream(engine=name, **case.required, **RESUMED).load_state_dict(state)


@pytest.mark.once_per
@pytest.mark.parametrize("garbage", [None, {}, [], "state", 3, {"weights": "x"}], ids=repr)
def test_what_is_no_state_is_refused(case, engine, garbage):
    with pytest.raises(SeqgenError, match="not the state of a stream"):
        case.stream(engine, **RESUMED).load_state_dict(garbage)


def damaged(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Yield the state with each of its parts removed, or replaced by an invalid one."""
    found = []
    for key in state:
        if key == "format":
            continue
        found.append({k: v for k, v in state.items() if k != key})
        found += [{**state, key: value} for value in (None, "nonsense", {"a": 1})]
        if isinstance(state[key], list) and state[key]:
            found.append({**state, key: state[key][:-1]})
    caches = state["caches"]
    name = next(iter(caches))
    for packed in (
        {**caches[name], "data": "!"},
        {**caches[name], "data": ""},
        {**caches[name], "shape": [1]},
        {**caches[name], "dtype": "<q9"},
        {**caches[name], "dtype": "|O"},
        {},
    ):
        found.append({**state, "caches": {**caches, name: packed}})
    found.append({**state, "caches": {**caches, "more": caches[name]}})
    return found


def refuses(stream: Stream, state: Any) -> bool:
    """Return whether loading raises a SeqgenError; other errors pass through."""
    try:
        stream.load_state_dict(state)
    except SeqgenError:
        return True
    return False


@pytest.mark.once_per("engine.restore", "engine.attach", "codec.decoder")
def test_a_damaged_state_is_refused_and_does_no_harm(case, engine):
    stream = begun(case, engine)
    waiting = through_json(begun(case, engine, steps=5).state_dict())
    expected = chunks(begun(case, engine))
    for number, state in enumerate(damaged(waiting)):
        assert refuses(stream, state), f"damage {number} went unnoticed"
    assert chunks(stream) == expected


@pytest.mark.once_per("engine.restore", "engine.attach", "codec.decoder")
@pytest.mark.parametrize("key", ["next_index", "index", "offset", "decoders", "tails", "waiting", "caches"])
def test_a_forged_state_is_refused_too(case, engine, key):
    state = through_json(begun(case, engine, steps=4).state_dict())
    forged = {**state, key: None}
    with pytest.raises(SeqgenError, match="the state is damaged"):
        case.stream(engine, **RESUMED).load_state_dict({**forged, "digest": digest(forged)})


@pytest.mark.once_per
def test_a_newer_format_of_states_is_refused(case, engine):
    state = begun(case, engine).state_dict()
    with pytest.raises(SeqgenError, match="format 99, this version reads"):
        case.stream(engine, **RESUMED).load_state_dict({**state, "format": 99})

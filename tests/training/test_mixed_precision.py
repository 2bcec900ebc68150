"""Modules that the machine cannot compute in bfloat16 are computed in float32; the others stay in bfloat16."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seqgen.training.mixed_precision import supported_autocast


class Fussy(nn.Linear):
    """A layer that, like oneDNN's LSTM on some CPUs, has no bfloat16 form, forward or backward."""

    refuses_backward = False

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            if not self.refuses_backward:
                raise RuntimeError("could not create a primitive descriptor")
            return Refusing.apply(super().forward(x))
        return super().forward(x)


class Refusing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("could not create a primitive descriptor")


def parts(refuses_backward: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), Fussy(4, 4), nn.Linear(4, 2))
    model[1].refuses_backward = refuses_backward
    return model


@pytest.mark.parametrize("refuses_backward", [False, True])
def test_only_the_refused_module_runs_in_float32(refuses_backward):
    model = parts(refuses_backward)
    dtypes: list[torch.dtype] = []
    for module in model:
        module.register_forward_hook(lambda _, __, output: dtypes.append(output.dtype))
    before = torch.get_rng_state()
    with supported_autocast(model) as autocast:
        for _ in range(2):
            dtypes.clear()
            with autocast():
                model(torch.randn(5, 3, generator=torch.Generator().manual_seed(1))).float().sum().backward()
            assert dtypes == [torch.bfloat16, torch.float32, torch.bfloat16]
    assert torch.equal(before, torch.get_rng_state())
    assert all("forward" not in module.__dict__ for module in model)


def test_a_gradient_is_that_of_one_step_and_not_of_the_trial():
    model, plain = parts(), parts()
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    with supported_autocast(model) as autocast, autocast():
        model(x).float().sum().backward()
    plain(x).sum().backward()
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=2e-2, rtol=2e-2)


def test_an_error_that_float32_has_too_is_raised():
    with (
        supported_autocast(model := parts()) as autocast,
        autocast(),
        pytest.raises(RuntimeError, match="shapes cannot be multiplied"),
    ):
        model(torch.zeros(5, 7))


def test_turned_off_everything_is_in_float32():
    with supported_autocast(model := parts(), enabled=False) as autocast, autocast():
        assert model(torch.zeros(5, 3)).dtype == torch.float32


def test_a_recurrent_state_in_bfloat16_is_taken_up_by_a_module_in_float32():
    """This happens when a run is resumed on a machine that lacks an operation in bfloat16."""

    class FussyLSTM(nn.LSTM):
        def forward(self, *inputs):  # type: ignore[override]
            if torch.is_autocast_enabled("cpu"):
                raise RuntimeError("could not create a primitive descriptor")
            return super().forward(*inputs)

    layer = FussyLSTM(3, 4)
    state = (torch.ones(1, 2, 4, dtype=torch.bfloat16), torch.ones(1, 2, 4, dtype=torch.bfloat16))
    with supported_autocast(layer) as autocast, autocast():
        output, after = layer(torch.zeros(2, 5, 3).transpose(0, 1), state)
    assert output.dtype == after[0].dtype == torch.float32

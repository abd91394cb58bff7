"""Flow matching against slow references and fields whose solution is known."""

import math

import pytest
import torch

from espnet_entropy.vc.flow import flow_loss, guided, on_path, sample, velocity_on_path


def test_path_goes_from_noise_to_target_at_its_velocity():
    noise, target = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    torch.testing.assert_close(on_path(noise, target, torch.zeros(2)), noise)
    torch.testing.assert_close(on_path(noise, target, torch.ones(2)), target)
    early, late = (on_path(noise, target, torch.full((2,), t), 0.1) for t in (0.25, 0.75))
    torch.testing.assert_close((late - early) / 0.5, velocity_on_path(noise, target, 0.1))


def test_loss_is_the_mean_over_counted_frames_only():
    predicted, velocity = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    counted = torch.tensor([[True, True, False], [False, True, False]])
    predicted[~counted] = float("nan")
    errors = [
        (predicted[b, m, f] - velocity[b, m, f]).item() ** 2
        for b, m in [(0, 0), (0, 1), (1, 1)]
        for f in range(4)
    ]
    assert flow_loss(predicted, velocity, counted).item() == pytest.approx(sum(errors) / 12)
    with pytest.raises(ValueError, match="no frame"):
        flow_loss(predicted, velocity, torch.zeros(2, 3, dtype=torch.bool))


def test_guidance():
    conditional, unconditional = torch.tensor([3.0]), torch.tensor([1.0])
    assert guided(conditional, unconditional, 0.0).item() == 3
    assert guided(conditional, unconditional, 0.5).item() == 4


def test_straight_path_is_exact_in_one_step():
    noise, target = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    torch.testing.assert_close(sample(lambda x, t: target - noise, noise, 1), target)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2)])
def test_linear_field_converges_at_the_order_of_the_solver(solver, order):
    noise = torch.ones(1, 1, 1, dtype=torch.float64)

    def error(steps):
        return abs(sample(lambda x, t: x, noise, steps, solver=solver).item() - math.e)

    assert math.log2(error(32) / error(64)) == pytest.approx(order, abs=0.1)


def test_time_reaches_the_field():
    result = sample(lambda x, t: 2 * t.view(-1, 1, 1), torch.zeros(2, 1, 1), 4, solver="midpoint")
    assert result.flatten().tolist() == [1.0, 1.0]


def test_refused():
    with pytest.raises(ValueError, match="heun"):
        sample(lambda x, t: x, torch.zeros(1, 1, 1), 1, solver="heun")
    with pytest.raises(ValueError, match="0 steps"):
        sample(lambda x, t: x, torch.zeros(1, 1, 1), 0)

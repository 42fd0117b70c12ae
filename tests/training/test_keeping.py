from __future__ import annotations

import torch

from hepbaler.training.keeping import BestWeights


def test_each_column_gets_its_own_best() -> None:
    # Column 0 is best at 3, column 1 at 7, column 2 at 20; nothing trains, the weight just counts steps.
    target = torch.tensor([3.0, 7.0, 20.0])
    weight, other = torch.zeros(3, 2, 1), torch.zeros(3, 1)

    def judge() -> torch.Tensor:
        return (weight[:, 0, 0] - target).abs()

    best = BestWeights([weight, other], judge, steps=10)
    for step in range(1, 21):
        weight += 1.0
        other += 1.0
        best.step()
        assert weight[0, 0, 0] == step
    best.finish()
    assert weight[:, 0, 0].tolist() == [3.0, 7.0, 20.0]
    assert torch.equal(weight[:, 0], weight[:, 1])
    # All weights of a column come from one step.
    assert torch.equal(weight[:, 0, 0], other[:, 0])


def test_the_mean_is_taken_where_the_weights_swing() -> None:
    weight = torch.zeros(2, 1)

    def judge() -> torch.Tensor:
        return weight[:, 0].abs()

    best = BestWeights([weight], judge, steps=1000)
    for step in range(400):
        weight.fill_(1.0 if step % 2 else -1.0)
        best.step()
    best.finish()
    assert weight.abs().max() < 0.1


def test_without_a_step_between_the_last_weights_stay() -> None:
    weight = torch.ones(2, 3)
    best = BestWeights([weight], lambda: torch.zeros(2), steps=100)
    best.finish()
    assert torch.equal(weight, torch.ones(2, 3))


def test_what_is_judged_together_is_kept_together() -> None:
    weight, other = torch.zeros(3, 2), torch.zeros(5)

    def judge() -> torch.Tensor:
        return (other[:1] - 4.0).abs()

    best = BestWeights([weight, other], judge, steps=10)
    for _ in range(9):
        weight += 1.0
        other += 1.0
        best.step()
    best.finish()
    assert torch.equal(weight, torch.full((3, 2), 4.0))
    assert torch.equal(other, torch.full((5,), 4.0))

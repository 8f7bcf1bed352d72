"""`embedding_dropout` removes whole word types of a text, as many as asked for, in a text of its own each."""

import pytest
import torch

from custom_models.base import kept_types

IDS = torch.arange(3000).repeat(40, 1)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_is_the_rate(rate):
    torch.manual_seed(0)
    kept = kept_types(IDS, rate).float()
    # Five standard errors; the shares of texts and of types are each those of independent draws.
    assert abs(1 - kept.mean() - rate) < 5 * (rate * (1 - rate) / kept.numel()) ** 0.5
    spread = (rate * (1 - rate) / torch.tensor(kept.shape[::-1])) ** 0.5
    assert kept.mean(1).std() < 1.5 * spread[0]
    assert kept.mean(0).std() == pytest.approx(float(spread[1]), rel=0.1)


def test_a_type_is_dropped_at_all_its_positions_and_texts_differ():
    torch.manual_seed(0)
    kept = kept_types(torch.tensor([[5, 9, 5, 7, 5]]).repeat(200, 1), 0.5)
    assert (kept[:, 0] == kept[:, 2]).all()
    assert (kept[:, 0] == kept[:, 4]).all()
    assert 60 < kept[:, 0].sum() < 140
    # Neighbouring ids are independent.
    assert 60 < (kept[:, 0] == kept[:, 1]).sum() < 140
    assert 60 < (kept[:-1, 0] == kept[1:, 0]).sum() < 140


def test_the_same_seed_drops_the_same_types():
    first, again, other = (torch.manual_seed(seed) and kept_types(IDS, 0.5) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()

"""What the seeds decide."""

import torch

from pipeline.params.network import Model
from pipeline.training import seeds


class TestSeeds:
    def test_keys_are_fixed(self) -> None:
        assert seeds.keyed("order", 0, 1, 2) == seeds.keyed("order", 0, 1, 2)
        assert seeds.keyed("order", 0, 12) != seeds.keyed("order", 0, 1, 2)

    def test_the_global_generator_is_untouched(self) -> None:
        torch.manual_seed(3)
        before = torch.get_rng_state()
        seeds.initial_model(Model("mlp", [4]), (2,), 2, 0, 0)
        seeds.data_order(0, 0, 0, 10)
        assert torch.equal(torch.get_rng_state(), before)

    def test_weights_follow_the_seed_alone(self) -> None:
        first, again, other = (
            seeds.initial_model(Model("mlp", [4]), (2,), 2, 0, seed).state_dict()
            for seed in (0, 0, 1)
        )
        assert all(torch.equal(first[name], again[name]) for name in first)
        assert not torch.equal(first["1.weight"], other["1.weight"])

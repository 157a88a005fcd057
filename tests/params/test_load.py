"""params.yaml: what is accepted, what is refused and in which words."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from pipeline.errors import InputError
from pipeline.params.load import Params, from_config, load_params
from pipeline.params.optimizer import Optimizer
from pipeline.params.schedule import BATCH_RULES, Schedule
from pipeline.params.settings import Settings

BAD = [
    ("grid: {batch_size: [0]}", "grid.batch_size: 0"),
    ("grid: {batch_size: [1.5]}", "grid.batch_size: 1.5"),
    ("grid: {batch_size: [true]}", "grid.batch_size: True"),
    ("grid: {batch_size: [most]}", "grid.batch_size: 'most'"),
    ("grid: {batch_size: []}", "grid.batch_size: [] is empty"),
    ("grid: {batch_size: [4, 4]}", "grid.batch_size: [4, 4] has duplicates"),
    ("grid: {lr: [-1]}", "grid.lr: -1.0"),
    ("grid: {lr: [.inf]}", "grid.lr: inf"),
    ("grid: {lr: [.nan]}", "grid.lr: nan"),
    ("grid: {lr: fast}", "grid.lr"),
    ("grid: {seeds: 0}", "grid.seeds: 0"),
    ("grid: {variant: [other]}", "grid.variant: 'other'"),
    ("grid: {batchsize: [4]}", "grid.batchsize: Key 'batchsize' not in 'Grid'"),
    ("budget: {epochs: abc}", "budget.epochs: Value 'abc'"),
    ("budget: {epochs: 1.5}", "budget.epochs: Value '1.5'"),
    ("budget: {epochs: '???'}", "budget.epochs: '???'"),
    ("budget: {epochs: 0}", "budget.epochs: 0 is below 1"),
    ("speed: 3", "speed: Key 'speed' not in 'Params'"),
    ("scaling: robust", "scaling: 'robust'"),
    ("seed: -1", "seed: -1"),
    ("model: {name: rnn}", "model.name: 'rnn'"),
    ("model: {hidden: [0]}", "model.hidden: [0]"),
    ("model: {name: transformer}", "model.name: 'transformer' reads text alone"),
    ("model: {width: 64}", "model.width: 64 is not used by mlp"),
    ("model: {name: cifar_resnet, layers: 18}", "model.layers: 18 is not 6 n + 2"),
    ("model: {name: cifar_resnet, layers: 20, heads: 2}", "model.heads: 2 is not used by cifar"),
    ("model: {name: resnet, norm: ghost}", "model.norm: 'ghost' is not used by resnet"),
    ("model: {name: cifar_resnet, layers: 8, dropout: 0.1}", "model.dropout: 0.1 is not used by"),
    (
        "optimizer: {name: adamw, weight_decay: 0.1, decay_batch_size: 8}\n"
        "schedule: {batch_rule: linear}",
        "optimizer.decay_batch_size: 8 moves nothing with schedule.batch_rule=linear",
    ),
    ("data: {limit: 0}", "data.limit: 0 is below 1"),
    ("data: {val_limit: 9}", "data.val_limit: 9 is below 10"),
    ("model: {name: transformer, width: 6, heads: 4}", "model.width: 6 is no multiple"),
    ("model: {name: transformer, width: 6, heads: 2, positions: rotary}", "model.heads: 2 leaves"),
    ("model: {name: transformer, norm: batch}", "model.norm: 'batch' has layer norms"),
    ("model: {name: transformer, positions: sinus}", "model.positions: 'sinus'"),
    ("data: {source: text, task: language}", "data.path: None names no file"),
    ("data: {source: text, path: a.txt}", "data.task: 'classification' does not fit a text"),
    ("data: {task: language}", "data.task: 'language' is for data=text alone"),
    (
        "data: {source: text, path: a.txt, task: language}",
        "model.name: 'mlp' cannot read a text",
    ),
    (
        "data: {source: text, path: a.txt, task: language}\nmodel: {name: transformer}",
        "scaling: 'standard' is for numbers",
    ),
    ("data: {text: {context: 0}}", "data.text.context: 0"),
    ("data: {text: {split: random}}", "data.text.split: 'random'"),
    ("model: {dropout: 1.0}", "model.dropout: 1.0"),
    ("model: {norm: batch, hidden: [4], norm_layers: [1]}", "model.norm_layers: [1]"),
    ("model: {norm: ghost, ghost_size: 1}", "model.ghost_size: 1"),
    ("model: {norm: batch, hidden: [4]}\ngrid: {batch_size: [1, 4]}", "grid.batch_size: 1 is too"),
    (
        "variants: {bn: {model: {norm: ghost}}}\ngrid: {variant: [bn], batch_size: [1]}",
        "grid.batch_size: 1 is too small for variant bn",
    ),
    ("throughput: {blocks: 2}", "throughput.blocks: 2 is below 3"),
    ("throughput: {block_seconds: 0}", "throughput.block_seconds: 0"),
    ("impl: {checkpoint_seconds: -1}", "impl.checkpoint_seconds: -1"),
    ("evaluation: {examples: 1}", "evaluation.examples: 1"),
    ("optimizer: {name: lamb, momentum: 0.9}", "optimizer.momentum: 0.9"),
    ("data: {source: imagenet}", "data.source: 'imagenet'"),
    ("data: {source: mnist, split: {test: official, train: 0.8}}", "data.path: None"),
    ("data: {split: {train: 0.9}}", "data.split: [0.9, 0.2, 0.2] must sum to 1"),
    ("data: {split: {test: official, train: 0.8}}", "data.split.test: 'official'"),
    ("data: {split: {train: 1.6, val: -0.8}}", "data.split"),
    ("optimizer: {name: sophia}", "optimizer.name: 'sophia'"),
    ("optimizer: {clip_norm: 0}", "optimizer.clip_norm: 0"),
    ("optimizer: {beta2: 0.9}", "optimizer.beta2: 0.9 is not used by sgd"),
    (
        "optimizer: {name: muon, momentum: 0.9}\nmodel: {hidden: []}",
        "optimizer.name: 'muon' is for",
    ),
    ("schedule: {name: onecycle, warmup_steps: 3}", "schedule.warmup_steps: 3 is not used by onec"),
    ("schedule: {name: wsd, decay: 0}", "schedule.decay: 0"),
    ("schedule: {decay: 0.5}", "schedule.decay: 0.5 is not used by constant"),
    ("optimizer: {name: muon}", "optimizer.momentum: 0.0 must be above 0 for muon"),
    ("schedule: {exchange: adam}", "schedule.exchange: 'adam' is not used by constant"),
    ("optimizer: {name: nesterov}", "optimizer.momentum: 0.0"),
    ("optimizer: {name: adam, momentum: 0.9}", "optimizer.momentum: 0.9"),
    ("optimizer: {weight_decay: -1}", "optimizer.weight_decay: -1"),
    ("optimizer: {beta2: 1.0}", "optimizer.beta2: 1.0"),
    ("optimizer: {name: adam, beta2_batch_size: 0}", "optimizer.beta2_batch_size: 0"),
    ("optimizer: {momentum_batch_size: 8}", "optimizer.momentum_batch_size: 8 moves nothing"),
    ("optimizer: {ema: 1.0}", "optimizer.ema: 1.0 is outside"),
    ("optimizer: {name: schedule_free, ema: 0.9}", "optimizer.ema: 0.9 is not used by schedule_f"),
    ("optimizer: {name: schedule_free}\nschedule: {name: cosine}", "schedule.name: 'cosine' moves"),
    ("optimizer: {ema_batch_size: 8}", "optimizer.ema_batch_size: 8 moves nothing"),
    ("optimizer: {name: adam, momentum_batch_size: 8}", "momentum_batch_size: 8 is not used by"),
    ("schedule: {warmup_batch_size: 8}", "schedule.warmup_batch_size: 8 moves nothing"),
    ("schedule: {warmup_steps: 9, warmup_batch_size: 0}", "schedule.warmup_batch_size: 0 is below"),
    ("augmentation: {shift: true}", "augmentation.shift: True is for a text"),
    ("data: {source: wine}\naugmentation: {crop: 2}", "augmentation: 'wine' has no images"),
    ("augmentation: {crop: -1}", "augmentation.crop: -1 is below 0"),
    ("model: {precision: float16}", "model.precision: 'float16'"),
    ("optimizer: {noise_batch_size: 8}", "optimizer.noise_batch_size: 8 is not used by sgd"),
    ("optimizer: {name: adam, decay_batch_size: 8}", "decay_batch_size: 8 is not used by adam"),
    (
        "optimizer: {name: adamw, decay_batch_size: 8}",
        "optimizer.decay_batch_size: 8 moves nothing: ",
    ),
    ("optimizer: {epsilon: 0.1}", "optimizer.epsilon: 0.1 is not used by sgd"),
    ("optimizer: {name: adam, beta1: -0.1}", "optimizer.beta1: -0.1 is outside"),
    ("optimizer: {name: adam, beta2_batch_size: 8, noise_batch_size: 8}", "moves beta2, and so"),
    ("schedule: {name: step}", "schedule.milestones: []"),
    ("schedule: {batch_rule: cubic}", "schedule.batch_rule: 'cubic'"),
    ("schedule: {base_batch_size: 0}", "schedule.base_batch_size: 0"),
    ("schedule: {name: step, milestones: [0.9, 0.1]}", "schedule.milestones"),
    ("confirm: {seeds: 1}", "confirm.seeds: 1"),
    ("target: {value: best}", "target.value: 'best'"),
    ("limits: {seconds: 0}", "limits.seconds: 0"),
    ("impl: {device: tpu}", "impl.device: 'tpu'"),
    ("impl: {workers: none}", "impl.workers: 'none'"),
    ("variants: {bn: {model: {nrm: batch}}}", "variants.bn: model.nrm"),
    ("variants: {bn: {model: {norm: layer}}}", "variants.bn: model.norm: 'layer'"),
    ("variants: {bn: {seed: 3}}", "variants.bn: seed: 3"),
    ("variants: {bn: {grid: {seeds: 3}}}", "variants.bn: grid.seeds: 3"),
    ("variants: {a-b: {}}\ngrid: {variant: [a-b]}", "variants: 'a-b'"),
    ("- 1", "is not a mapping"),
    ("grid: [", "not readable as YAML"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_bad_values_are_named_with_their_rule(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_params(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pipeline\.stages\.config"):
        load_params(tmp_path / "params.yaml")


def params_of(**sections: object) -> Params:
    return from_config(OmegaConf.create(dict(sections)))


def test_a_variant_is_laid_over_the_base() -> None:
    loaded = params_of(
        grid={"variant": ["baseline", "adam"], "lr": [0.1, 1.0], "seeds": 2},
        optimizer={"name": "sgd", "weight_decay": 0.5},
        variants={"adam": {"optimizer": {"name": "adam"}, "grid": {"lr": [0.001]}}},
    )
    assert loaded.settings("baseline").optimizer.name == "sgd"
    adam = loaded.settings("adam")
    assert (adam.optimizer.name, adam.optimizer.weight_decay, adam.lr) == ("adam", 0.5, (0.001,))
    assert [(c.lr, c.seed) for c in loaded.cells("adam", 8, 8)] == [(0.001, 0), (0.001, 1)]
    assert len(loaded.cells("baseline", 8, 8)) == 4


def test_a_variant_may_be_made_of_any_letters_digits_and_underscores() -> None:
    assert list(params_of(variants={"b_1": None}, grid={"variant": ["b_1"]}).packs()) == [
        ("b_1", 32)
    ]


@given(
    st.lists(st.integers(1, 4096) | st.just("full"), min_size=1, max_size=6, unique=True),
    st.lists(st.floats(1e-6, 100), min_size=1, max_size=6, unique=True),
    st.integers(1, 20),
    st.integers(2, 20),
)
@pytest.mark.slow
def test_every_sound_grid_is_enumerated_once(
    sizes: list[int | str], rates: list[float], seeds: int, confirm: int
) -> None:
    grid = {"batch_size": sizes, "lr": rates, "seeds": seeds}
    loaded = params_of(grid=grid, confirm={"seeds": confirm})
    cells = [cell for pack in loaded.packs() for cell in loaded.cells(*pack, 1)]
    assert len(cells) == len(set(cells)) == len(sizes) * len(rates) * seeds
    assert not set(loaded.confirm_seeds()) & set(loaded.screen_seeds())
    assert len(loaded.confirm_seeds()) == confirm


@pytest.mark.parametrize(("rule", "rates"), [("none", [0.1]), ("linear", [0.4]), ("sqrt", [0.2])])
def test_a_batch_rule_scales_the_rates(tmp_path: Path, rule: str, rates: list[float]) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(
        f"schedule: {{batch_rule: {rule}, base_batch_size: 32}}\n"
        "grid: {lr: [0.1], seeds: 1, batch_size: [32, full]}"
    )
    loaded = load_params(path)
    assert [cell.lr for cell in loaded.cells("baseline", "full", 128)] == rates
    assert [cell.lr for cell in loaded.cells("baseline", 32, 32)] == [0.1]


def test_beta2_keeps_its_half_life_in_examples() -> None:
    rule = Optimizer("adam", beta2=0.95, beta2_batch_size=512)
    for size in (1, 64, 512, 4096):
        own = rule.at(size)
        half_life_examples = size * math.log(0.5) / math.log(own.beta2)
        assert half_life_examples == pytest.approx(512 * math.log(0.5) / math.log(0.95))
    assert rule.at(1).beta2 == pytest.approx(0.9999, abs=1e-6)  # Marek et al. 2025
    assert Optimizer("adam").at(64) == Optimizer("adam")


def test_momentum_keeps_its_half_life_in_examples() -> None:
    rule = Optimizer("sgd", 0.9, momentum_batch_size=32)
    assert rule.at(32) == Optimizer("sgd", 0.9)
    assert rule.at(64).momentum == pytest.approx(0.81)
    assert rule.at(16).momentum ** 2 == pytest.approx(0.9)
    assert Optimizer(ema=0.99, ema_batch_size=8).at(16).ema == pytest.approx(0.9801)


def test_a_warm_up_takes_as_many_examples() -> None:
    schedule = Schedule(warmup_steps=100, warmup_batch_size=32)
    assert schedule.at(32) == Schedule(warmup_steps=100)
    assert [schedule.at(size).warmup_steps for size in (8, 64, 4096)] == [400, 50, 1]
    settings = Settings(optimizer=Optimizer("sgd", 0.9, momentum_batch_size=32), schedule=schedule)
    assert settings.at(64).optimizer.momentum == pytest.approx(0.81)
    assert settings.at(64).schedule == Schedule(warmup_steps=50)


def test_adam_keeps_its_noise() -> None:
    """Malladi et al. 2022, definition 5.1, for a batch four times as large."""
    own = Optimizer("adam", noise_batch_size=32).at(128)
    assert (own.beta1, own.beta2, own.epsilon) == pytest.approx((0.6, 0.996, 5e-9))
    assert own.at(4) == own
    assert Optimizer("adam", beta1=0.0, noise_batch_size=32).at(32).beta1 == 0
    with pytest.raises(InputError, match="noise_batch_size: 32 leaves no betas for batch size 352"):
        Optimizer("adam", noise_batch_size=32).at(352)


def test_weight_decay_keeps_its_timescale_in_examples() -> None:
    """Wang & Aitchison 2024: batch size / (rate x decay) examples."""
    rule = Optimizer("adamw", weight_decay=0.01, decay_batch_size=64)
    assert [size / rule.at(size).weight_decay for size in (1, 64, 512)] == pytest.approx([6400] * 3)
    for name, power in BATCH_RULES.items():
        settings = Settings(optimizer=rule, schedule=Schedule(batch_rule=name))
        examples = [
            size / size**power / settings.at(size).optimizer.weight_decay for size in (1, 64, 512)
        ]
        assert examples == pytest.approx([6400 / 64**power] * 3)

"""Compose conf/ into params.yaml.

    python -m pipeline.stages.config [override ...]   compose by hand, print what changed
    python -m pipeline.stages.config --refresh        the DAG's first stage; writes, too, what
                                                      differs from the default study

DVC alone composes only in ``dvc exp run``; the refresh makes an edit of conf/ reach a plain
``dvc repro`` too. Overrides given earlier stay as long as conf/ is not edited.
"""

import difflib
import os
import re
import shutil
import sys
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.errors import InputError, command, require
from pipeline.hydra_plugins.batchwise import CONF, conf_digest
from pipeline.params.data import FILES, TOKENS
from pipeline.params.load import (
    DERIVED,
    MACHINES,
    Params,
    flattened,
    from_config,
    load_params,
    one_line,
)
from pipeline.workspace import files


def composed(overrides: list[str]) -> str:
    """The text of params.yaml for these overrides, checked.

    Raises InputError for whatever Hydra, OmegaConf or the project's own rules refuse.
    """
    try:
        with initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
            config = compose("config", overrides=overrides)
        OmegaConf.resolve(config)
    except OverrideParseException as error:
        rule = """a value with spaces or signs is quoted twice: "data.target='price (€)'"."""
        raise InputError(f"{one_line(error)}; {rule}") from None
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(one_line(error)) from None
    check_file(from_config(config))
    return OmegaConf.to_yaml(config)


def check_file(params: Params) -> None:
    """Refuse a file or folder of the user's own that is not there, before DVC looks for it."""
    path = params.data.path
    known = params.data.source not in FILES or path is None or Path(path).exists()
    require(known, "data.path", path, "does not exist")
    tokens = params.data.text.tokens
    known = tokens in TOKENS or Path(tokens).is_file()
    require(known, "data.text.tokens", tokens, f"is neither {' nor '.join(TOKENS)} nor a file")


def write(text: str) -> None:
    """Put ``text`` into params.yaml and print what changed of its ``chosen_lines``."""
    before = chosen_lines(files.PARAMS.read_text()) if files.PARAMS.exists() else []
    files.write_text(files.PARAMS, text)
    for line in difflib.unified_diff(before, chosen_lines(text), lineterm="", n=1):
        if not line.startswith(("---", "+++", "@@")):
            print(line)


def chosen_lines(text: str) -> list[str]:
    """The lines of a params.yaml without the sections whose values nobody chose."""
    sections = re.split(r"^(?=\w)", text, flags=re.MULTILINE)
    derived = tuple(f"{key.rstrip('.')}:" for key in DERIVED)
    return [
        line
        for section in sections
        if not section.startswith(derived)
        for line in section.splitlines()
    ]


def is_stale() -> bool:
    """Whether conf/ was edited since params.yaml was composed."""
    try:
        return OmegaConf.select(OmegaConf.load(files.PARAMS), "conf_digest") != conf_digest()
    except Exception as error:  # the YAML parser's errors share no base class with OmegaConf
        raise InputError(f"{files.PARAMS}: not readable as YAML: {one_line(error)}") from None


def refresh() -> Params:
    """Recompose params.yaml if conf/ was edited; else check it as it stands.

    Raises InputError when the grid changed: DVC has laid out its stages already.
    """
    if not is_stale():
        return load_params(files.PARAMS)
    if "DVC_EXP_NAME" in os.environ:  # DVC composed a moment ago, from its copy of conf/
        raise InputError("conf/ has files this experiment does not: `git add conf` and run again")
    before = OmegaConf.select(OmegaConf.load(files.PARAMS), "grid")
    write(composed([]))
    after = OmegaConf.select(OmegaConf.load(files.PARAMS), "grid")
    if any(before[key] != after[key] for key in ("variant", "batch_size")):
        raise InputError("the grid changed after DVC laid out its stages: run `dvc repro` again")
    return load_params(files.PARAMS)


def overrides() -> dict[str, list[object]]:
    """By key: the default study's value and the current one, where they differ; what finds itself
    and what cannot change an answer aside."""
    default, current = (
        flattened(OmegaConf.to_container(OmegaConf.create(text)))
        for text in (composed([]), files.PARAMS.read_text())
    )
    return {
        key: [default.get(key), current.get(key)]
        for key in default | current
        if default.get(key) != current.get(key) and not key.startswith(DERIVED + MACHINES)
    }


def prune_runs(current: Params) -> None:
    """Delete runs and pilots that no longer belong to the grid; DVC's cache still has them."""
    wanted = {files.run_folder(variant, size) for variant, size in current.packs()}
    wanted |= {files.PILOTS / variant for variant in current.waves.variant}
    for folder in sorted([*files.RUNS.glob("*"), *files.PILOTS.glob("*")]):
        if folder.is_dir() and folder not in wanted:
            shutil.rmtree(folder)


@command
def main() -> None:
    """Compose by hand, or refresh for DVC."""
    if not (CONF / "config.yaml").is_file():
        raise InputError(
            f"{Path.cwd().name}: has no conf/config.yaml; run this in the project's root"
        )
    if sys.argv[1:] == ["--refresh"]:
        prune_runs(refresh())
        files.write_json(files.OVERRIDES, overrides())
    else:
        write(composed(sys.argv[1:]))


if __name__ == "__main__":
    main()

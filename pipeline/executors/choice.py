"""Which executor params.yaml names."""

from pipeline.executors.executor import Executor
from pipeline.executors.on_ray import OnRay
from pipeline.executors.on_slurm import OnSlurm
from pipeline.params.load import Params


def executor(params: Params) -> Executor | None:
    """That of ``impl.executor``; None where work stays in processes of this machine."""
    impl = params.impl
    if impl.executor == "ray":
        return OnRay(impl.address, impl.resources)
    if impl.executor == "slurm":
        return OnSlurm(params.slurm, impl.resources)
    return None

"""The dialects, in the order in which `--scheduler auto` looks for them."""

from __future__ import annotations

from jobauto.schedulers.base import Dialect, Unreadable
from jobauto.schedulers.htcondor import HTCondor
from jobauto.schedulers.local import Local
from jobauto.schedulers.lsf import LSF
from jobauto.schedulers.pbs import PBS
from jobauto.schedulers.sge import GridEngine
from jobauto.schedulers.slurm import Slurm

_ALL: tuple[Dialect, ...] = (Slurm(), GridEngine(), PBS(), LSF(), HTCondor(), Local())
DIALECTS = {dialect.name: dialect for dialect in _ALL}

__all__ = ["DIALECTS", "Dialect", "Unreadable"]

"""The dialects, in the order in which `--scheduler auto` looks for them."""

from __future__ import annotations

from jobauto.schedulers.base import Dialect, Unreadable
from jobauto.schedulers.local import Local
from jobauto.schedulers.pbs import PBS
from jobauto.schedulers.sge import GridEngine
from jobauto.schedulers.slurm import Slurm

DIALECTS: dict[str, Dialect] = {d.name: d for d in (Slurm(), GridEngine(), PBS(), Local())}

__all__ = ["DIALECTS", "Dialect", "Unreadable"]

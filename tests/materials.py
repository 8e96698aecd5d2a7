"""168 crystal structures in VASP's format, made up, and the stand-ins that compute them."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

STANDINS = Path(__file__).resolve().parent / "standins"
_LATTICE = {"Al": 2.8, "Ga": 2.82, "In": 3.03, "P": 2.73, "As": 2.83, "Sb": 3.07, "N": 2.25}
_LATTICE |= {"Zn": 2.7, "Cd": 2.9, "S": 2.7, "Se": 2.83, "Te": 3.05, "Si": 2.71, "Ge": 2.83}


def poscars(folder: Path, number: int = 168) -> list[Path]:
    """Write `number` files POSCAR.<name> with different species and volumes."""
    folder.mkdir(parents=True)
    pairs = list(permutations(_LATTICE, 2))[:number]
    assert len(pairs) == number
    files = []
    for first, second in pairs:
        file = folder / f"POSCAR.{first}{second}"
        file.write_text(_poscar(first, second))
        files.append(file)
    return files


def _poscar(first: str, second: str) -> str:
    a = _LATTICE[first] + _LATTICE[second]
    cell = "\n".join(" ".join(f"{x * a / 2:.6f}" for x in row) for row in _FCC)
    return f"{first}{second}\n1.0\n{cell}\n{first} {second}\n1 1\nDirect\n0 0 0\n0.25 0.25 0.25\n"


_FCC = ((0, 1, 1), (1, 0, 1), (1, 1, 0))

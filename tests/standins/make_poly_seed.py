"""Stand-in for the maker of seeds: `make_poly_seed.py SIZE` writes SIZE_atoms.out."""

import sys
from pathlib import Path

size = int(sys.argv[1])
file = Path(f"{size}_atoms.out")
made = file.read_text().count("\n") if file.exists() else 0
file.write_text(f"seed of {size}\n" * (made + 1))

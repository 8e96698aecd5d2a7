#!/usr/bin/env python3
"""The monitor, started from a checkout: `nohup ./jobmon.py --ldir DIR ... &`."""

import sys

if __name__ == "__main__":
    try:
        from jobauto.cli.jobmon import main
    except ModuleNotFoundError as missing:
        sys.exit(f"jobmon.py: {missing.name} is not installed\n  -> run: make install")
    sys.exit(main())

"""`python -m jobauto VERB`: the same as the installed command `jobauto`."""

import sys

from jobauto.cli.main import main

sys.exit(main())

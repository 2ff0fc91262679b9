"""`python -m pvasm`."""

import sys

from pvasm.cli import main

sys.exit(main())

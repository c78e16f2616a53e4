"""`python -m vq_nat.cli`."""

import sys

from .main import main

sys.exit(main())

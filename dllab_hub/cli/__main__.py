"""``python -m dllab_hub.cli``."""

import sys

from . import main

sys.exit(main())

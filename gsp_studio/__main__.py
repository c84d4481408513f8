"""``python -m gsp_studio`` is ``gsp-studio``."""

import sys

from gsp_studio.cli import main

sys.exit(main())

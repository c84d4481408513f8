"""``python -m gsp_studio`` is ``gsp-studio``."""

import sys

from gsp_studio.cli import main

if getattr(sys, "frozen", False):  # in a bundle, where processes of its own begin here, too
    from multiprocessing import freeze_support

    freeze_support()

sys.exit(main())

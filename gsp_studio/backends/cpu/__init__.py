"""numba and BLAS kernels for this computer's processor; the backend of them is made in `processor`.

Threads that wait for work sleep instead of spinning (``OMP_WAIT_POLICY=passive``, unless the user has set it): beside
any other busy process a spinning thread holds the core that the one it waits for needs, and a pass of 2 ms takes 8.
OpenMP reads the setting once, when numba's thread pool is loaded, hence here.

Nothing is imported here: threads of the app import modules of this package at the same time, and a package that waits
for its modules while they wait for it fails in one of them.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

"""The programs, run as `python -m scripts.NAME`."""

import os

# At this size a second BLAS thread gains nothing, and beside other work it can lose a factor of
# ten. The libraries read these once, when they are imported; what the user has set stays.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

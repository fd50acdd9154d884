"""Linear algebra held to one thread: workers are processes, and sums keep their order."""

ONE_THREAD = dict.fromkeys(
    ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS', 'BLIS_NUM_THREADS',
     'NUMEXPR_NUM_THREADS', 'VECLIB_MAXIMUM_THREADS'), '1')
"""Environment that libraries read when they are loaded."""

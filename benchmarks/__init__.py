"""How hepbaler compares with other coders, side by side on the same arrays: ``python -m benchmarks``.

::

    workload.py     a ROOT file -> its float columns with their bounds
    peers/          one way of coding each: arrays or a file in, a folder out, and back
    measuring.py    a process for each peer and direction: seconds, memory, every value against its bound
    results.py      what was measured, as JSON; a run replaces its own rows only
    tables.py, plots.py, report.py     JSON -> docs/benchmarks.md and its figures
"""

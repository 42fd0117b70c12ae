"""A verb over many files: one task a file, each of which can be done again without harm.

```
inputs, fileset   filesets.py    what a user names -> files, datasets, where each result goes
      v
    Task          tasks.py       verb, source, target, settings; `perform` does it, or finds that it is done
      |           verbs.py       how each verb does it, and how it knows that it is done; records.py
      v
   Executor       executors.py   here; processes.py: in processes beside this one; cluster.py: on a dask cluster
      v
CampaignReport    running.py     what became of each, again where it failed; failures.json
```

`many.py` puts them together: `hepbaler.compress_many` and its like.
"""

from __future__ import annotations

from hepbaler.campaign.executors import Executor, SerialExecutor
from hepbaler.campaign.running import CampaignReport, Watcher, run, share_of_job
from hepbaler.campaign.tasks import Outcome, Task, perform

__all__ = (
    "CampaignReport",
    "Executor",
    "Outcome",
    "SerialExecutor",
    "Task",
    "Watcher",
    "perform",
    "run",
    "share_of_job",
)


def __dir__() -> tuple[str, ...]:
    return __all__

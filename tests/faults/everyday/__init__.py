"""Block E: everyday trouble of files, checkpoints and machines; a module for each place that it comes from."""

from faults.everyday import (
    checkpoints,
    columns,
    folders,
    machines,
    predictions,
    privacy,
    splits,
    tables,
    tasks,
    training,
)

FAULTS = [
    fault
    for place in (tables, folders, columns, splits, checkpoints, training, predictions, machines, tasks, privacy)
    for fault in place.FAULTS
]

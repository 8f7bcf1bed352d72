"""Block E: everyday trouble, as files, checkpoints and machines of users make it; a file for each place it comes from."""

from faults.everyday import checkpoints, columns, folders, machines, predictions, splits, tables, training

FAULTS = [
    fault
    for place in (tables, folders, columns, splits, checkpoints, training, predictions, machines)
    for fault in place.FAULTS
]

"""What a machine may limit: the time of its cores."""

import math

import pytest
from helpers import cores

from sentiment_hf.common.cores import available_cores, cpu_quota

UNLIMITED = {"cgroup": "0::/job", "sys/fs/cgroup/job/cpu.max": "max 100000"}


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, math.inf),
        (UNLIMITED, math.inf),
        ({"cgroup": "0::/", "sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),
        (UNLIMITED | {"sys/fs/cgroup/cpu.max": "400000 100000"}, 4),
        ({"cgroup": "0::/a/b", "sys/fs/cgroup/a/cpu.max": "50000 100000"}, 0.5),
        (
            {
                "cgroup": "5:memory:/m\n4:cpu,cpuacct:/job",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "200000",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000",
            },
            2,
        ),
        # In a container of version 1 the name of the group is that of the host.
        (
            {
                "cgroup": "4:cpu:/docker/0123",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            math.inf,
        ),
        ({"cgroup": "0::/", "sys/fs/cgroup/cpu.max": "damaged"}, math.inf),
    ],
)
def test_the_quota_of_a_container_is_the_smallest_of_its_groups(files, cores, tmp_path):
    for name, content in files.items():
        path = tmp_path / ("proc/self/cgroup" if name == "cgroup" else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    assert cpu_quota(tmp_path) == cores


def test_a_process_has_its_cores_and_at_most_its_quota(tmp_path):
    assert available_cores(tmp_path) == cores()
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("50000 100000\n")
    assert available_cores(tmp_path) == 1

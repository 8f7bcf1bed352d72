"""A data set of the Hub is read at one commit, which the report knows."""

import pytest
from loopback_hub import USER

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.splits import load_splits
from sentiment_hf.settings.arguments import DataArguments


def table(rows):
    return "".join(["text,label\n", *(f"text {row},{'pos' if row % 2 else 'neg'}\n" for row in range(rows))]).encode()


def load(name, **named):
    return load_splits(DataArguments(dataset_name=f"{USER}/{name}", **named)).notes


def test_a_revision_is_read_at_its_commit(hub):
    old = hub.add(f"{USER}/pinned", {"train.csv": table(40)}, "dataset")
    new = hub.add(f"{USER}/pinned", {"train.csv": table(60), "test.csv": table(10)}, "dataset")
    assert (load("pinned")["commit"], load("pinned")["rows"]["test"]) == (new, 10)
    first = load("pinned", dataset_revision=old)
    assert (first["commit"], sum(first["rows"].values())) == (old, 40)
    with pytest.raises(InputError, match=rf"--dataset_revision v9: {USER}/pinned has no such branch, tag or commit"):
        load("pinned", dataset_revision="v9")


def test_what_is_no_data_in_a_folder_is_none_on_the_hub(hub):
    names = {"train.csv": table(60), "train (1).csv": table(60), ".x/test.csv": table(4), "unused.csv": table(2)}
    hub.add(f"{USER}/copies", names, "dataset")
    before = len(hub.requests)
    assert sum(load("copies")["rows"].values()) == 60
    assert not [path for _, path in hub.requests[before:] if "unused" in path or "(1)" in path]


def test_parts_of_the_hub_are_chosen_by_flags(hub):
    hub.add(
        f"{USER}/parts",
        {f"data/{name}-00000-of-00001.csv": table(40) for name in ("train_sft", "test_sft")},
        "dataset",
    )
    with pytest.raises(InputError, match=r"it has data/test_sft, data/train_sft. --train_split"):
        load("parts")
    assert load("parts", train_split_name="train_sft", test_split_name="test_sft")["rows"]["test"] == 40


def test_a_revision_of_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"--dataset_revision v1: .* is a folder here"):
        load_splits(DataArguments(dataset_name=str(tmp_path), dataset_revision="v1"))


@pytest.mark.parametrize("flag", ["dataset_revision", "dataset_config_name", "train_split_name"])
def test_a_flag_for_the_hub_is_refused_for_the_sample(flag):
    with pytest.raises(InputError, match=f"--{flag} is for a folder or a data set of the Hub"):
        load_splits(DataArguments(dataset_name="sample", **{flag: "x"}))


def test_a_data_set_that_is_not_on_the_hub_is_said(hub):
    with pytest.raises(InputError, match=r"neither a folder here nor a data set on the Hub"):
        load("nothing")

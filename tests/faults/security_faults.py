"""Block S: what comes from others and means harm: none of it runs, leaves its place, or grows without end."""

import gzip
import io
import json
import math
import os
import resource
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from helpers import reviews, write_csv
from huggingface_hub import metadata_load

from faults.fault import REFUSED, SURVIVED, Fault, copy_of, run_again, verdict
from faults.ground import Ground
from faults.programs import OURS
from faults.run_faults import after_step
from faults.shot import Ended, shoot
from sentiment_hf.training.checkpoints import write_manifest

CANARY = "hf_canary0123456789"


class Bomb:
    """A pickle that makes a file where it is opened."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


def pickled(target: Path) -> bytes:
    """As `torch.save` did it before 1.6: nothing but the pickle."""
    import pickle

    return pickle.dumps(Bomb(target))


def pickle_in_checkpoint(name: str, ground: Ground, home: Path) -> list[str]:
    """In the newest checkpoint of a run that was killed."""
    folder = copy_of(ground.killed, home)
    (folder / "checkpoint-8" / name).write_bytes(pickled(home / "ran"))
    found = verdict(ground, folder, run_again(ground, folder))
    return ["CODE RAN" if (home / "ran").exists() else found]


def forged(ground: Ground, home: Path) -> Iterator[str]:
    """Pickles again, in a checkpoint whose manifest was made anew by whoever put them there: it is whole."""
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (home / name).mkdir()
        folder = copy_of(ground.killed, home / name)
        (folder / "checkpoint-8" / name).write_bytes(pickled(home / "ran"))
        write_manifest(folder / "checkpoint-8", "sha256")
        ended = run_again(ground, folder)
        said = "Traceback" not in ended.stderr and "checkpoint-8 holds a pickle" in ended.stderr
        yield (
            "CODE RAN"
            if (home / "ran").exists()
            else REFUSED
            if ended.code == 2 and said
            else f"exit code {ended.code}"
        )


def with_model(ground: Ground, home: Path) -> tuple[Path, list[str]]:
    """A checkpoint that fits the data, and the command that tunes it."""
    model = Path(shutil.copytree(ground.killed / "checkpoint-8", home / "model"))
    argv = ground.program.argv(ground.data, home / "run")
    ours = ground.program.name == OURS.name
    argv[argv.index("--model" if ours else "--model_name_or_path") + 1] = str(model)
    own = ("--min_frequency", "--model_config") if ours else ()
    for flag in own:
        start = argv.index(flag)
        end = next((i for i in range(start + 1, len(argv)) if argv[i].startswith("--")), len(argv))
        del argv[start:end]
    return model, argv


def pickled_weights(ground: Ground, home: Path) -> list[str]:
    """pytorch_model.bin in place of model.safetensors."""
    model, argv = with_model(ground, home)
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(pickled(home / "ran"))
    return [harmless(shoot(ground.program.main, argv, home / "log"), home, "pytorch_model.bin, a pickle")]


def remote_code(ground: Ground, home: Path) -> list[str]:
    """A checkpoint with a model of its own, whose file writes another one when it is imported."""
    model, argv = with_model(ground, home)
    config = json.loads((model / "config.json").read_text())
    code = {"AutoConfig": "theirs.Config", "AutoModelForSequenceClassification": "theirs.Model"}
    config |= {"model_type": "theirs", "auto_map": code}
    (model / "config.json").write_text(json.dumps(config))
    (model / "theirs.py").write_text(f"open({str(home / 'ran')!r}, 'w')\n")
    return [harmless(shoot(ground.program.main, argv, home / "log"), home, "trust_remote_code")]


def harmless(ended: Ended, home: Path, words: str) -> str:
    """Refused with these words, and nothing ran or was written beside the run."""
    if (home / "ran").exists():
        return "CODE RAN"
    if ended.code is None:
        return "hangs"
    if ended.code == 2 and words in ended.stderr and "Traceback" not in ended.stderr:
        return REFUSED
    last = ended.stderr.strip().splitlines()[-1] if ended.stderr.strip() else ""
    return "WRONG: taken in silence" if ended.code == 0 else f"traceback: {last.split(':')[0][:60]}"


def secret_as_vocabulary(ground: Ground, home: Path) -> list[str]:
    """tokenizer_config.json names a file above the checkpoint as its vocabulary (transformers issue 46279)."""
    (home / ".env").write_text(f"HF_TOKEN={CANARY}\n")
    model, argv = with_model(ground, home)
    path = model / "tokenizer_config.json"
    named = dict.fromkeys(("vocab_file", "merges_file", "tokenizer_file", "chat_template_file"), "../.env")
    path.write_text(json.dumps(json.loads(path.read_text()) | named))
    # The name of a file is one from where the program runs.
    ended = shoot(ground.program.main, argv, home / "log", before=partial(os.chdir, model))
    return [kept_secret(ended, [home / "run", home / "log"])]


def secret_behind_a_link(ground: Ground, home: Path) -> list[str]:
    """A file of the tokenizer is a link to one above the checkpoint, and would be saved, and pushed, with the run."""
    (home / ".env").write_text(f"HF_TOKEN={CANARY}\n")
    model, argv = with_model(ground, home)
    (model / "chat_template.jinja").symlink_to("../.env")
    ended = shoot(ground.program.main, argv, home / "log")
    return [kept_secret(ended, [home / "run", home / "log"])]


def kept_secret(ended: Ended, written: list[Path]) -> str:
    """The canary stands in no byte of what was written."""
    files = [path for place in written for path in (place.rglob("*") if place.is_dir() else [place]) if path.is_file()]
    if any(CANARY.encode() in path.read_bytes() for path in files):
        return "LEAKED"
    return SURVIVED if ended.code == 0 else REFUSED if ended.code == 2 else f"exit code {ended.code}"


def secrets_around(ground: Ground, home: Path) -> list[str]:
    """In the environment and in files beside the run, which runs once well and once into an error."""
    for name in (".env", ".netrc"):
        (home / name).write_text(f"password {CANARY}\n")

    def before() -> None:
        os.environ |= {"HF_TOKEN": CANARY, "WANDB_API_KEY": CANARY, "HOME": str(home)}
        os.chdir(home)

    argv = ground.program.argv(ground.data, home / "run")
    whole = shoot(ground.program.main, argv, home / "log", before=before)

    def crash() -> None:
        before()
        after_step(3, partial(math.sqrt, -1))

    crashed = shoot(ground.program.main, ground.program.argv(ground.data, home / "crash"), home / "crash.log", crash)
    assert "Traceback" in crashed.stderr, crashed
    return [kept_secret(whole, [home / "run", home / "log", home / "crash", home / "crash.log"])]


def archive(make: Callable[[Path, bytes], Path], ground: Ground, home: Path) -> list[str]:
    """As the data; what it holds stays in it."""
    (home / "data").mkdir()
    path = make(home / "data", b"text,label\n" + b"good,1\nbad,0\n" * 40)
    return [harmless(with_file(path, ground, home), home, path.name)]


def with_file(path: Path, ground: Ground, home: Path) -> Ended:
    """The usual command with this training file, in 4 GB of addresses."""
    argv = ground.program.argv(ground.data, home / "run")
    argv[argv.index("--train_file") + 1] = str(path)

    def before() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))

    return shoot(ground.program.main, argv, home / "log", before=before)


def tar_above(folder: Path, content: bytes) -> Path:
    """A member ../../ran."""
    with tarfile.open(folder / "train.tar", "w") as tar:
        member = tarfile.TarInfo("../../ran")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return folder / "train.tar"


def zip_absolute(folder: Path, content: bytes) -> Path:
    """A member with an absolute path."""
    with zipfile.ZipFile(folder / "train.zip", "w") as archive:
        archive.writestr(str(folder.parent / "ran"), content)
    return folder / "train.zip"


def zip_link(folder: Path, content: bytes) -> Path:
    """A member that is a link to a file outside."""
    link = zipfile.ZipInfo("train.csv")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(folder / "train.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    return folder / "train.zip"


def gzip_bomb(folder: Path, content: bytes) -> Path:
    """1 GB in 1 MB."""
    with gzip.open(folder / "train.csv.gz", "wb", compresslevel=9) as file:
        file.write(b"text,label\n")
        for _ in range(1000):
            file.write(b"good " * 200_000)
    return folder / "train.csv.gz"


def zip_bomb(folder: Path, content: bytes) -> Path:
    """The same in a zip."""
    packed = zipfile.ZipFile(folder / "train.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9)
    with packed, packed.open("train.csv", "w", force_zip64=True) as file:
        for _ in range(1000):
            file.write(b"good " * 200_000)
    return folder / "train.zip"


def parquet_bomb(folder: Path, content: bytes) -> Path:
    """A text of 1 MB, a thousand times, in a few kilobytes."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), ["good " * 200_000])
    table = pa.table({"text": texts, "label": pa.array(["positive", "negative"] * 500)})
    pq.write_table(table, folder / "train.parquet", compression="zstd", store_schema=False)
    return folder / "train.parquet"


def labels_that_are_paths(ground: Ground, home: Path) -> list[str]:
    """No file outside of the output folder, whatever a class is called."""
    names = ["../../ran", f"{home}/ran", "x" * 300, "CON", "a\0b"]
    rows = [(text, names[index % 5]) for index, (text, _) in enumerate(reviews(60, seed=1))]
    data = home / "in" / "data"
    for part in ("train", "validation", "test"):
        write_csv(data / f"{part}.csv", rows)
    before = set(home.rglob("*"))
    ended = shoot(ground.program.main, argv_for(ground, data, home), home / "in" / "log")
    more = {path for path in set(home.rglob("*")) - before if not path.is_relative_to(home / "in")}
    if more:
        return [f"WRONG: {min(more).name} outside of the folder"]
    return [SURVIVED if ended.code == 0 else f"exit code {ended.code}"]


def argv_for(ground: Ground, data: Path, home: Path) -> list[str]:
    """With other data and the model of the usual."""
    if not (data / "model").exists():
        shutil.copytree(ground.data / "model", data / "model")
    return ground.program.argv(data, home / "in" / "run")


def front_matter(ground: Ground, home: Path) -> list[str]:
    """A class whose name goes on with a licence of its own: the head of the card reads as without it."""
    evil = "good\n---\nlicense: stolen\n---\n# Stolen"
    rows = [(text, evil if label == "positive" else label) for text, label in reviews(60, seed=1)]
    data = home / "in" / "data"
    for part in ("train", "validation", "test"):
        write_csv(data / f"{part}.csv", rows)
    ended = shoot(ground.program.main, argv_for(ground, data, home), home / "in" / "log")
    card = home / "in" / "run" / "README.md"
    if ended.code != 0 or not card.is_file():
        return [f"exit code {ended.code}"]
    clean = metadata_load(card)["license"] == "unknown" and "\n# Stolen" not in card.read_text(encoding="utf-8")
    return [SURVIVED if clean else "WRONG: the card says what the class says"]


def recipe(content: str, words: str, ground: Ground, home: Path) -> list[str]:
    """As --config."""
    (home / "recipe.yaml").write_text(content.format(ran=home / "ran"))
    argv = [*ground.program.argv(ground.data, home / "run"), "--config", str(home / "recipe.yaml")]
    return [harmless(shoot(ground.program.main, argv, home / "log"), home, words)]


PICKLES = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin")
PROGRAM_IN_YAML = "seed: !!python/object/apply:os.system ['touch {ran}']\n"

FAULTS = [
    Fault(f"S{number:02}", f"pickle that runs a program as {name}", SURVIVED, partial(pickle_in_checkpoint, name))
    for number, name in enumerate(PICKLES, 1)
]
FAULTS += [
    Fault("S05", "the same as pytorch_model.bin", REFUSED, pickled_weights, False),
    Fault("S06", "checkpoint with code of its own", REFUSED, remote_code),
    Fault("S07", "tokenizer that names ../.env as its files", SURVIVED, secret_as_vocabulary),
    Fault("S08", "tar with a member ../../x", REFUSED, partial(archive, tar_above)),
    Fault("S09", "zip with an absolute path", REFUSED, partial(archive, zip_absolute)),
    Fault("S10", "zip with a link to /etc/passwd", REFUSED, partial(archive, zip_link)),
    Fault("S11", "gzip of 1 GB", REFUSED, partial(archive, gzip_bomb)),
    Fault("S12", "zip of 1 GB", REFUSED, partial(archive, zip_bomb)),
    Fault("S13", "parquet of 1 GB", REFUSED, partial(archive, parquet_bomb)),
    Fault("S14", "classes called ../../x, /tmp/x, 300 characters", SURVIVED, labels_that_are_paths),
    Fault("S15", "class with YAML front matter in its name", SURVIVED, front_matter, False),
    Fault("S16", "recipe that calls a program", REFUSED, partial(recipe, PROGRAM_IN_YAML, "is not YAML"), False),
    Fault("S17", "recipe with an unknown key", REFUSED, partial(recipe, "sead: 3\n", "did you mean 'seed'"), False),
    Fault("S18", "tokens in environment, .env and .netrc", SURVIVED, secrets_around),
    Fault("S19", "tokenizer with a link to ../.env", REFUSED, secret_behind_a_link),
    Fault("S20", "pickles that run a program, with a forged manifest", REFUSED, forged, False),
]

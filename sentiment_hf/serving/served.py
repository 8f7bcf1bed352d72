"""The model in a worker."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from sentiment_hf.inference.abstain import Abstention, load_abstention
from sentiment_hf.inference.scorer import Scorer, load_scorer
from sentiment_hf.serving.messages import Answer
from sentiment_hf.settings.model_ref import ModelRef

# The variable in which a worker finds its settings, for workers are started anew when they end.
SETTINGS = "SENTIMENT_HF_SERVED"


@dataclass(frozen=True)
class Settings:
    """What a worker is to load.

    model, revision, trust_remote_code: as of `ModelRef.parse`. batch_size: texts at a time. threads: of a worker.
    abstain: the certainty of sets that are added to the answers; None without them.
    """

    model: str
    revision: str
    trust_remote_code: bool
    batch_size: int
    threads: int
    abstain: float | None = None

    @property
    def ref(self) -> ModelRef:
        """The model; raises InputError if there is none."""
        trust = {"revision": self.revision, "trust_remote_code": self.trust_remote_code}
        return ModelRef.parse(self.model, flag="FOLDER", **trust)

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Served:
    """A model that answers."""

    scorer: Scorer
    batch_size: int
    abstention: Abstention | None = None

    @classmethod
    def of_settings(cls, settings: dict[str, Any]) -> Self:
        """Load the model that the settings name, and let it answer once; raises InputError."""
        wanted = Settings(**settings)
        scorer, abstention = load_scorer(wanted.ref, threads=wanted.threads), None
        if wanted.abstain is not None:
            abstention = load_abstention(wanted.ref, scorer, wanted.abstain, per_class=False)
        served = cls(scorer, wanted.batch_size, abstention)
        served.answers(["A fine film."])
        return served

    def answers(self, texts: list[str]) -> list[Answer]:
        """The answer to each text; raises InputError if the model refuses one."""
        probabilities = self.scorer.classify(texts, self.batch_size)
        answers = self.scorer.task.as_objects(probabilities)
        added = self.abstention.objects(texts, probabilities) if self.abstention else [{}] * len(answers)
        return [Answer(**one, **more) for one, more in zip(answers, added, strict=True)]

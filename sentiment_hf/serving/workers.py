"""The processes of the service: one reads requests, the others classify their texts together."""

import os
from dataclasses import dataclass

import msgspec
from mosec import ServerError, ValidationError, Worker

from sentiment_hf.serving.messages import Answer, Request, texts_in


@dataclass(frozen=True)
class Read:
    """The texts of a request, and whether they are to be answered by one object."""

    texts: list[str]
    single: bool


class Reader(Worker):
    """Reads requests one by one, so that a wrong one is refused alone and not with those of its batch."""

    def deserialize(self, data: bytes) -> Read:
        """Raises ValidationError, which becomes status 422."""
        try:
            return Read(*texts_in(data))
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def forward(self, data: Request) -> Read:
        """Hand the texts on. The types are those of the OpenAPI page."""
        return data


class Classifier(Worker):
    """Classifies the texts of several requests at a time."""

    def __init__(self):
        # Imported in the process that needs them: they import torch, unless the model is a graph.
        from sentiment_hf.serving.served import SETTINGS, Served

        self.served = Served.of_settings(msgspec.json.decode(os.environ[SETTINGS]))

    def forward(self, data: list[Read]) -> list[Answer | list[Answer]]:
        """One answer for each request. Raises ServerError, which becomes status 500, without a word of the texts."""
        try:
            answers = iter(self.served.answers([text for one in data for text in one.texts]))
        except Exception as error:
            raise ServerError(f"the model failed ({type(error).__name__})") from None
        return [next(answers) if one.single else [next(answers) for _ in one.texts] for one in data]

    def serialize(self, data: Answer | list[Answer]) -> bytes:
        """JSON."""
        return msgspec.json.encode(data)

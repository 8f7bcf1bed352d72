"""A trained model behind FastAPI and `pipeline()`: python -m benchmarks.peers.served_by_fastapi FOLDER PORT

A function that is not `async` is called in one of forty threads, so torch gets one thread for each.
"""

import sys

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline


class Request(BaseModel):
    """One text."""

    text: str


def main(folder: str, port: str) -> None:
    """Answer until a signal comes."""
    torch.set_num_threads(1)
    classify = pipeline("text-classification", folder, trust_remote_code=True, device="cpu")
    app = FastAPI()

    @app.post("/predict")
    def predict(request: Request) -> dict[str, float]:
        return {one["label"]: one["score"] for one in classify(request.text, truncation=True, top_k=None)}

    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])

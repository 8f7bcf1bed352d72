"""--long_texts hierarchical: a recurrent model reads the words of each sentence, then the sentences."""

import json
import logging
from pathlib import Path

import pytest
import torch
from helpers import GOOD, baseline_flags, flags, reviews, run_flags, save_bert, weights, write_csv
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

from custom_models.sentences import cut_into_sentences
from sentiment_hf.cli import run_command
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.settings.model_ref import ModelRef

HIERARCHICAL = ["--long_texts", "hierarchical", "--max_seq_length", 60]
RECURRENT = ("custom-rnn", "custom-gru", "custom-lstm")


@pytest.fixture(scope="module")
def sentences(tmp_path_factory) -> Path:
    """Reviews of three sentences."""
    folder = tmp_path_factory.mktemp("sentences")
    for seed, (split, count) in enumerate({"train": 40, "validation": 14, "test": 22}.items()):
        rows = [(f"It was here. {text}! Was it?", label) for text, label in reviews(count, seed)]
        write_csv(folder / f"{split}.csv", rows)
    return folder


def cut(ids: list[int], most: int = 9, longest: int = 9) -> list[list[int]]:
    """The sentences of a text in which 1 ends a sentence, padded by two ends."""
    ids = torch.tensor([[*ids, 1, 1]])
    mask = torch.ones_like(ids).bool()
    mask[:, -2:] = False
    places, words, slots = cut_into_sentences(ids, mask, [1], most, longest)
    kept = slots[0] < words.numel()
    assert torch.equal(places.flatten()[slots[0][kept]], torch.arange(ids.shape[1])[kept])
    assert kept.sum() == words.sum()
    return [ids[0, place[word]].tolist() for place, word in zip(places[0], words[0], strict=True)]


def test_a_sentence_goes_to_the_last_of_the_marks_that_end_it():
    assert cut([5, 6, 1, 7, 1, 1, 1, 8]) == [[5, 6, 1], [7, 1, 1, 1], [8]]
    assert cut([1, 1, 5]) == [[1, 1], [5]]
    assert cut([5]) == [[5]]


def test_a_long_sentence_becomes_several_and_no_token_is_lost():
    assert cut([2, 3, 4, 5, 6, 7, 8, 1, 9], longest=3) == [[2, 3, 4], [5, 6, 7], [8, 1], [9]]


def test_of_many_sentences_the_first_are_kept_and_it_is_said(caplog):
    with caplog.at_level(logging.WARNING):
        assert cut([5, 1, 6, 1, 7, 8, 1], most=2) == [[5, 1], [6, 1]]
    assert "cut to max_sentences=2" in caplog.text


@pytest.mark.parametrize("name", RECURRENT)
def test_it_is_the_hierarchical_attention_network_of_the_textbook(name):
    """Yang et al. 2016, equations 1 to 11, sentence by sentence."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 30, "embedding_size": 6, "hidden_size": 5}
    shape = {"bidirectional": True, "pooling": "attention", "sentence_ends": [1]}
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(name, **sizes, **shape)).eval()
    texts = [[[2, 3, 4, 1], [5, 6, 1], [7, 8, 9, 10, 1]], [[11, 12, 1]]]

    def read(layers, vectors):
        forward, _ = layers.forward_cells[0](vectors[None])
        backward, _ = layers.backward_cells[0](vectors.flip(0)[None])
        return torch.cat((forward[0], backward[0].flip(0)), -1)

    def attend(pooling, states):
        hidden, _, context = pooling.score
        u = torch.tanh(states @ hidden.weight.T + hidden.bias)
        return (u @ context.weight[0]).softmax(0) @ states

    expected = []
    for text in texts:
        vectors = [attend(model.word_pooling, read(model, model.embedding(torch.tensor(words)))) for words in text]
        document = attend(model.pooling, read(model.sentence_layers, torch.stack(vectors)))
        expected.append(model.classifier(document))
    flat = [[word for words in text for word in words] for text in texts]
    batch = torch.tensor([ids + [0] * (len(flat[0]) - len(ids)) for ids in flat])
    torch.testing.assert_close(model(input_ids=batch).logits, torch.stack(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("kind", ["word", "bpe", "char"])
def test_the_sentences_are_found_by_pipeline_and_predict_without_flags(sentences, tmp_path, name, kind):
    more = [*HIERARCHICAL, "--tokenizer", kind, "--vocab_size", 200, "--max_steps", 2]
    run_flags(sentences, tmp_path / "run", *more, model=name)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run")
    ends = {tokenizer.decode([index]).strip() for index in config["sentence_ends"]}
    assert ends == {".", "!", "?"}
    assert config["pooling"] == "attention"
    texts = [*GOOD, "It was here. The film was good! Was it?"]
    classify = pipeline("text-classification", str(tmp_path / "run"), trust_remote_code=True, device="cpu")
    scores = [{one["label"]: one["score"] for one in found} for found in classify(texts, top_k=None)]
    scorer = load_scorer(ModelRef.parse(str(tmp_path / "run"), flag="MODEL"))
    for found, expected in zip(scorer.classify(texts, batch_size=2), scores, strict=True):
        assert dict(zip(scorer.task.labels, found, strict=True)) == pytest.approx(expected, abs=1e-5)


def test_a_hierarchical_checkpoint_is_trained_on_and_a_flat_one_is_refused(sentences, tmp_path, capsys):
    run_flags(sentences, tmp_path / "flat", "--max_steps", 1)
    run_flags(sentences, tmp_path / "first", *HIERARCHICAL, "--max_steps", 1)
    on = ["--max_steps", 1, "--long_texts", "hierarchical"]
    run_flags(sentences, tmp_path / "second", *on, model=tmp_path / "first", settings=())
    flat, first, second = (weights(tmp_path / name).keys() for name in ("flat", "first", "second"))
    assert second == first > flat
    capsys.readouterr()
    for source in (tmp_path / "flat", save_bert(tmp_path / "bert", sentences)):
        assert run_command(flags(sentences, tmp_path / "third", *on, model=source, settings=())) == 2
        assert f"{source} was not trained to read sentence by sentence" in capsys.readouterr().err
    assert not (tmp_path / "third").exists()


def test_the_pooling_of_the_command_line_is_taken(sentences, tmp_path):
    more = [*HIERARCHICAL, "--max_steps", 1]
    run_flags(sentences, tmp_path / "given", *more, settings=("hidden_size=8", "pooling=mean", "max_sentences=2"))
    config = json.loads((tmp_path / "given" / "config.json").read_text())
    assert (config["pooling"], config["max_sentences"]) == ("mean", 2)


REFUSALS = [
    ("custom-fc", [], "--long_texts hierarchical: custom-fc does not read sentence by sentence; expected custom-rnn"),
    ("custom-gru", ["--model_config", "sentence_ends=[1]"], "custom-gru has no setting 'sentence_ends'"),
    ("custom-gru", ["--model_config", "max_sentences=0"], "max_sentences=0 must be at least 1"),
    ("custom-gru", ["--window_stride", 4], "--window_stride is for windows"),
]


@pytest.mark.parametrize(("name", "more", "message"), REFUSALS)
def test_what_cannot_be_is_refused(sentences, tmp_path, capsys, name, more, message):
    assert run_command(flags(sentences, tmp_path / "run", *HIERARCHICAL, *more, model=name, settings=())) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_texts_without_ends_of_sentences_are_refused(tmp_path, capsys):
    for split in ("train", "validation", "test"):
        write_csv(tmp_path / f"{split}.csv", reviews(20, 1))
    assert run_command(flags(tmp_path, tmp_path / "run", *HIERARCHICAL)) == 2
    assert "no token of the vocabulary ends a sentence" in capsys.readouterr().err
    assert run_command(baseline_flags(tmp_path, tmp_path / "run", "baseline-nb-svm", *HIERARCHICAL[:2])) == 2
    assert not (tmp_path / "run").exists()

"""custom-ngram: what it counts, what it does not, and that the pipeline prepares it."""

import math

import pytest
import torch
from conftest import small_model
from helpers import flags, run_flags, write_data
from safetensors.torch import load_file, save_file
from sklearn.feature_extraction.text import CountVectorizer
from torch.testing import assert_close
from transformers import AutoModelForSequenceClassification, pipeline

from custom_models.ngram import LARGEST, largest_ratio
from sentiment_hf.common.errors import InputError
from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run

ROWS = ("codes", "ngrams.weight", "ngram_scale")
TEXTS = [[5, 6, 5, 6, 7], [8, 5, 6], [9], [6, 5, 6, 5]]


def batch(texts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and bool mask; padding is an id that stands in texts too."""
    longest = max(map(len, texts))
    ids = torch.tensor([text + [5] * (longest - len(text)) for text in texts])
    return ids, torch.tensor([[place < len(text) for place in range(longest)] for text in texts])


def test_the_ngrams_of_a_text_are_those_that_scikit_learn_finds():
    model = small_model("custom-ngram", ngram_size=3, num_buckets=2**24)
    of_a_size = list(model.distinct(*batch(TEXTS)))
    assert len(of_a_size) == 3
    for size, (_, first) in enumerate(of_a_size, 1):
        counter = CountVectorizer(analyzer="word", token_pattern=r"\d+", ngram_range=(size, size), binary=True)
        counted = counter.fit_transform(" ".join(map(str, text)) for text in TEXTS)
        assert first.sum(1).tolist() == counted.sum(1).ravel().tolist()[0]
        codes = {
            code
            for row, new in zip(of_a_size[size - 1][0].tolist(), first.tolist(), strict=True)
            for code, is_new in zip(row, new, strict=True)
            if is_new
        }
        assert len(codes) == len(counter.vocabulary_)


def test_the_scale_is_the_log_count_ratio_by_hand():
    model = small_model("custom-ngram", vocab_size=10, num_labels=2, id2label={0: "a", 1: "b"}, ngram_size=1)
    model.prepare([(*batch(TEXTS[:2]), torch.tensor([0, 1])), (*batch(TEXTS[2:]), torch.tensor([1, 0]))])
    # Class a has the words 5, 6, 7 and 5, 6; class b has 5, 6, 8 and 9. One is added for each of ten words.
    counts = {5: (2, 1), 6: (2, 1), 7: (1, 0), 8: (0, 1), 9: (0, 1)}
    for word, (in_a, in_b) in counts.items():
        ratio = math.log((1 + in_a) / (10 + 5)) - math.log((1 + in_b) / (10 + 4))
        assert model.word_scale[word].item() == pytest.approx(abs(ratio), abs=1e-6)
    assert model.word_scale[[0, 1, 2, 3, 4]].tolist() == [0] * 5


def test_of_several_classes_the_one_that_stands_out_decides_the_scale():
    counts = torch.tensor([[9.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    against_others = math.log(10 / 12) - math.log(3 / 6)
    assert largest_ratio(counts, counts.sum(0))[0].item() == pytest.approx(against_others)
    assert largest_ratio(counts.flip(0), counts.sum(0)).tolist() == largest_ratio(counts, counts.sum(0)).tolist()


def exact_model(texts=TEXTS, **settings):
    """A prepared model with rows of their own for n-grams; the texts are handed over in batches of two."""
    model = small_model("custom-ngram", exact=True, initializer_range=0.5, **settings)
    pairs = [texts[row : row + 2] for row in range(0, len(texts), 2)]
    model.prepare([(*batch(pair), torch.arange(len(pair))) for pair in pairs])
    return model


def test_exact_rows_are_the_ngrams_in_two_texts_or_more():
    model = exact_model()
    # 5 6 in three texts, 6 5 and 5 6 5 in two; 6 5 6, too.
    assert model.config.num_buckets == len(model.codes) == model.ngrams.num_embeddings == 4
    assert (model.codes.diff() > 0).all()
    counter = CountVectorizer(analyzer="word", token_pattern=r"\d+", ngram_range=(2, 3), min_df=2)
    assert len(counter.fit([" ".join(map(str, text)) for text in TEXTS]).vocabulary_) == 4


def test_of_too_many_ngrams_the_most_frequent_have_rows():
    model = exact_model(num_buckets=1)
    codes, first = list(model.distinct(*batch([[5, 6]])))[1]
    assert model.codes.tolist() == codes[first].tolist()


def test_of_many_classes_the_table_has_no_more_numbers(monkeypatch):
    monkeypatch.setattr("custom_models.ngram.LARGEST_TABLE", 6)
    assert exact_model(num_labels=3, embedding_size=3).ngrams.weight.shape == (2, 3)
    assert exact_model(num_labels=3, embedding_size=1).ngrams.weight.shape == (4, 1)


def test_an_ngram_without_a_row_has_no_say():
    model, words = exact_model(), exact_model([[5, 6, 7, 8, 9]])
    shared = {name: tensor for name, tensor in model.state_dict().items() if name not in ROWS}
    words.load_state_dict(shared, strict=False)
    stranger, known = torch.tensor([[7, 5, 8, 6, 9]]), torch.tensor([[5, 6, 7]])
    assert_close(model(stranger).logits, words(stranger).logits)
    assert (model(known).logits - words(known).logits).abs().max() > 1e-2


def test_a_model_without_frequent_ngrams_is_one_of_words():
    model = exact_model([[5, 6, 7], [8, 9]])
    assert model.config.num_buckets == 1
    assert model(torch.tensor([[5, 6, 7]])).logits.isfinite().all()


def test_exact_rows_are_saved_and_loaded(tmp_path):
    model = exact_model()
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert loaded.config.num_buckets == 4
    ids = torch.tensor([[5, 6, 5, 6, 7]])
    assert_close(loaded(ids).logits, model(ids).logits, rtol=0, atol=0)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["codes"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert (AutoModelForSequenceClassification.from_pretrained(tmp_path).codes == LARGEST).all()


def test_counting_in_a_table_that_is_too_small_finds_the_same_rows(monkeypatch):
    texts = [torch.randint(1, 9, (12,), generator=torch.Generator().manual_seed(row)).tolist() for row in range(40)]
    expected = exact_model(texts).codes
    for sketch, many in ((1, 1), (7, 50), (2**20, 1)):
        monkeypatch.setattr("custom_models.ngram.SKETCH", sketch)
        monkeypatch.setattr("custom_models.ngram.MANY", many)
        assert exact_model(texts).codes.tolist() == expected.tolist()


def test_order_has_a_say_from_two_words_on_and_repetition_has_none():
    model = small_model("custom-ngram", initializer_range=0.5)
    there, back, twice = (model(torch.tensor([ids])).logits for ids in ([5, 6, 7], [7, 6, 5], [5, 6, 7, 5, 6, 7]))
    assert (there - back).abs().max() > 1e-2
    single = small_model("custom-ngram", initializer_range=0.5, ngram_size=1)
    there, back, twice = (single(torch.tensor([ids])).logits for ids in ([5, 6, 7], [7, 6, 5], [5, 6, 7, 5, 6, 7]))
    assert_close(there, back)
    assert_close(there, twice)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on 300 small reviews."""
    folder = tmp_path_factory.mktemp("ngram")
    data = write_data(folder / "data", train=300)
    report = run_flags(data, folder / "out", model="custom-ngram", settings=("num_buckets=4096", "dropout=0"))
    return report, folder / "out"


def test_the_pipeline_counts_the_training_texts_before_the_first_step(trained):
    report, folder = trained
    saved = load_file(folder / "model.safetensors")
    assert saved["word_scale"].max() > 1
    assert 0 < (saved["ngram_scale"] > 0).sum() < 4096
    assert report["test"]["accuracy"] > 0.8


def test_what_stands_in_no_training_text_has_no_say(trained):
    classify = pipeline("text-classification", str(trained[1]), trust_remote_code=True, device="cpu")
    known, stranger = classify(["the film was good", "the film was good unheard"], top_k=None)
    assert known[0]["label"] == stranger[0]["label"] == "positive"
    # [UNK] is seen nowhere in training here: every word of it stands in the vocabulary.
    ratio = math.log(known[0]["score"] / known[1]["score"]) - math.log(stranger[0]["score"] / stranger[1]["score"])
    assert abs(ratio) < 1e-5


def test_vectors_from_elsewhere_are_refused(tmp_path):
    data = write_data(tmp_path / "data")
    words = flags(data, tmp_path / "out", "--embed_with", str(tmp_path), model="custom-ngram", settings=())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="--embed_with"):
        run(parse_run(words))

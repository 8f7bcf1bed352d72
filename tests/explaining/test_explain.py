"""The scores of the words are what the method promises, for every kind of model, text and task."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import LABELS, small_model
from helpers import TINY, reviews, run_baseline, run_flags, save_bert, write_csv, write_data
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from custom_models import MODEL_NAMES
from custom_models.ngram import NGramForSequenceClassification
from sentiment_hf.cli import ensemble_command, export_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnValues, Rows
from sentiment_hf.explaining.explain import Explanation, load_explainer
from sentiment_hf.explaining.integrated_gradients import integrated_gradients
from sentiment_hf.explaining.methods import DELETION, EXACT, GRADIENTS
from sentiment_hf.explaining.tokens import read_tokens
from sentiment_hf.explaining.words import without, words_of
from sentiment_hf.exporting import export as export_module
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.text.encode import set_truncation
from sentiment_hf.text.windows import Windows, set_windows

TEXT = "The soup was cold, and the film warm; could it be worse? I don’t know the waiter."
LONG = "the film was cold and the soup warm it could be worse a waiter rude"
HOSTILE = ["", "   ", "<br />", "\x00", "\u200d\ufe0f", "a", "[CLS] [PAD]", "🤷🏽‍♀️ 𝕬 ﷽ ½ ﬁ", "<script>"]
ENCODER = {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
ENCODER |= {"intermediate_size": 16, "vocab_size": 50, "max_position_embeddings": 64}
COLUMNS = {"number_columns": {"price": [3.0, 2.0]}, "category_columns": {"country": ["de", "fr"]}}
MODELS = {name: (name, {}) for name in MODEL_NAMES}
MODELS |= {
    "n-grams by name": ("custom-ngram", {"exact": True}),
    "two layers": ("custom-lstm", {"num_layers": 2, "bidirectional": True, "pooling": "concat"}),
    "textbook": ("custom-gru", {"implementation": "reference"}),
    "sentences": ("custom-gru", {"sentence_ends": [5, 6]}),
    "columns": ("custom-gru", COLUMNS),
    "ordered": ("custom-textcnn", {"ordinal": True}),
    "ordered n-grams": ("custom-ngram", {"ordinal": True}),
    "n-grams and columns": ("custom-ngram", COLUMNS),
    "frozen encoder": ("custom-lstm", {"encoder": ENCODER, "embedding_size": 8}),
    "bert": ("bert", {}),
}
# Rows of a table of n-grams: few texts have no more, and it is quickly read.
FEW = ("num_buckets=4096",)
# What goes by the deletion of words alone.
DELETED = {"ordered n-grams", "n-grams and columns", "frozen encoder"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tokenizer) -> Path:
    """A folder with all models, not trained, with weights that are large enough to matter."""
    home = tmp_path_factory.mktemp("saved")
    for place, (kind, (name, settings)) in enumerate(MODELS.items()):
        torch.manual_seed(place)
        if name == "bert":
            config = BertConfig(**ENCODER, initializer_range=0.5, id2label=LABELS)
            model = BertForSequenceClassification(config)
        else:
            few = {"num_buckets": 2**16} if name == "custom-ngram" else {}
            model = small_model(name, **few | settings)
        if settings.get("exact"):
            ids = torch.tensor(tokenizer([TEXT, TEXT + " warm film"], padding=True)["input_ids"])
            model.prepare([(ids, ids != 0, torch.tensor([0, 1]))])
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(2)
        model.save_pretrained(home / kind)
        tokenizer.save_pretrained(home / kind)
    return home


def explained(folder: Path, texts, method: str | None = None) -> list[Explanation]:
    return load_explainer(ModelRef.in_folder(folder), method).explain(texts)


def loaded(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return AutoModelForSequenceClassification.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def logits_without_words(folder: Path, text: str) -> np.ndarray:
    """(outputs,) the logits of the text with the vector of padding in the place of each of its tokens."""
    model, tokenizer = loaded(folder)
    encoded = tokenizer(text, return_tensors="pt", return_special_tokens_mask=True)
    special = encoded.pop("special_tokens_mask")[0].bool()
    table = model.get_input_embeddings()
    vectors = table(encoded.input_ids)
    vectors[:, ~special] = table.weight[tokenizer.pad_token_id]
    with torch.no_grad():
        return model(inputs_embeds=vectors, attention_mask=encoded.attention_mask).logits[0].double().numpy()


def predicted_logits(folder: Path, texts: list[str]) -> np.ndarray:
    return np.log(load_scorer(ModelRef.in_folder(folder), "cpu").classify(texts, 64))


def centred(logits: np.ndarray) -> np.ndarray:
    return logits - logits.mean(-1, keepdims=True)


@pytest.mark.parametrize("kind", MODELS)
def test_the_best_method_of_a_model_and_what_its_scores_add_up_to(kind, saved):
    explainer = load_explainer(ModelRef.in_folder(saved / kind))
    (found,) = explainer.explain([TEXT])
    (whole,) = centred(predicted_logits(saved / kind, [TEXT]))
    assert found.labels == tuple(LABELS.values())
    assert found.prediction == found.labels[found.probabilities.argmax()]
    assert found.scores.shape == (len(found.words), 3)
    assert np.abs(found.scores).max() > 1e-3
    assert found.scores.sum(1) == pytest.approx(0, abs=1e-5)
    if kind in DELETED:
        assert (found.method, list(explainer.methods)) == (DELETION, [DELETION])
        return
    if MODELS[kind][0] == "custom-ngram":
        assert (found.method, list(explainer.methods)) == (EXACT, [EXACT, DELETION])
        (nothing,) = centred(predicted_logits(saved / kind, [""]))
        assert found.scores.sum(0) == pytest.approx(whole - nothing, abs=1e-4)
        return
    assert (found.method, list(explainer.methods)) == (GRADIENTS, [GRADIENTS, DELETION])
    if kind == "sentences":
        # It does not take vectors; its completeness is checked where the gradients are.
        return
    change = whole - centred(logits_without_words(saved / kind, TEXT))
    # A class has at most the gap that is allowed, and its share of those of the others.
    assert np.abs(found.scores.sum(0) - change).max() <= 0.05 * np.abs(found.scores).sum()
    assert np.abs(change).max() > 1e-3


def test_the_words_are_whole_and_cover_the_text(saved):
    (found,) = explained(saved / "bert", [TEXT])
    words = [TEXT[start:end] for start, end in found.words]
    assert words[:6] == ["The", "soup", "was", "cold", ",", "and"]
    assert "don’t" in words
    assert "".join(words) == re.sub(r"\s", "", TEXT)
    (chinese,) = explained(saved / "bert", ["这个电影 very 好。"])
    assert [chinese.text[start:end] for start, end in chinese.words] == ["这", "个", "电", "影", "very", "好", "。"]


@pytest.mark.parametrize("kind", MODELS)
def test_texts_with_nothing_to_read_and_strange_ones_have_scores(kind, saved):
    for text, found in zip(HOSTILE, explained(saved / kind, HOSTILE), strict=True):
        assert found.text == text
        assert found.scores.shape == (len(found.words), 3)
        assert np.isfinite(found.scores).all()
        covered = {place for start, end in found.words for place in range(start, end)}
        blank = text.replace("<br />", " " * 6)
        assert {place for place, letter in enumerate(blank) if not letter.isspace()} == covered


def test_no_word_has_a_score_for_a_special_token(saved, tokenizer):
    model = AutoModelForSequenceClassification.from_pretrained(saved / "bert")
    text = "a film [CLS]"
    (row,) = read_tokens(text, words_of(text), tokenizer)
    assert row.special.tolist() == [True] + [False] * (len(row.special) - 1)
    assert row.share.toarray()[:, 0].tolist() == [0] * len(words_of(text))
    assert row.share.toarray()[:, 1:].sum(0) == pytest.approx(1)
    scores = integrated_gradients(model.eval(), row, {}, np.eye(3), tokenizer.pad_token_id)
    assert scores[0] == pytest.approx(0)
    assert np.abs(scores[1:]).min() > 0


@pytest.mark.parametrize("kind", ["custom-ngram", "n-grams by name"])
def test_the_exact_sum_is_that_of_the_n_grams_of_each_word(kind, saved):
    """Each n-gram is left out of the model in turn; what it added belongs to its words in equal parts."""
    text = "the film was the film"
    (found,) = explained(saved / kind, [text])
    model, tokenizer = loaded(saved / kind)
    inputs = tokenizer(text, return_tensors="pt")
    ids = inputs["input_ids"]
    with torch.no_grad():
        whole = model(**inputs).logits[0].double()
        expected = np.zeros((ids.shape[1], 3))
        for size, codes in enumerate(model.in_order(ids), 1):
            scale = model.word_scale if size == 1 else model.ngram_scale
            for code in codes[0].unique():
                rows, known = (code, True) if size == 1 else model.rows_of(code[None, None])
                if not torch.as_tensor(known).all():
                    continue
                kept = scale[rows].clone()
                scale[rows] = 0
                added = (whole - model(**inputs).logits[0].double()).numpy()
                scale[rows] = kept
                places = torch.nonzero(codes[0] == code).flatten().tolist()
                for place in places:
                    own = [one for one in range(place, place + size) if one > 0]
                    expected[own] += added / len(places) / max(len(own), 1)
    assert found.scores == pytest.approx(centred(expected[1:]), abs=1e-5)


class OtherCode(NGramForSequenceClassification):
    """A model with code of its own, which takes more from ids than their vectors."""


def test_gradients_that_do_not_reach_the_text_are_refused(saved, tokenizer):
    model = OtherCode.from_pretrained(saved / "custom-ngram").eval()
    (row,) = read_tokens(TEXT, words_of(TEXT), tokenizer)
    with pytest.raises(InputError, match=r"the scores of the words add up to .* give --method deletion"):
        integrated_gradients(model, row, {}, np.eye(3), tokenizer.pad_token_id)


def test_a_method_that_does_not_apply_is_refused_by_name(saved):
    for kind, method, others in (
        ("custom-ngram", GRADIENTS, "--method exact or --method deletion"),
        ("custom-lstm", EXACT, "--method integrated-gradients or --method deletion"),
        ("frozen encoder", GRADIENTS, "give --method deletion"),
    ):
        with pytest.raises(InputError, match=rf"--method {method} does not apply to .*{others}"):
            load_explainer(ModelRef.in_folder(saved / kind), method)
    with pytest.raises(InputError, match="is a new model, which is not trained"):
        load_explainer(ModelRef.parse("custom-lstm"))
    with pytest.raises(InputError, match="is a new model, which is not trained"):
        load_explainer(ModelRef.parse("baseline-nb-svm"))


def test_deletion_is_what_predict_says_of_the_text_without_the_word(saved):
    (found,) = explained(saved / "custom-lstm", ["so-so, not a 电影 film"], DELETION)
    assert without(found.text, found.words, np.arange(len(found.words)) == 1) == "so so, not a 电影 film"
    texts = [found.text, "so- , not a 电影 film", "so-so, not a 影 film", "so-so, not a 电影 "]
    whole, *others = centred(predicted_logits(saved / "custom-lstm", texts))
    for word, answer in zip((2, 6, 8), others, strict=True):
        assert found.scores[word] == pytest.approx(whole - answer, abs=1e-5)


@pytest.mark.parametrize("kept", ["head", "tail", "head-tail"])
@pytest.mark.parametrize("kind", ["custom-gru", "custom-ngram", "bert"])
def test_what_a_model_does_not_read_of_a_long_text_has_no_score(kind, kept, saved, tmp_path):
    model, tokenizer = loaded(saved / kind)
    tokenizer.model_max_length = 9
    set_truncation(tokenizer, kept)
    for one in (model, tokenizer):
        one.save_pretrained(tmp_path)
    words = LONG.split()
    places = {"head": range(8), "tail": range(7, 15), "head-tail": [0, 1, *range(9, 15)]}[kept]
    for method in (None, DELETION):
        (found,) = explained(tmp_path, [" ".join(words)], method)
        assert np.flatnonzero(found.read).tolist() == list(places)
        assert not found.scores[~found.read].any()
        assert found.scores[found.read].any()
    # The words behind do not move up: each deletion is from the text that is read.
    read = " ".join(words[place] for place in places)
    (short,) = explained(tmp_path, [read], DELETION)
    assert found.scores[found.read] == pytest.approx(short.scores, abs=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("kind", ["custom-textcnn", "custom-ngram", "bert"])
def test_scores_over_windows_add_up_to_the_pooled_logits(kind, pooling, saved, tmp_path):
    model, tokenizer = loaded(saved / kind)
    set_windows(tokenizer, Windows(2, pooling))
    tokenizer.model_max_length = 7
    for one in (model, tokenizer):
        one.save_pretrained(tmp_path)
    (found,) = explained(tmp_path, [LONG])
    assert found.read.all()
    words = LONG.split()
    # Six words behind [CLS], of which two are read again.
    windows = [" ".join(words[start : start + 6]) for start in range(0, 13, 4)]
    logits = np.stack([model_logits(model, tokenizer, window) for window in windows])
    if kind == "custom-ngram":
        nothing = np.stack([model_logits(model, tokenizer, "")] * len(windows))
    else:
        nothing = np.stack([logits_without_words(saved / kind, window) for window in windows])
    chosen = logits.argmax(0), range(3)
    change = (logits - nothing).mean(0) if pooling == "mean" else (logits[chosen] - nothing[chosen])
    assert np.abs(found.scores.sum(0) - centred(change)).max() <= 0.05 * np.abs(found.scores).sum()
    pooled = logits.mean(0) if pooling == "mean" else logits.max(0)
    assert np.log(found.probabilities) - np.log(found.probabilities).mean() == pytest.approx(centred(pooled), abs=1e-4)


def model_logits(model, tokenizer, text: str) -> np.ndarray:
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt")).logits[0].double().numpy()


def test_padding_on_the_left_and_a_cell_beside_the_text_change_what_they_should(saved, tmp_path):
    model, tokenizer = loaded(saved / "columns")
    tokenizer.padding_side = "left"
    for one in (model, tokenizer):
        one.save_pretrained(tmp_path)
    texts = ["a film", TEXT]
    for method in (None, DELETION):
        right, left = explained(saved / "columns", texts, method), explained(tmp_path, texts, method)
        cells = ColumnValues(np.array([[9.0], [np.nan]], np.float32), np.array([[2], [0]], np.int32))
        beside = explained(saved / "columns", Rows(texts, cells), method)
        for row in range(2):
            assert left[row].scores == pytest.approx(right[row].scores, abs=1e-5)
        assert beside[1].scores == pytest.approx(right[1].scores, abs=1e-5)
        assert np.abs(beside[0].scores - right[0].scores).max() > 1e-3
        assert np.abs(beside[0].probabilities - right[0].probabilities).max() > 1e-3


def test_a_missing_extra_is_named(saved, monkeypatch):
    monkeypatch.delitem(sys.modules, "captum.attr", raising=False)
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(InputError, match=r"captum.* is not installed: pip install 'sentiment-hf\[explain\]'"):
        explained(saved / "custom-fc", ["a film"])


TASKS = {
    "multi_label": (("food|price", "place"), ["--label_delimiter", "|"]),
    "regression": (("1200.5", "1350"), ["--task", "regression"]),
    "ordinal": (("1", "5"), ["--task", "ordinal"]),
}
LINEAR = {
    "single_label": ("naive-bayes-tfidf", "logistic-regression-bow", "svm-tfidf", "nb-svm"),
    "multi_label": ("naive-bayes-bow", "logistic-regression-tfidf", "svm-bow", "nb-svm"),
    "regression": ("ridge-tfidf", "svr-tfidf"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The data of each task, in a folder of its name below `data`."""
    home = tmp_path_factory.mktemp("runs")
    plain = write_data(home / "data" / "single_label")
    for name, (labels, _) in TASKS.items():
        for file in plain.glob("*.csv"):
            text = file.read_text().replace("negative", labels[0]).replace("positive", labels[1])
            target = home / "data" / name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    return home


def outputs(folder: Path, texts: list[str]) -> np.ndarray:
    """(texts, outputs) logits, of classes without their mean, or numbers."""
    scorer = load_scorer(ModelRef.in_folder(folder), "cpu")
    found = scorer.classify(texts, 64)
    if scorer.task.name == "regression":
        return found
    if scorer.task.name == "multi_label":
        return np.log(found) - np.log1p(-found)
    return centred(np.log(found))


@pytest.mark.parametrize("task", LINEAR)
def test_the_coefficients_of_a_linear_baseline_add_up_to_what_the_words_change(task, home, tmp_path):
    flags = TASKS[task][1] if task in TASKS else []
    for name in LINEAR[task]:
        run_baseline(home / "data" / task, tmp_path / name, f"baseline-{name}", *flags)
        text = "the film was good, so good: unknownword and dull <br /> again"
        found, nothing = explained(tmp_path / name, [text, ""])
        assert (found.method, len(nothing.words)) == ("coefficients", 0)
        whole, empty = outputs(tmp_path / name, [text, ""])
        assert found.scores.sum(0) == pytest.approx(whole - empty, abs=1e-6 * max(1, np.abs(whole).max()))
        scores = {text[start:end]: score for (start, end), score in zip(found.words, found.scores, strict=True)}
        side = found.labels.index("place") if task == "multi_label" else -1
        assert scores["good"][side] > scores["dull"][side]


def test_several_classes_and_columns_have_coefficients_too(tmp_path):
    rows = [(f"{text} {extra}", label if index % 3 else "mixed", index) for index, ((text, label), extra) in
            enumerate(zip(reviews(60, 0), ("but", "yet", "so") * 20, strict=True))]  # fmt: skip
    for part in ("train", "validation", "test"):
        write_csv(tmp_path / "data" / f"{part}.csv", rows, ("text", "label", "price"))
    columns = ("--extra_column_names", "price")
    for name, flags in (("logistic-regression-tfidf", ()), ("logistic-regression-bow", columns), ("nb-svm", ())):
        run_baseline(tmp_path / "data", tmp_path / name, f"baseline-{name}", *flags)
        (found,) = explained(tmp_path / name, ["good but dull"])
        assert found.method == "coefficients"
        assert found.scores.shape == (3, 3)
        assert found.scores.sum(1) == pytest.approx(0, abs=1e-9)
        assert found.scores[0, 2] > found.scores[2, 2]
        if name != "nb-svm":
            # Its classes are trained one by one, and their probabilities are made to sum to 1.
            whole, empty = outputs(tmp_path / name, ["good but dull", ""])
            assert found.scores.sum(0) == pytest.approx(whole - empty, abs=1e-6)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", ["custom-fc", "custom-ngram"])
def test_the_scores_of_a_task_are_in_what_it_predicts(task, model, home, tmp_path):
    flags = ["--num_train_epochs", "12", *TASKS[task][1]]
    settings = {"custom-fc": TINY, "custom-ngram": FEW}[model]
    run_flags(home / "data" / task, tmp_path / "run", *flags, model=model, settings=settings)
    text = "good film dull"
    explainer = load_explainer(ModelRef.in_folder(tmp_path / "run"))
    (found,) = explainer.explain([text])
    (deleted,) = explained(tmp_path / "run", [text], DELETION)
    answers = outputs(tmp_path / "run", [text, " film dull", "good  dull", "good film "])
    assert deleted.scores == pytest.approx(answers[0] - answers[1:], rel=1e-3, abs=1e-3)
    assert found.task == task
    # Trained for a dozen epochs, both methods know which word is for the second label, or for more.
    side = found.labels.index("place") if task == "multi_label" else -1
    for scores in (found.scores, deleted.scores):
        assert scores[0, side] > scores[2, side]
    if (task, model) == ("regression", "custom-ngram"):
        (empty,) = outputs(tmp_path / "run", [""])
        assert found.scores.sum() == pytest.approx(found.probabilities[0] - empty[0], rel=1e-3)


def test_what_has_no_gradients_goes_by_deletion(home, tmp_path, monkeypatch):
    data = home / "data" / "single_label"
    run_flags(data, tmp_path / "fc", model="custom-fc")
    run_baseline(data, tmp_path / "words", "baseline-lexicon")
    run_baseline(data, tmp_path / "majority", "baseline-majority")
    monkeypatch.setattr(export_module, "measure_missing", lambda *_: None)
    assert export_command([str(tmp_path / "fc")]) == 0
    both = [str(tmp_path / "fc"), str(tmp_path / "words"), "--output_dir", str(tmp_path / "both")]
    assert ensemble_command(both) == 0
    text = "so good " + "again " * 3 + "dull"
    (model,) = explained(tmp_path / "fc", [text], DELETION)
    for name in ("words", "majority", "fc-onnx", "both"):
        (found,) = explained(tmp_path / name, [text])
        assert found.method == DELETION
        assert found.scores.any() == (name != "majority")
        whole, without_good = outputs(tmp_path / name, [text, text.replace("good", "")])
        assert found.scores[1] == pytest.approx(whole - without_good, abs=1e-5)
        if name == "fc-onnx":
            assert found.scores == pytest.approx(model.scores, abs=1e-4)


def test_an_adapter_is_explained_by_its_gradients(home, tmp_path):
    data = home / "data" / "single_label"
    bert = save_bert(tmp_path / "bert", data)
    run_flags(data, tmp_path / "lora", "--tuning", "lora", "--num_train_epochs", 1, model=bert, settings=())
    (found,) = explained(tmp_path / "lora", ["a good film"])
    assert found.method == GRADIENTS
    assert np.isfinite(found.scores).all()
    assert found.scores.any()

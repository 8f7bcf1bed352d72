"""What the language models promise: they do not see what they predict, padding has no say, and bodies are shared."""

import pytest
import torch
from conftest import VOCABULARY, small_model
from torch.nn import functional
from transformers import AutoConfig, AutoModelForSequenceClassification, set_seed

from custom_models import LANGUAGE_MODELS, language
from custom_models.language import AdaptiveSoftmax
from sentiment_hf.settings import model_ref

NEXT = ["custom-rnn", "custom-gru", "custom-lstm"]
IDS = torch.tensor([[2, 5, 6, 7, 8, 9], [2, 11, 12, 13, 0, 0]])
MASK = torch.tensor([[1] * 6, [1, 1, 1, 1, 0, 0]])


def language_model(name: str, **settings):
    """A small model in evaluation mode."""
    model = next(model for config, model, _ in LANGUAGE_MODELS if config.model_type == name)
    sizes = {"vocab_size": VOCABULARY, "embedding_size": 12, "hidden_size": 16, "pad_token_id": 0}
    set_seed(0)
    return model(AutoConfig.for_model(name, **sizes | settings)).eval()


def loss_of(model, ids=IDS, mask=MASK, **more) -> float:
    labels = ids.masked_fill(mask == 0, -100)
    return model(input_ids=ids, attention_mask=mask, labels=labels, **more).loss.item()


def test_the_command_line_knows_the_models():
    assert tuple(config.model_type for config, *_ in LANGUAGE_MODELS) == model_ref.LANGUAGE_MODELS


@pytest.mark.parametrize("name", NEXT)
def test_a_word_is_predicted_by_the_words_before_it_alone(name):
    model, other = language_model(name), IDS.clone()
    other[:, 3:] = 20
    logits, changed = (model(input_ids=ids, attention_mask=MASK).logits for ids in (IDS, other))
    torch.testing.assert_close(logits[:, :3], changed[:, :3])
    assert not torch.allclose(logits[:, 3], changed[:, 3])
    torch.testing.assert_close(logits.exp().sum(-1), torch.ones(2, 6))


@pytest.mark.parametrize("name", NEXT)
def test_the_loss_is_the_mean_cross_entropy_of_the_next_words_and_of_those_before(name):
    model = language_model(name)
    logits = model(input_ids=IDS, attention_mask=MASK).logits[:, :-1][MASK[:, 1:].bool()]
    by_hand = functional.nll_loss(logits, IDS[:, 1:][MASK[:, 1:].bool()])
    assert loss_of(model) == pytest.approx(by_hand.item(), rel=1e-5)
    both = language_model(name, bidirectional=True)
    onward = both(input_ids=IDS, attention_mask=MASK).logits[:, :-1][MASK[:, 1:].bool()]
    onward = functional.nll_loss(onward, IDS[:, 1:][MASK[:, 1:].bool()]).item()
    # With the cells exchanged and the texts turned round, back is onward.
    both.forward_cells, both.backward_cells = both.backward_cells, both.forward_cells
    turned = torch.stack([IDS[0].flip(0), torch.cat([IDS[1, :4].flip(0), IDS[1, 4:]])])
    back = both(input_ids=turned, attention_mask=MASK).logits[:, :-1][MASK[:, 1:].bool()]
    back = functional.nll_loss(back, turned[:, 1:][MASK[:, 1:].bool()]).item()
    both.forward_cells, both.backward_cells = both.backward_cells, both.forward_cells
    assert loss_of(both) == pytest.approx((onward + back) / 2, rel=1e-5)


@pytest.mark.parametrize("name", [config.model_type for config, *_ in LANGUAGE_MODELS])
def test_padding_has_no_say(name):
    both = {} if name == "custom-transformer" else {"bidirectional": True}
    model = language_model(name, **both)
    padded = functional.pad(IDS, (0, 5)), functional.pad(MASK, (0, 5))
    assert loss_of(model, *padded) == pytest.approx(loss_of(model), rel=1e-5)
    # Alone and together: weighed by the words that each text has.
    items = {"num_items_in_batch": torch.tensor(10)}
    alone = loss_of(model, IDS[:1], MASK[:1], **items) + loss_of(model, IDS[1:, :4], MASK[1:, :4], **items)
    assert loss_of(model, **items) == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize("size", [3, 400, 600, 7_000])
def test_the_loss_of_the_softmax_is_that_of_its_base_in_half_precision_too(size):
    set_seed(0)
    softmax, states, words = AdaptiveSoftmax(16, size), torch.randn(300, 16), torch.randint(size, (300,))
    whole = -softmax(states, words).output.sum()
    torch.testing.assert_close(softmax.loss(states, words), whole)
    with torch.autocast("cpu", torch.bfloat16):
        half = softmax.loss(states.bfloat16(), words)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, whole, rtol=1e-2, atol=0)


@pytest.mark.parametrize("rows", [50, 0])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_the_summed_cross_entropy_and_its_gradients_are_those_of_torch(kind, bias, rows, monkeypatch):
    monkeypatch.setattr(language, "CPU_SCORES", 2_000)
    monkeypatch.setattr(language, "LEAST_ROWS", 1)
    set_seed(0)
    shapes = ((rows, 8), (300, 8), *([(300,)] if bias else []))
    given = [torch.randn(*shape, dtype=torch.float64).requires_grad_() for shape in shapes]
    words = torch.randint(300, (rows,))
    whole = functional.cross_entropy(functional.linear(*given), words, reduction="sum")
    expected = [whole, *torch.autograd.grad(3 * whole, given)]
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16):
        ours = language.summed_cross_entropy(*given, *([] if bias else [None]), words)
    for found, other in zip([ours, *torch.autograd.grad(3 * ours, given)], expected, strict=True):
        assert (found - other).norm() <= (1e-12 if kind == torch.float64 else 0.01) * other.norm()


def test_the_summed_cross_entropy_makes_no_gradients_where_nobody_wants_them():
    states, weight, words = torch.randn(5, 8), torch.randn(30, 8, requires_grad=True), torch.arange(5)
    with torch.profiler.profile() as seen, torch.no_grad():
        language.summed_cross_entropy(states, weight, None, words)
    assert "aten::div_" not in {event.key for event in seen.key_averages()}


def test_a_masked_word_is_predicted_by_those_around_it():
    model = language_model("custom-transformer")
    labels = torch.full_like(IDS, -100)
    labels[0, 2], labels[1, 1] = 6, 11
    logits = model(input_ids=IDS, attention_mask=MASK).logits
    by_hand = functional.cross_entropy(torch.stack([logits[0, 2], logits[1, 1]]), torch.tensor([6, 11]))
    assert model(input_ids=IDS, attention_mask=MASK, labels=labels).loss.item() == pytest.approx(by_hand.item())


@pytest.mark.parametrize("name", [config.model_type for config, *_ in LANGUAGE_MODELS])
def test_a_classifier_starts_with_the_body(name, tmp_path):
    model = language_model(name)
    model.save_pretrained(tmp_path)
    classifier, info = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    missing = {key.split(".")[0] for key in info["missing_keys"]}
    assert missing <= {"classifier", "pooling"}
    own = dict(model.named_parameters())
    for key, weight in classifier.named_parameters():
        assert key.split(".")[0] in missing or torch.equal(weight, own[key])
    again = type(model).from_pretrained(tmp_path)
    assert all(torch.equal(weight, own[key]) for key, weight in again.named_parameters())


def test_what_has_seen_the_word_predicts_none():
    with pytest.raises(ValueError, match="num_layers=1"):
        language_model("custom-gru", bidirectional=True, num_layers=2)
    language_model("custom-gru", num_layers=2)
    with pytest.raises(ValueError, match="sentence by sentence"):
        language_model("custom-gru", sentence_ends=[5])


def test_the_sizes_of_the_small_model_are_those_of_the_classifiers():
    assert small_model("custom-gru").embedding.weight.shape == language_model("custom-gru").embedding.weight.shape

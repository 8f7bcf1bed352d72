"""The textbook equations, PyTorch's own layers and our fast paths are the same functions, in output and gradient."""

import copy
import math

import pytest
import torch
from conftest import small_model
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.testing import assert_close
from transformers import AutoModelForSequenceClassification

from custom_models import MODELS
from custom_models.attention import scaled_dot_product_attention
from custom_models.transformer import sinusoidal_positions

LENGTHS = torch.tensor([9, 4, 1, 7])
MASK = torch.arange(9) < LENGTHS.unsqueeze(1)
IDS = torch.randint(1, 50, MASK.shape, generator=torch.Generator().manual_seed(0))
TORCH = {"custom-rnn": nn.RNN, "custom-gru": nn.GRU, "custom-lstm": nn.LSTM}
WITH_REFERENCE = [config.model_type for config, _ in MODELS if "implementation" in config.__dataclass_fields__]


def same(actual, expected) -> None:
    assert_close(actual, expected, atol=1e-5, rtol=0)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def gradients(module: nn.Module, output: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of a sum of the outputs with different weights, for every parameter by name."""
    module.zero_grad()
    (output * normal(*output.shape)).sum().backward(retain_graph=True)
    return {name: parameter.grad.clone() for name, parameter in module.named_parameters()}


@pytest.mark.parametrize("stack", [{}, {"num_layers": 2}, {"num_layers": 2, "bidirectional": True}], ids=str)
@pytest.mark.parametrize("name", WITH_REFERENCE)
def test_the_reference_equals_the_fused_implementation(name, stack):
    settings = {key: value for key, value in stack.items() if hasattr(small_model(name).config, key)}
    fused, reference = (small_model(name, implementation=how, **settings) for how in ("fused", "reference"))
    for model in (fused, reference):
        # Biases of zero would hide where they belong.
        for index, parameter in enumerate(model.parameters()):
            nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(index))
    outputs = [model(input_ids=IDS, attention_mask=MASK.long()).logits for model in (fused, reference)]
    same(outputs[1], outputs[0])
    same(gradients(reference, outputs[1]), gradients(fused, outputs[0]))


def packed_twin(model, name: str) -> nn.RNNBase:
    """PyTorch's bidirectional stack with the weights of ours."""
    config = model.config
    sizes = {"input_size": config.embedding_size, "hidden_size": config.hidden_size, "num_layers": config.num_layers}
    twin = TORCH[name](**sizes, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for ours, theirs in twin_names(config.num_layers):
            twin.get_parameter(theirs).copy_(model.get_parameter(ours))
    return twin


def twin_names(num_layers: int) -> list[tuple[str, str]]:
    """Name of each parameter here and in PyTorch's stack."""
    return [
        (f"{direction}_cells.{layer}.{kind}_l0", f"{kind}_l{layer}{suffix}")
        for direction, suffix in (("forward", ""), ("backward", "_reverse"))
        for layer in range(num_layers)
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("name", TORCH)
def test_reading_both_ways_without_packing_equals_packing(name, num_layers):
    model = small_model(name, num_layers=num_layers, bidirectional=True, pooling="concat")
    twin = packed_twin(model, name)
    ours, theirs = (normal(4, 9, 12).requires_grad_() for _ in range(2))

    features = model.pooling(model.states(ours, MASK), MASK)
    packed = pack_padded_sequence(theirs, LENGTHS, batch_first=True, enforce_sorted=False)
    states, last = twin(packed)
    last = last[0] if name == "custom-lstm" else last
    states = pad_packed_sequence(states, batch_first=True)[0]
    longest = states.masked_fill(~MASK.unsqueeze(-1), -math.inf).amax(1)
    expected = torch.cat((last[-2], last[-1], longest, states.sum(1) / LENGTHS.unsqueeze(1)), -1)
    same(features, expected)

    weights = normal(*features.shape)
    (features * weights).sum().backward()
    (expected * weights).sum().backward()
    same(ours.grad, theirs.grad)
    for our_name, their_name in twin_names(num_layers):
        same(model.get_parameter(our_name).grad, twin.get_parameter(their_name).grad)


def test_scaled_dot_product_attention_equals_that_of_pytorch():
    query, key, value = (normal(3, 4, 2, 9, 8)[index].requires_grad_() for index in range(3))
    allowed = MASK[:, None, None, :]
    expected = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed).transpose(1, 2)
    added = torch.zeros(allowed.shape).masked_fill(~allowed, -math.inf)
    attended, weights = scaled_dot_product_attention(nn.Module(), query, key, value, added)
    same(attended, expected)
    same(weights.sum(-1), torch.ones(4, 2, 9))
    assert not weights.masked_select(~allowed).any()
    of_ours, of_theirs = (
        torch.autograd.grad(output.square().sum(), (query, key, value)) for output in (attended, expected)
    )
    same(of_ours, of_theirs)


@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_multi_head_attention_equals_that_of_pytorch(implementation):
    model = small_model("custom-attention", embedding_size=16, implementation=implementation)
    ours, theirs = model.attention, nn.MultiheadAttention(16, model.config.num_heads, batch_first=True)
    for index, parameter in enumerate(ours.parameters()):
        nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(index))
    projections = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([projection.weight for projection in projections]))
        theirs.in_proj_bias.copy_(torch.cat([projection.bias for projection in projections]))
    theirs.out_proj.load_state_dict(ours.output.state_dict())

    hidden = normal(4, 9, 16)
    output = ours(hidden, model.key_mask(hidden, MASK))
    expected, _ = theirs(hidden, hidden, hidden, key_padding_mask=~MASK, need_weights=False)
    same(output, expected)
    found, wanted = gradients(ours, output), gradients(theirs, expected)
    for kind in ("weight", "bias"):
        stacked = torch.cat([found[f"{part}.{kind}"] for part in ("query", "key", "value")])
        same(stacked, wanted[f"in_proj_{kind}"])
        same(found[f"output.{kind}"], wanted[f"out_proj.{kind}"])


@pytest.mark.parametrize("name", [config.model_type for config, model in MODELS if model._supports_sdpa])
def test_the_attention_of_the_library_equals_the_reference(name):
    reference = small_model(name, implementation="reference")
    expected = reference(input_ids=IDS, attention_mask=MASK.long()).logits
    for kernel in ("eager", "sdpa"):
        config = copy.deepcopy(reference.config)
        config.implementation = "fused"
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation=kernel).eval()
        assert model.config._attn_implementation == kernel
        model.load_state_dict(reference.state_dict())
        output = model(input_ids=IDS, attention_mask=MASK.long()).logits
        same(output, expected)
        same(gradients(model, output), gradients(reference, expected))


def test_textcnn_takes_the_strongest_window_and_fills_a_short_text_with_zeros():
    model = small_model("custom-textcnn", kernel_sizes=[2, 5], num_filters=6)
    vectors = normal(4, 9, 12)
    states = model.states(vectors, MASK)
    for row, length in enumerate(LENGTHS.tolist()):
        text = torch.zeros(12, max(length, 5))
        text[:, :length] = vectors[row, :length].T
        # For the narrow window only windows within the text count, or the text with one zero vector.
        narrow, wide = text[:, : max(length, 2)], text
        parts = zip(model.convolutions, (narrow, wide), strict=True)
        windows = [convolution(part).relu() for convolution, part in parts]
        for start in range(9):
            found = [of_width[:, start] if start < of_width.shape[1] else torch.zeros(6) for of_width in windows]
            same(states[row, start], torch.cat(found))
    same(model.features(None, MASK, vectors), states.amax(1))


@pytest.mark.parametrize("size", [12, 7])
def test_sinusoidal_positions_follow_the_formula(size):
    table = sinusoidal_positions(300, size, torch.device("cpu"))
    assert table.shape == (300, size)
    for time in (0, 1, 17, 299):
        for feature in range(size):
            angle = time / 10_000 ** (2 * (feature // 2) / size)
            wave = math.cos if feature % 2 else math.sin
            assert table[time, feature].item() == pytest.approx(wave(angle), abs=5e-5)


@pytest.mark.parametrize("name", TORCH)
def test_recurrent_weights_start_orthogonal_and_only_the_forget_gate_is_open(name):
    model = small_model(name)
    cell = model.forward_cells[0]
    for gate in cell.weight_hh_l0.view(-1, 16, 16):
        same(gate @ gate.T, torch.eye(16))
    biases = (cell.bias_ih_l0 + cell.bias_hh_l0).view(-1, 16).mean(1).tolist()
    assert biases == {"custom-rnn": [0], "custom-gru": [0, 0, 0], "custom-lstm": [0, 1, 0, 0]}[name]


@pytest.mark.parametrize("name", TORCH)
def test_weight_dropout_acts_on_the_recurrent_weights_in_training_only(name):
    stack = {"num_layers": 2, "bidirectional": True}
    plain, fused = (small_model(name, weight_dropout=rate, **stack) for rate in (0.0, 0.6))
    reference = small_model(name, weight_dropout=0.6, implementation="reference", **stack)
    logits = []
    for model, training, seed in [
        (plain, True, 0),
        (fused, False, 0),
        (fused, True, 0),
        (reference, True, 0),
        (fused, True, 1),
    ]:
        torch.manual_seed(seed)
        logits.append(model.train(training)(input_ids=IDS, attention_mask=MASK.long()).logits)
    same(logits[1], logits[0])
    same(logits[3], logits[2])
    # The third text is one word: no state comes before it, so there are no recurrent weights to drop.
    same(logits[2][2], logits[0][2])
    for different in (logits[0], logits[4]):
        assert ((logits[2] - different).abs().amax(1) > 1e-4).tolist() == [True, True, False, True]

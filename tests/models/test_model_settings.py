"""A setting of a new model has a name, a type and a range."""

import pytest

from sentiment_hf.common.errors import InputError
from sentiment_hf.models.load import load_model
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.text.tokenizers import train_tokenizer


def model_with(*settings: str, model: str = "custom-gru"):
    """A fresh model with these --model_config settings."""
    spec = parse_run(["--model", model, "--model_config", *settings])
    tokenizer = train_tokenizer(
        ["good film", "bad film"], "word", vocab_size=20, min_frequency=1, lowercase=True, model_max_length=20
    )
    return load_model(spec, SingleLabel(("negative", "positive")), tokenizer)


def test_settings_of_a_model_arrive_with_their_types():
    config = model_with("hidden_size=8", "embedding_size=4", "dropout=0", "bidirectional=false", "pooling=mean").config
    assert (config.hidden_size, config.embedding_size, config.dropout) == (8, 4, 0)
    assert (config.bidirectional, config.pooling) == (False, "mean")
    assert model_with("dropout=1e-1").config.dropout == pytest.approx(0.1)
    assert model_with("kernel_sizes=[2,3]", model="custom-textcnn").config.kernel_sizes == [2, 3]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("hidden_sise=8", "did you mean 'hidden_size'"),
        ("hidden_size=abc", "hidden_size"),
        ("hidden_size=1.5", "hidden_size"),
        ("hidden_size=", "hidden_size"),
        ("hidden_size=0", "hidden_size"),
        ("dropout=1", "dropout"),
        ("dropout=-0.5", "dropout"),
        ("dropout=much", "dropout"),
        ("bidirectional=maybe", "bidirectional"),
        ("pooling=median", "pooling"),
        ("vocab_size=7", "vocab_size"),
    ],
)
def test_a_setting_of_a_wrong_name_type_or_range_is_refused(setting, said):
    with pytest.raises(InputError, match="--model_config") as refused:
        model_with(setting)
    assert said in str(refused.value)

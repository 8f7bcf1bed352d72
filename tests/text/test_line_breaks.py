"""A pretrained tokenizer that is trained on reads `<br />` as a space, for every library that loads it."""

import pytest
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    AlbertTokenizer,
    AutoConfig,
    AutoTokenizer,
    BertTokenizer,
    CTRLTokenizer,
    GPT2Tokenizer,
    PreTrainedTokenizerBase,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

from sentiment_hf.text.encode import encode, kept_part, set_truncation
from sentiment_hf.text.line_breaks import read_line_breaks_as_spaces, spaces_for_line_breaks

TEXTS = ["A fine <br />film.<BR/><br >It was  so", "<br />", "film<br>", "Été <brr> br/> 電影"]
BYTES = sorted(ByteLevel.alphabet())
PIECES = [(piece, -float(rank)) for rank, piece in enumerate("▁ abcdefghijklmnopqrstuvwxyz<>/.", 2) if piece != " "]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "fine", "a", "##s", "/", "br", "<", ">"]


def numbered(*tokens: str) -> dict[str, int]:
    return {token: number for number, token in enumerate(tokens)}


TOKENIZERS = {
    "bert": lambda: BertTokenizer(vocab=numbered(*BERT), model_max_length=32),
    "roberta": lambda: RobertaTokenizer(vocab=numbered("<s>", "<pad>", "</s>", "<unk>", "<mask>", *BYTES), merges=[]),
    "gpt2": lambda: GPT2Tokenizer(numbered(*BYTES, "<|endoftext|>"), []),
    "xlm-roberta": lambda: XLMRobertaTokenizer(
        vocab=[(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")] + PIECES + [("<mask>", 0.0)]
    ),
    "albert": lambda: AlbertTokenizer(
        vocab=[(token, 0.0) for token in ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")] + PIECES
    ),
}


def saved_and_loaded(tokenizer: PreTrainedTokenizerBase, folder, name: str) -> PreTrainedTokenizerBase:
    """As a user loads it, beside the config of the model."""
    tokenizer.save_pretrained(folder)
    AutoConfig.for_model(name).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_tokens_are_those_of_a_text_with_spaces_also_after_saving_twice(name, tmp_path):
    original = saved_and_loaded(TOKENIZERS[name](), tmp_path / "given", name)
    expected = original(spaces_for_line_breaks(TEXTS)).data
    assert original(TEXTS).data != expected
    # The file of most GPT-2 models has no padding token, not even null.
    original.init_kwargs.pop("pad_token")
    original.pad_token = original.pad_token or original.eos_token
    original.model_max_length = 30
    set_truncation(original, "tail")
    once = saved_and_loaded(read_line_breaks_as_spaces(original, name), tmp_path / "once", name)
    twice = saved_and_loaded(read_line_breaks_as_spaces(once, name), tmp_path / "twice", name)
    for tokenizer in (once, twice):
        assert tokenizer(TEXTS).data == expected
        assert tokenizer.special_tokens_map == original.special_tokens_map
        assert (tokenizer.model_max_length, tokenizer.padding_side) == (30, original.padding_side)
        assert kept_part(tokenizer) == "tail"
    files = [(tmp_path / run / "tokenizer.json").read_text() for run in ("once", "twice")]
    assert files[0] == files[1]


def test_a_tokenizer_in_python_says_that_it_cannot_save_it_and_is_cleaned_for(tmp_path, caplog):
    (tmp_path / "vocab.json").write_text('{"<unk>": 0, "film</w>": 1, "<br": 2, "/>": 3}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\nf i\n")
    slow = CTRLTokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    tokenizer = read_line_breaks_as_spaces(slow, "--model ctrl")
    assert "--model ctrl: its tokenizer cannot save" in caplog.text
    tokenizer.pad_token = "<unk>"
    tokenizer.save_pretrained(tmp_path / "saved")
    loaded = CTRLTokenizer.from_pretrained(tmp_path / "saved")
    assert encode(["film <br /> film"], loaded)["input_ids"] == encode(["film   film"], loaded)["input_ids"]

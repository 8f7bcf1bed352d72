"""Columns beside the text, such as a price or a country: joined to the features of the text before a hidden layer.

A linear classifier over text and columns could only add what each of them says. The hidden layer learns what they say
together.
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers import initialization as init

# Numbers in the vector of a category.
CATEGORY_SIZE = 8
# A number further than this many standard deviations from the mean of train counts as this far.
FARTHEST = 10.0


class JoinedColumns(nn.Module):
    """Features of a text and the cells of its row -> features of both, `config.columns_size` of them.

    `config.number_columns` is {name: [mean, standard deviation in train]}, `config.category_columns` is {name: values
    in train}. The code of a value is its place in the list plus 1; 0 is another value, or a missing one. A missing
    number is NaN. A missing cell adds a vector of its column, which is 0 until rows of train miss the cell: then a
    number counts as the mean, and a category as none.
    """

    def __init__(self, num_features: int, config: PreTrainedConfig):
        super().__init__()
        self.config = config
        numbers, categories = config.number_columns, config.category_columns
        self.register_buffer("center", torch.zeros(len(numbers)))
        self.register_buffer("scale", torch.ones(len(numbers)))
        self.tables = nn.ModuleList(
            nn.Embedding(len(values) + 1, CATEGORY_SIZE, padding_idx=0) for values in categories.values()
        )
        size = num_features + len(numbers) + CATEGORY_SIZE * len(categories)
        self.hidden = nn.Linear(size, config.columns_size)
        self.missing = nn.Parameter(torch.zeros(len(numbers) + len(categories), config.columns_size))

    def forward(self, features: Tensor, numbers: Tensor | None, categories: Tensor | None) -> Tensor:
        """(batch, num_features), (batch, number columns), (batch, category columns) -> (batch, columns_size).

        All cells are missing if `numbers` or `categories` is None.
        """
        if numbers is None:
            numbers = self.center.new_full((len(features), len(self.center)), torch.nan)
        if categories is None:
            categories = torch.zeros(len(features), len(self.tables), dtype=torch.long, device=features.device)
        absent = numbers.isnan()
        standard = ((numbers - self.center) / self.scale).clamp(-FARTHEST, FARTHEST).masked_fill(absent, 0)
        vectors = [table(codes) for table, codes in zip(self.tables, categories.unbind(1), strict=True)]
        absent = torch.cat([absent, categories == 0], 1).to(features.dtype)
        joined = torch.cat([features, standard.to(features.dtype), *vectors], 1)
        return (self.hidden(joined) + absent @ self.missing).relu()

    def init_statistics(self):
        """Set mean and deviation to those in the config, and the vectors of missing cells to 0."""
        statistics = torch.tensor(list(self.config.number_columns.values())).reshape(-1, 2)
        init.copy_(self.center, statistics[:, 0])
        init.copy_(self.scale, statistics[:, 1])
        init.zeros_(self.missing)

"""A dump as a data set of espnet3: `data_src: espnet_entropy.espnet3_dataset` in its YAML."""

from pathlib import Path

import numpy as np
from espnet3.components.data.base_dataset import BaseDataset
from espnet3.contract import Field

from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_table


class Dataset(BaseDataset):
    """Utterances of a dump with their texts, under the names that espnet3's ASR system wants.

    Args:
        dump: `dump/raw/SET`.

    Raises:
        ValueError: a table is missing, or an utterance has no text.
    """

    fields = (Field("speech", "audio"), Field("text", "text"))

    def __init__(self, dump: Path | str):
        self.dump = Path(dump)
        self.texts = read_table(self.dump / "text")
        self.utts = list(read_table(self.dump / "wav.scp"))
        for utt in self.utts:
            if utt not in self.texts:
                raise ValueError(f"{self.dump}: utterance {utt} has no text")

    def __len__(self) -> int:
        return len(self.utts)

    def __getitem__(self, index: int) -> dict:
        """speech: (T, 2) float32, unit id and entropy in nats; text."""
        utt = self.utts[int(index)]
        ((_, units, entropies),) = read_dump(self.dump, [utt])
        matrix = np.stack([units, entropies], axis=1).astype(np.float32)
        return {"speech": matrix, "text": self.texts[utt]}

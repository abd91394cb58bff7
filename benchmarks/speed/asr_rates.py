"""The recogniser of the LibriSpeech-100 recipe at 15 Hz beside itself at 50 Hz."""

from pathlib import Path

import torch
from torch import Tensor

from benchmarks.speed.entropy_pass import FRAMES, NUM_UNITS, SECONDS, some_units, unit_lm
from benchmarks.speed.measure import Row, Timing, compare, largest_difference
from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.lm.entropy import predictive_entropies
from espnet_entropy.segment.calibration import Calibration

CONF = (
    Path(__file__).resolve().parents[2]
    / "egs2/librispeech_100/asr1/conf/tuning/train_asr_ebranchformer.yaml"
)
VOCABULARY, TOKENS_PER_SEC, BEAM = 500, 2, 10


def recogniser(rate_hz: float, device: str, **changes) -> torch.nn.Module:
    """ESPnet's model of the recipe with random weights; uniform segments need no bundle.

    changes: in place of the recipe's encoder_conf and decoder_conf entries.
    """
    from espnet2.asr.ctc import CTC
    from espnet2.asr.decoder.transformer_decoder import TransformerDecoder
    from espnet2.asr.encoder.e_branchformer_encoder import EBranchformerEncoder
    from espnet2.asr.espnet_model import ESPnetASRModel

    torch.manual_seed(0)
    conf = read_yaml(CONF)
    segmenter = dict(segmenter="uniform", rate=rate_hz) if rate_hz < 50 else dict(segmenter="dense")
    frontend = EntropyFrontend(
        num_units=NUM_UNITS,
        **segmenter,
        aggregator="cale",
        aggregator_conf=conf["frontend_conf"]["aggregator_conf"],
        unit_init="random",
        output_size=256,
    )
    # Neither has a threshold; this is how a frontend learns that it lacks none.
    frontend.encoder.set_thresholds(Calibration(NUM_UNITS, 50.0, {}, {}))
    encoder = EBranchformerEncoder(256, **conf["encoder_conf"] | changes.get("encoder_conf", {}))
    size = encoder.output_size()
    decoder_conf = conf["decoder_conf"] | changes.get("decoder_conf", {})
    return ESPnetASRModel(
        vocab_size=VOCABULARY,
        token_list=[str(i) for i in range(VOCABULARY)],
        frontend=frontend,
        specaug=None,
        normalize=None,
        preencoder=None,
        encoder=encoder,
        postencoder=None,
        decoder=TransformerDecoder(VOCABULARY, size, **decoder_conf),
        ctc=CTC(VOCABULARY, size),
        joint_network=None,
        **conf["model_conf"],
    ).to(device)


def batch_of(batch: int, device: str, frames: int = FRAMES) -> tuple[Tensor, ...]:
    """speech (B, T, 2), lengths, text (B, L), lengths, as ESPnet hands them to the model."""
    generator = torch.Generator().manual_seed(0)
    units = torch.randint(NUM_UNITS, (batch, frames), generator=generator).float()
    speech = torch.stack([units, torch.rand(batch, frames, generator=generator)], dim=2)
    length = round(frames / 50 * TOKENS_PER_SEC)
    text = torch.randint(1, VOCABULARY - 1, (batch, length), generator=generator)
    lengths = torch.full((batch,), frames), torch.full((batch,), length)
    return tuple(x.to(device) for x in (speech, lengths[0], text, lengths[1]))


def train(model: torch.nn.Module, batch: tuple[Tensor, ...]) -> None:
    """Forward and backward."""
    loss, _, _ = model(*batch)
    loss.backward()
    model.zero_grad(set_to_none=True)


def decoder_of(model: torch.nn.Module):
    """Joint CTC and attention search for a fixed number of tokens: random weights end nowhere."""
    try:
        from espnet2.legacy.nets.batch_beam_search import BatchBeamSearch
        from espnet2.legacy.nets.scorers.ctc import CTCPrefixScorer
    except ModuleNotFoundError:  # before ESPnet 202609
        from espnet.nets.batch_beam_search import BatchBeamSearch
        from espnet.nets.scorers.ctc import CTCPrefixScorer

    model.eval()
    last = VOCABULARY - 1
    search = BatchBeamSearch(
        scorers=dict(decoder=model.decoder, ctc=CTCPrefixScorer(model.ctc, last)),
        weights=dict(decoder=0.7, ctc=0.3),
        beam_size=BEAM,
        vocab_size=VOCABULARY,
        sos=last,
        eos=last,
        token_list=model.token_list,
        pre_beam_score_key="full",
    ).to(next(model.parameters()).device)

    @torch.no_grad()
    def decode(speech: Tensor, lengths: Tensor) -> tuple[int, int]:
        encoded, _ = model.encode(speech, lengths)
        count = round(int(lengths[0]) / 50 * TOKENS_PER_SEC)
        best = search(encoded[0], maxlenratio=-count, minlenratio=1 - count)[0]
        return encoded.shape[1], len(best.yseq) - 2  # without <sos/eos> at both ends

    return decode


def check(device: str) -> str:
    """A small model at 15 Hz: as many vectors as the rate says, and float64's.

    ESPnet's encoder lets padding into its convolutions, so utterances are compared alone.

    Raises:
        ValueError: the encoded vectors differ by more than rounding, or their number is wrong.
    """
    small = dict(encoder_conf=dict(num_blocks=2), decoder_conf=dict(num_blocks=1))
    model = recogniser(15.0, device, **small).eval()
    speech, lengths, *_ = batch_of(2, device, 200)
    lengths[1] = 150
    alone = speech[1:, :150], lengths[1:]
    with torch.no_grad():
        counts = model.encode(speech, lengths)[1]
        found = model.encode(*alone)[0]
        expected = model.double().encode(*alone)[0]
    if counts.tolist() != [60, 45]:
        raise ValueError(f"{counts.tolist()} vectors of 4 and 3 s at 15 Hz")
    return f"small model, float64: {largest_difference(found, expected, at_most=1e-3):.1g}"


def quick(device: str) -> list[str]:
    """Correctness at a small size."""
    small = dict(encoder_conf=dict(num_blocks=1), decoder_conf=dict(num_blocks=1))
    found = decoder_of(recogniser(15.0, device, **small))(*batch_of(1, device, 100)[:2])
    if found != (30, 4):
        raise ValueError(f"{found} vectors and tokens of 2 s, not 30 and 4")
    return [check(device), "decoding: 30 vectors and 4 tokens of 2 s"]


def rows(device: str) -> list[Row]:
    """Training step, decoding, and wav to text with HuBERT and, at 15 Hz, the paper's LM."""
    from transformers import HubertConfig, HubertModel

    checked = check(device)
    slow, fast = recogniser(50.0, device), recogniser(15.0, device)
    batch = batch_of(1 if device == "cpu" else 32, device)
    training = compare(
        lambda: train(fast, batch), lambda: train(slow, batch), device=device, repeats=3
    )
    search_fast, search_slow = decoder_of(fast), decoder_of(slow)
    one = [x[:1] for x in batch[:2]]
    decoding = compare(
        lambda: search_fast(*one), lambda: search_slow(*one), device=device, repeats=3
    )
    hubert, lm = HubertModel(HubertConfig()).eval().to(device), unit_lm(device)
    wave, units = torch.randn(1, round(SECONDS * 16000), device=device), some_units(device)

    @torch.inference_mode()
    def with_lm():
        hubert(wave)
        predictive_entropies(lm, *units)
        search_fast(*one)

    @torch.inference_mode()
    def without():
        hubert(wave)
        search_slow(*one)

    whole = compare(with_lm, without, device=device, repeats=1)
    peer = "the same model at 50 Hz"
    size = f"E-Branchformer of librispeech_100, {len(batch[0])} x {SECONDS:g} s from a dump"
    search = f"beam {BEAM}, {TOKENS_PER_SEC} tokens a second of {SECONDS:g} s"
    return [
        _row("ASR training step at 15 Hz", peer, training, 0.55, size, checked),
        _row("ASR decoding at 15 Hz", peer, decoding, 0.70, search, checked),
        _row(
            "wav to text at 15 Hz: HuBERT base, paper's LM, decoding",
            "HuBERT base, decoding at 50 Hz",
            whole,
            None,
            search,
            checked,
        ),
    ]


def _row(
    what: str, peer: str, timing: Timing, limit: float | None, setting: str, checked: str
) -> Row:
    return Row(what, peer, timing.ratio, limit, note=f"{setting}: {timing}", checked=checked)

"""`frontend: entropy` of ESPnet's S2T tasks: refused, and this says why."""

from espnet2.asr.frontend.abs_frontend import AbsFrontend


class RefusedFrontend(AbsFrontend):
    """What S2T's tables hold under `entropy`: making one raises ValueError.

    S2T's preprocessor brings every input to 30 s with zeros before and after the speech, which the
    lengths count in. In a dump, a row of zeros is unit 0 with entropy 0: a sound nobody made.
    """

    default_segmenter = earlier_segmenter = None

    def __new__(cls, **conf):
        raise ValueError(
            "frontend: entropy does not work with ESPnet's S2T tasks: they bring each utterance to "
            "30 s with zeros that count as input, and a row of zeros in a dump is unit 0; use the "
            "ASR or ST task (asr.sh, st.sh), which pad outside of the lengths"
        )

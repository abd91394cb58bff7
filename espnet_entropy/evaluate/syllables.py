"""Syllables of English words whose phones are aligned: the longest onset that English allows."""

from espnet_entropy.evaluate.alignment import Interval

# ARPABET without stress marks, as PocketSphinx, CMUdict and MFA's English dictionaries write it.
VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
# Clusters of consonants with which a syllable may begin; of single ones all but NG.
ONSETS = frozenset(
    tuple(onset.split())
    for onset in (
        "P R,P L,P Y,B R,B L,B Y,T R,T W,D R,D W,K R,K L,K W,K Y,G R,G L,G W,"
        "F R,F L,F Y,V Y,TH R,TH W,SH R,M Y,HH Y,HH W,"
        "S P,S T,S K,S F,S M,S N,S L,S W,S P R,S P L,S P Y,S T R,S K R,S K W,S K Y"
    ).split(",")
)


def syllables_of(phones: list[Interval], words: list[Interval]) -> list[Interval]:
    """The syllables of aligned words; a syllable does not cross from one word into the next.

    Of the consonants between two vowels, as many begin the later syllable as may begin one in
    English (the maximal onset principle). A word without a vowel is one syllable. Other
    syllabifiers differ, for instance in consonants after short stressed vowels.

    Args:
        phones: of an utterance, in order, ARPABET; stress marks are ignored.
        words: of the same utterance, each from the start of its first phone to the end of its last.

    Returns:
        Intervals whose labels are their phones, such as `S-T-R-IY-T`. Silences are left out.
    """
    spoken = [phone for phone in phones if not phone.is_silence]
    syllables = []
    for word in words:
        if word.is_silence:
            continue
        inside = [
            p for p in spoken if word.start_sec <= (p.start_sec + p.end_sec) / 2 < word.end_sec
        ]
        labels = [phone.label.rstrip("012") for phone in inside]
        edges = [0, *_starts(labels), len(inside)]
        for first, last in zip(edges, edges[1:], strict=False):
            if first < last:
                start, end = inside[first].start_sec, inside[last - 1].end_sec
                syllables.append(Interval(start, end, "-".join(labels[first:last])))
    return syllables


def _starts(labels: list[str]) -> list[int]:
    """Places of a word's phones at which its second and later syllables begin."""
    vowels = [place for place, label in enumerate(labels) if label in VOWELS]
    starts = []
    for before, vowel in zip(vowels, vowels[1:], strict=False):
        start = vowel
        while start > before + 1 and _is_onset(labels[start - 1 : vowel]):
            start -= 1
        starts.append(start)
    return starts


def _is_onset(consonants: list[str]) -> bool:
    if len(consonants) == 1:
        return consonants[0] != "NG"
    return tuple(consonants) in ONSETS

"""asr.sh with tiny models and real trainings, after a change of its data or epochs.

Minutes.
"""

import pytest
import tiny_recipe

OPTIONS = (
    "--train_set train --valid_set dev --test_sets test --token_type char --use_lm true --nj 2 "
    "--num_shards 1 --max_short_share 1 --inference_asr_model valid.loss.best.pth --asr_tag tiny"
).split()
LM = ["statistics of the text language model", "text language model", "perplexity"]
TRAINED = [*LM, "statistics", "segments against labels", "training"]
LONGER = ("--lm_args", "--max_epoch 2", "--asr_args", "--max_epoch 2")
DECODED = ["decoding", "scoring", "report"]


@pytest.mark.long
def test_only_results_that_depend_on_a_change_are_made_again(parts, tmp_path):
    recipe = tiny_recipe.make_recipe(tmp_path / "asr1")

    def run(*options):
        return tiny_recipe.run(recipe, "asr.sh", *OPTIONS, "--bundle", str(parts.bundle), *options)

    def ran(*options):
        return tiny_recipe.stages(run(*options))

    def arks():
        shards = (recipe / "dump/raw").glob("*/shards/*.ark")
        return {path.parts[-3]: path.stat().st_mtime_ns for path in shards}

    everything = [
        "data",
        "dump for training",
        "dump of test sets",
        "filter by length",
        "token list",
    ]
    assert ran() == [*everything, *TRAINED, *DECODED]
    assert ran() == []
    dumped = arks()

    tiny_recipe.correct(recipe, "data/train/text", "one two\n", "one three\n")
    refused = run()
    assert refused.returncode != 0 and "with other options or other data" in refused.stderr
    tiny_recipe.correct(recipe, "data/train/text", "one three\n", "one two\n")
    assert ran() == []

    tiny_recipe.correct(recipe, "data/test/text", "one two\n", "one three\n")
    assert ran() == ["dump of test sets", "perplexity", "scoring", "report"]

    longer = [*LM, "segments against labels", "training"]
    assert ran(*LONGER) == [*longer, *DECODED]
    for model in ("lm_train_char", "asr_tiny"):
        log = (recipe / "exp" / model / "train.log").read_text()
        assert "The training was resumed using" in log and "2/2epoch started" in log
    assert "--max_epoch 2, but this call has 1" in run().stderr
    assert arks() == dumped

    tiny_recipe.replace_recording(recipe / "data/test/utt-b.wav")
    assert ran(*LONGER) == ["dump of test sets", *DECODED]
    changed = {name for name, time in arks().items() if time != dumped[name]}
    assert changed == {"test"}

    tiny_recipe.correct(recipe, "data/train/text", "one two\n", "\n")
    assert "utterances have no words: utt-a" in run(*LONGER, "--retrain", "true").stderr
    again = ran(*LONGER, "--retrain", "true", "--skip_empty_text", "true", "--stop_stage", "11")
    assert again == ["dump for training", "filter by length", "token list", *TRAINED]
    assert "utt-a" in (recipe / "dump/raw/train/empty_texts").read_text()
    assert "utt-a" not in (recipe / "dump/raw/train/wav.scp").read_text()
    assert {name for name, time in arks().items() if time != dumped[name]} == {"test"}

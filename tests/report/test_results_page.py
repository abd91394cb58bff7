"""RESULTS.md: blocks side by side."""

from espnet_entropy.report.results_page import insert


def test_blocks_of_results_stand_side_by_side(tmp_path):
    path = tmp_path / "RESULTS.md"
    for name, text in (("demo", "one"), ("run_rates", "two"), ("demo", "three")):
        insert(path, name, text)
    path.write_text(path.read_text() + "\nBy hand.\n")
    rows = [["a", "b"], ["x", "1"], ["y", "2"]]
    block = insert(path, "run_rates", "Made by:", rows, {"note": "On <dev>."})
    assert block == ("Made by:\n\n| a | b |\n| --- | ---: |\n| x | 1 |\n| y | 2 |\n\nOn <dev>.")
    assert path.read_text() == (
        "# Results\n\n<!-- demo: begin -->\nthree\n<!-- demo: end -->\n\n"
        f"<!-- run_rates: begin -->\n{block}\n<!-- run_rates: end -->\n\nBy hand.\n"
    )

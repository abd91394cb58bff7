"""RESULTS.md: blocks side by side."""

from espnet_entropy.report.results_page import insert, table


def test_blocks_of_results_stand_side_by_side(tmp_path):
    path = tmp_path / "RESULTS.md"
    for name, text in (("demo", "one"), ("run_rates", "two"), ("demo", "three")):
        insert(path, name, text)
    path.write_text(path.read_text() + "\nBy hand.\n")
    insert(path, "run_rates", "four")
    assert path.read_text() == (
        "# Results\n\n<!-- demo: begin -->\nthree\n<!-- demo: end -->\n\n"
        "<!-- run_rates: begin -->\nfour\n<!-- run_rates: end -->\n\nBy hand.\n"
    )


def test_tables():
    assert table([["a", "b"], ["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"

"""The command `espnet-entropy`, and the package's public names."""

import subprocess
import sys

import pytest
import tiny

import espnet_entropy
from espnet_entropy import __main__ as main
from espnet_entropy.data.kaldi import read_table


def test_help_lists_the_commands(capsys):
    main.main(["--help"])
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in main.COMMANDS)


@pytest.mark.parametrize("argv", [[], ["nonsense"]], ids=str)
def test_usage_errors(argv, capsys):
    with pytest.raises(SystemExit) as error:
        main.main(argv)
    assert error.value.code == 2 and "usage: espnet-entropy" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_every_command_has_help_under_its_name(name, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["espnet-entropy"])
    with pytest.raises(SystemExit) as error:
        main.main([name, "--help"])
    assert error.value.code == 0
    assert f"usage: espnet-entropy {name} " in capsys.readouterr().out


def test_help_waits_for_neither_torch_nor_espnet_tasks():
    code = "import sys; from espnet_entropy import __main__ as m; m.main(sys.argv[1:])"
    code += "; print('torch' in sys.modules)"
    for words in (["--help"], ["tokenize", "--help"], ["plot", "--help"]):
        script = f"try:\n  exec({code!r})\nexcept SystemExit:\n  print('torch' in sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", f"import sys\n{script}", *words], capture_output=True, text=True
        )
        assert done.stdout.splitlines()[-1] == "False", done.stderr


def test_info_and_plot(parts, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["espnet-entropy"])
    main.main(["info", str(parts.bundle)])
    short = capsys.readouterr().out
    main.main(["bundle", "info", "--bundle", str(parts.bundle)])
    assert capsys.readouterr().out == short and f"num_units: {tiny.NUM_UNITS}" in short
    picture = tmp_path / "a.png"
    words = ["--bundle", str(parts.bundle), "--segmenter", "peaks", "--output", str(picture)]
    main.main(["plot", *words, read_table(parts.wav_scp)["utt-a"]])
    assert picture.read_bytes().startswith(b"\x89PNG") and "segments/s" in capsys.readouterr().out


def test_public_names_are_there_and_are_imported_late():
    code = "import sys, espnet_entropy; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
    for name in espnet_entropy.__all__:
        assert getattr(espnet_entropy, name).__name__ == name
        assert getattr(espnet_entropy, name).__doc__ and name in dir(espnet_entropy)
    with pytest.raises(AttributeError, match="no attribute 'Unknown'"):
        espnet_entropy.Unknown  # noqa: B018

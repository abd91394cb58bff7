"""Train a voice conversion; the options are those of ESPnet's trainings."""

from espnet_entropy.bin.common import known_warnings_ignored
from espnet_entropy.vc.task import ConversionTask


def get_parser():
    return ConversionTask.get_parser()


def main(cmd=None):
    with known_warnings_ignored():
        ConversionTask.main(cmd=cmd)


if __name__ == "__main__":
    main()

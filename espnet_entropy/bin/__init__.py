"""Commands: `python -m espnet_entropy.bin.NAME`; each module has `get_parser()` and `main()`."""

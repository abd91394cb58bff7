"""A local web page to play with: choose or record a sound, drag the rate, see and hear segments."""

from espnet_entropy.bin.common import command, make_parser, usable_device


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--bundle", required=True, help="folder of the bundle")
    parser.add_argument("--extractor_path", help="the extractor's weights, if they have moved")
    parser.add_argument("--sounds", help="example sounds: a folder of them, or of wav.scp and text")
    parser.add_argument("--device", default="cpu", help="torch device")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; see --port")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one")
    parser.add_argument("--max_megabytes", type=float, default=25.0, help="of an upload, MB")
    parser.add_argument("--max_seconds", type=float, default=300.0, help="of a sound, s")
    parser.add_argument("--max_sounds", type=int, default=8, help="that are held in memory")
    parser.add_argument("--no_browser", action="store_true", help="open no browser")
    return parser


@command(get_parser)
def main(args) -> None:
    """Read the bundle and answer until Ctrl-C."""
    for name in ("max_megabytes", "max_seconds", "max_sounds"):
        if not getattr(args, name) > 0:
            raise ValueError(f"--{name} is {getattr(args, name)}, but must be positive")
    try:
        import aiohttp  # noqa: F401
    except ImportError as error:
        raise ValueError("the page needs aiohttp: pip install aiohttp") from error
    # Seconds, which --help need not wait for.
    import asyncio

    from espnet_entropy.explore.engine import Explorer, find_examples
    from espnet_entropy.explore.guard import is_loopback
    from espnet_entropy.explore.server import Server, serve

    explorer = Explorer(
        args.bundle,
        device=usable_device(args.device),
        extractor_path=args.extractor_path,
        examples=find_examples(args.sounds),
        max_sec=args.max_seconds,
        max_sounds=args.max_sounds,
    )
    server = Server(explorer, host=args.host, max_bytes=int(args.max_megabytes * (1 << 20)))
    if not is_loopback(args.host):
        print(
            f"warning: whoever reaches this machine under {args.host} can use the page, which has "
            "no password and no encryption; browsers give it no microphone there",
            flush=True,
        )
    asyncio.run(serve(server, args.port, lambda address: tell(address, not args.no_browser)))
    print("\nstopped")


def tell(address: str, open_browser: bool) -> None:
    """Say where the page is, and show it."""
    import webbrowser

    print(f"the page: {address}   (Ctrl-C stops it)", flush=True)
    if open_browser and not webbrowser.open(address):
        print("no browser could be opened; open that address in one", flush=True)


if __name__ == "__main__":
    main()

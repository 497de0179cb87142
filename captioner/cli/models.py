"""`captioner models`."""

from __future__ import annotations

from captioner.progress import console


def models() -> None:
    """List the models that need no training: the bundled ones, and where others are found."""
    from captioner import builder
    from captioner.builder.loading import PRETRAINED, trained_on

    folders = [path.parent for path in sorted(PRETRAINED.glob(f"*/{builder.SETTINGS}"))]
    for folder in folders:
        size = sum(file.stat().st_size for file in folder.iterdir())
        console.print(
            f"{folder.name}: bundled, {size / 1e6:.1f} MB{trained_on(folder)}; its card is {folder / 'README.md'}",
            soft_wrap=True,
        )
    if not folders:
        console.print("this installation has no bundled model")
    console.print(
        "on the Hugging Face hub: none by this project yet; others' by --model hf://owner/name", soft_wrap=True
    )
    console.print("your own: captioner runs")

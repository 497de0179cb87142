"""Example photos to click on the page, names of buttons for screen readers, and a function for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from captioner.commands.demo.example_photos import example_photos
from captioner.commands.serve.choices import first_choices
from captioner.commands.serve.requests import Answer, Service
from captioner.errors import UserError

NAME_BUTTONS = """() => new MutationObserver(() => {
    document.querySelectorAll(".gallery-item:not([aria-label])").forEach((button) =>
        button.setAttribute("aria-label", "example " + button.querySelector("img")?.src.split("/").at(-1)));
    document.querySelector(".upload-container[aria-label]")?.removeAttribute("aria-label");
}).observe(document.body, { childList: true, subtree: true })"""
"""For screen readers: gradio gives the examples no name, and the upload another one than it shows."""


def examples_to_click(gradio: Any) -> Any:
    """Example photos to click; none if this installation has none."""
    paths = [str(photo) for photo in example_photos().values()]
    gradio.set_static_paths(paths)  # served from where they are, so that they are not deleted with uploads
    picture = gradio.Image(render=False, type="filepath")
    return gradio.Dataset(
        components=[picture], samples=[[path] for path in paths], type="index", layout="gallery",
        label="or an example", visible=bool(paths),
    )  # fmt: skip


def offer_function(gradio: Any, service: Service) -> None:
    """A function that programs can call: a photo in, what `caption --json` writes out."""

    def caption(photo: str | None) -> list[dict[str, Any]]:
        if photo is None:
            raise gradio.Error("send one photo, got none", print_exception=False)
        try:
            answer = service.answer([Path(photo)], first_choices(service.run), posterior=False)
        except UserError as error:
            answer = Answer([], "", [], [str(error)])
        if answer.problems:
            raise gradio.Error(answer.problems[0], print_exception=False)
        return [{"photo": str(path), "model": service.name, **one.as_json()} for path, (one, *_) in answer.captioned]

    photo, result = gradio.File(visible=False), gradio.JSON(visible=False)
    description = "Caption a photo: its words with their probabilities and attention maps, and the other candidates."
    gradio.Button(visible=False).click(caption, photo, result, api_name="caption", api_description=description)

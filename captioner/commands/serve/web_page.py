"""The page in gradio: photos and decoding options on the left, captions on the right.

The captions are the page that `caption --page` writes, in a frame. The page loads nothing from other servers: no fonts, no scripts, no
analytics.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

from captioner import builder
from captioner.commands.caption.photos import as_json
from captioner.commands.demo.example_photos import example_photos
from captioner.commands.serve.allowed_hosts import AllowedHosts
from captioner.commands.serve.choices import ALWAYS, RANGES, choices_by_kind, choices_for
from captioner.commands.serve.page_extras import NAME_BUTTONS, examples_to_click, offer_function
from captioner.commands.serve.requests import Allowed, Answer, Service
from captioner.errors import UserError, library
from captioner.explain.gradients import has_captum
from captioner.files import write_text_atomically
from captioner.search import KINDS
from captioner.search.length_rules import LENGTH_RULES
from captioner.visualize.sheet import contact

KEPT = 3600
"""Photos and results are deleted after this many seconds."""
_WAITING = 20  # requests in the queue; more are refused
_REMEMBERED = 32  # sessions whose last answer gradio keeps in memory, some MB each for large photos
_FILES = {"sheet": "png", "json": "json", "page": "html"}  # downloads, and their file endings
_TITLE = "Caption photos, and see where the model attends"
_ABOUT = (
    "A model writes a caption word by word. Point at a word to see where on the photo it attended, or at the photo to see "
    "which words attended there."
)
_EMPTY = "<p>Captions appear here.</p>"
_SCROLL_TO_RESULTS = (
    "() => { if (innerWidth < 680) document.querySelector('.results').scrollIntoView({ behavior: 'smooth' }) }"
)
_COLOURS = {
    "body_background_fill": "#ffffff", "body_background_fill_dark": "#15171a",  # as in visualize/web/shared.css
    "button_primary_background_fill": "#0a5fb4", "button_primary_background_fill_hover": "#084b8f",
    "button_primary_background_fill_dark": "#0a5fb4", "button_primary_background_fill_hover_dark": "#084b8f",
    "body_text_color_subdued": "#5c626b", "body_text_color_subdued_dark": "#a2a9b3",
    "block_background_fill_dark": "#1f2226", "border_color_primary_dark": "#383d44",
}  # fmt: skip
_STYLE = """
.frame iframe { width: 100%; height: max(30rem, 86vh); border: 0; display: block; }
.problems { margin: 0; padding: 0.5rem 0.75rem; border-left: 4px solid #c62828; background: rgb(198 40 40 / 10%); }
.problems { list-style: none; overflow-wrap: anywhere; }
.quiet p { color: #5c626b; margin: 0.25rem 0; }
.quiet p.about { color: inherit; font-size: 1.0625rem; }
.dark .quiet p { color: #a2a9b3; }
"""


def gradio_library() -> Any:
    """Import gradio, which only this page needs.

    Raises:
        UserError: it is not installed.
    """
    return library("gradio", "the web page", "serve")


def make_page(service: Service, folder: Path) -> Any:
    """Make the page; `start` serves it.

    Args:
        service: answers the requests.
        folder: for results; uploads should be there too (GRADIO_TEMP_DIR), so that they are deleted in time.
    """
    gradio = gradio_library()
    with gradio.Blocks(title=f"captioner: {service.name}", analytics_enabled=False, fill_width=True) as page:
        gradio.HTML(_head(service), elem_classes="quiet")
        with gradio.Row():
            with gradio.Column(scale=2, min_width=300):
                photos = gradio.File(file_count="multiple", label="photos", height=140)
                examples = examples_to_click(gradio)
                gradients = gradio.Checkbox(label=f"explain words by {_gradients()} too", value=False)
                controls = _controls(gradio, service.run)
                button = gradio.Button("Caption", variant="primary")
                files = _downloads(gradio)
                gradio.HTML(f"<p>{_limits(service.allowed)}</p>", elem_classes="quiet")
            with gradio.Column(scale=5, min_width=320, elem_classes="results"):
                problems = gradio.HTML(visible=False)
                captions = gradio.HTML(_EMPTY, elem_classes=["frame", "quiet"], min_height=200)
        respond, settings = _responder(gradio, service, folder, list(controls)), [gradients, *controls.values()]
        last = gradio.State()  # the photos, or the example, that the button captions again with other options
        photos.change(lambda chosen: chosen, photos, last, queue=False, api_visibility="private")
        for trigger, given in ((photos.upload, photos), (examples.click, examples), (button.click, last)):
            answered = trigger(
                respond, [given, *settings], [last, problems, captions, *files],
                show_progress_on=captions, api_visibility="private",
            )  # fmt: skip
            answered.then(None, js=_SCROLL_TO_RESULTS, api_visibility="private")
        page.load(None, js=NAME_BUTTONS, api_visibility="private")
        offer_function(gradio, service)
    return page.queue(max_size=_WAITING, default_concurrency_limit=1)


def _gradients() -> str:
    return "gradients and integrated gradients" if has_captum() else "gradients"


def served_only_at(host: str, also: Collection[str] = ()) -> dict[str, Any]:
    """Arguments of the web application that make it refuse requests under other names than the host's and those of `also`."""
    from starlette.middleware import Middleware  # pyright: ignore[reportMissingImports]  # of the extra serve

    return {"middleware": [Middleware(AllowedHosts, host=host, also=also)]}


def start(page: Any, allowed: Allowed, host: str, port: int | None, also: Collection[str] = ()) -> Any:
    """Serve the page at an address, also under other names; return the page.

    Raises:
        UserError: the address is not available.
    """
    gradio = gradio_library()
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    theme = gradio.themes.Base(primary_hue="blue", neutral_hue="zinc", **fonts).set(**_COLOURS)
    try:
        _check_address(host, port)
        page.launch(
            server_name=host, server_port=port, max_file_size=f"{allowed.megabytes}mb", theme=theme, css=_STYLE,
            state_session_capacity=_REMEMBERED, prevent_thread_lock=True, quiet=True,
            app_kwargs=served_only_at(host, also), inline=False,
            share=False, ssr_mode=False, mcp_server=False, pwa=False, enable_monitoring=False, run_history=False, footer_links=[],
        )  # fmt: skip
    except OSError as error:
        ports = f"port {port}" if port else "the ports from 7860"
        raise UserError(
            f"cannot listen at {host} on {ports}: in use, or no address of this machine; choose another --port or --host"
        ) from error
    return page


def _check_address(host: str, port: int | None) -> None:
    """Raise an OSError if nothing can listen there. At another machine's address, gradio would try a hundred ports, for seconds each."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind(address)


def _head(service: Service) -> str:
    facts = [_facts(model) for model in [service, *service.beside]]
    return f'<h1>{_TITLE}</h1><p class="about">{_ABOUT}</p>{"".join(f"<p>{escape(line)}</p>" for line in facts)}'


def _facts(service: Service) -> str:
    """A model in one line."""
    settings, words = builder.read_run_settings(service.run), len(service.captioner.vocabulary)
    kinds = {
        "attention": settings.attention.kind,
        "decoder": settings.decoder.kind,
        "encoder": settings.encoder.options.get("network", settings.encoder.kind),
    }
    facts = [f"{section}: {kind}" for section, kind in kinds.items()]
    return " · ".join([f"model: {service.name}", *facts, f"{words:,} words"])


def _limits(allowed: Allowed) -> str:
    return (
        f"Up to {allowed.photos} photos at a time, {allowed.megabytes} MB and {allowed.megapixels} megapixels each. "
        "Photos stay on the machine that runs the model and are deleted after an hour."
    )


def _controls(gradio: Any, run: Path) -> dict[str, Any]:
    """The controls by name. Another kind of search begins with its own values, and options that it does not have are hidden."""
    of_kind = choices_by_kind(run)
    first = next(iter(of_kind.values()))
    shown = choices_for(first["kind"])
    made = {"kind": gradio.Radio(list(KINDS), value=first["kind"], label="decoding")}
    made["length_rule"] = gradio.Radio(
        list(LENGTH_RULES), value=first["length_rule"], label="length rule", visible="length_rule" in shown
    )
    for name, (low, high, step) in RANGES.items():
        label = name.replace("_", " ")
        made[name] = gradio.Slider(low, high, first[name], step=step, label=label, visible=name in shown)
    hideable = [name for name in made if name not in ALWAYS]
    made["kind"].change(
        lambda kind: [gradio.update(visible=name in choices_for(kind), value=of_kind[kind][name]) for name in hideable],
        made["kind"], [made[name] for name in hideable], queue=False, show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    return made


def _downloads(gradio: Any) -> list[Any]:
    with gradio.Row():
        return [gradio.DownloadButton(f"save {name}", visible=False, size="sm", min_width=80) for name in _FILES]


def _responder(gradio: Any, service: Service, folder: Path, names: Sequence[str]) -> Any:
    """The function that the button calls."""

    examples = list(example_photos().values())

    def respond(
        photos: list[str] | int | None,
        gradients: bool,
        *values: Any,
        progress: Any = gradio.Progress(),  # noqa: B008
    ) -> list[Any]:
        def tick(done: int, total: int) -> None:
            progress((done, total), desc="captioning", unit="photos")

        given = [examples[photos]] if isinstance(photos, int) else [Path(photo) for photo in photos or []]
        try:
            answer = service.answer(given, dict(zip(names, values, strict=True)), tick, gradients)
        except UserError as error:
            answer = Answer([], "", [], [str(error)])
        return [photos, *_shown(gradio, answer, folder, service.name)]

    return respond


def _shown(gradio: Any, answer: Answer, folder: Path, model: str) -> list[Any]:
    """New values of the outputs: problems, captions, and the files to download."""
    problems = "".join(f"<li>{escape(problem)}</li>" for problem in answer.problems)
    alert = gradio.update(value=f'<ul class="problems" role="alert">{problems}</ul>', visible=bool(answer.problems))
    if not answer.captioned:
        return [alert, "", *[gradio.update(visible=False)] * len(_FILES)]
    frame = f'<iframe title="captions" srcdoc="{escape(answer.page)}"></iframe>'
    return [alert, frame, *(gradio.update(value=str(path), visible=True) for path in _write(answer, folder, model))]


def _write(answer: Answer, folder: Path, model: str) -> list[Path]:
    own = Path(tempfile.mkdtemp(dir=folder))
    sheet, details, page = (own / f"captions.{ending}" for ending in _FILES.values())
    contact(answer.sheets).save(sheet)
    write_text_atomically(details, as_json(answer.captioned, model))
    write_text_atomically(page, answer.page)
    return [sheet, details, page]


def sweep(folder: Path) -> None:
    """Delete files older than `KEPT`."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # gradio, or another request, was faster
            if time.time() - path.stat().st_mtime > KEPT:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

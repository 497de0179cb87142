"""A network of timm, with weights that it has, from its hub or from a file."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from captioner.errors import UserError


def about(network: str) -> dict[str, Any]:
    """What timm says of a network and its weights."""
    import timm

    if timm.is_model(network.partition(".")[0]):
        try:
            found = timm.get_pretrained_cfg(network)
            return found.to_dict() if found is not None else {}
        except RuntimeError:  # no such weights
            pass
    names = difflib.get_close_matches(network, [*timm.list_pretrained(), *timm.list_models()])
    like = f"; did you mean {' or '.join(map(repr, names))}?" if names else ""
    raise UserError(f"encoder.network should be the name of a network of timm, got {network!r}{like}")


def make(network: str, weights: str | None, size: tuple[int, int]) -> Any:
    """The network for a view of this height and width, with its weights: a file, DEFAULT for those of the hub, or random ones."""
    import timm

    known = about(network)
    options: dict[str, Any] = {"img_size": size} if known.get("fixed_input_size") else {}
    if weights is None or weights.lower() == "none":
        return timm.create_model(network, **options)
    if weights == "DEFAULT":
        if not any(known.get(key) for key in ("hf_hub_id", "url")):
            names = difflib.get_close_matches(network, timm.list_pretrained())
            other = f"; choose a network that has, such as {' or '.join(names)}" if names else ""
            raise UserError(f"timm has no weights of {network!r}{other}; or give a file, or none")
        return _download(network, known, options)
    if not Path(weights).is_file():
        raise UserError(
            f"encoder.weights should be DEFAULT, none or a file of weights, and there is no file {weights!r}"
        )
    return _from_file(network, Path(weights), known, options)


def _from_file(network: str, path: Path, known: dict[str, Any], options: dict[str, Any]) -> Any:
    """The network with the weights of a file. timm resizes position embeddings that were trained at another size."""
    import timm

    from captioner.encoders.weights import fitted, tensors_of_file

    classifier = known.get("classifier") or ()
    head = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    wanted = timm.create_model(network, **options).state_dict()
    tensors = fitted(tensors_of_file(path), wanted, head)
    try:
        return timm.create_model(network, True, pretrained_cfg_overlay={"state_dict": dict(tensors)}, **options)
    except (RuntimeError, KeyError) as error:
        lacking = [name for name in wanted if name not in tensors]
        other = [name for name in wanted if name in tensors and tensors[name].shape != wanted[name].shape]
        which = f"it has no {lacking[0]}" if lacking else f"its {other[0]} has another shape" if other else str(error)
        raise UserError(
            f"encoder.weights: {path} is not of {network} ({' '.join(which.split())}); give the network that it is of"
        ) from error


def _download(network: str, known: dict[str, Any], options: dict[str, Any]) -> Any:
    """The network with the weights of the hub, which are downloaded unless an earlier download is on the disk."""
    import timm

    from captioner.encoders.weights import downloading, from_hub

    repository, name = known.get("hf_hub_id"), known.get("hf_hub_filename")
    url = (
        f"https://huggingface.co/{repository}/resolve/main/{name or 'model.safetensors'}"
        if repository
        else known["url"]
    )
    with downloading(network, url, "give it as encoder.weights=PATH"):
        file = from_hub(repository, name) if repository else None
        overlay = {"file": file, "custom_load": False} if file else None
        return timm.create_model(network, pretrained=True, pretrained_cfg_overlay=overlay, **options)

"""Caption photos with a model that `captioner export` wrote, with onnxruntime and numpy; Pillow reads the photos.
    python caption_with_onnx.py FOLDER photo.jpg ...

Words are chosen greedily. `caption` returns them with their attention maps, (words, rows, columns) over the network's view.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def load(folder):
    """The two graphs, and what describes them."""
    encoder, step = (onnxruntime.InferenceSession(Path(folder, f"{name}.onnx")) for name in ("encoder", "step"))
    return encoder, step, json.loads(Path(folder, "captioner.json").read_text(encoding="utf-8"))


def prepare(photo, view):
    """Pixels (1, 3, height, width) of the network's view: resized, then cut to its size, or padded."""
    resize, crop, size = view["resize"], view["crop"], view["resize"]
    if isinstance(resize, int):  # of the shorter side
        size = [max(resize, int(resize * side / min(photo.size))) for side in photo.size]
    elif isinstance(resize, str):  # "cover" the view, or fit "inside"
        scale = (max if resize == "cover" else min)(crop[0] / photo.width, crop[1] / photo.height)
        size = [max(1, round(side * scale)) for side in photo.size]
    photo = photo.resize(size, Image.Resampling[view["interpolation"].upper()])
    seen = Image.new("RGB", crop, tuple(view["fill"]))
    seen.paste(photo, (-round((size[0] - crop[0]) / 2), -round((size[1] - crop[1]) / 2)))
    return np.asarray(seen).transpose(2, 0, 1)[None]


def caption(encoder, step, about, path):
    """The words of a caption, and the map of each."""
    names = {graph: about["tensors"][graph]["output_names"] for graph in ("encoder", "step")}
    photo = ImageOps.exif_transpose(Image.open(path))
    if photo.mode.startswith("I"):  # 16-bit grey
        photo = Image.fromarray((np.asarray(photo) >> 8).astype("uint8"))
    photo = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo.convert("RGBA")).convert("RGB")
    tensors = dict(zip(names["encoder"], encoder.run(None, {"pixels": prepare(photo, about["view"])}), strict=True))
    words, maps = [about["start"]], []
    while words[-1] != about["end"] and len(words) <= about["max_length"]:
        result = dict(zip(names["step"], step.run(None, {"words": np.array([words[-1:]]), **tensors}), strict=True))
        result["log_probs"][..., about["never"] + [about["end"]] * (len(words) == 1)] = -np.inf  # no empty caption
        words.append(int(result["log_probs"].argmax()))
        if "weights" in result:  # not without attention
            maps.append(result["weights"][0, 0].reshape(about["rows"], about["columns"]))
        tensors |= {name.removeprefix("new_"): value for name, value in result.items() if name.startswith("new_")}
    words = [about["words"][word] for word in words[1:] if word != about["end"]]
    return words, np.array(maps[: len(words)])


if __name__ == "__main__":
    model = load(sys.argv[1]) if len(sys.argv) > 2 else sys.exit("usage: caption_with_onnx.py FOLDER photo.jpg ...")
    for path in sys.argv[2:]:
        words, maps = caption(*model, path)
        print(f"{path}:", *words)
        for word, weights in zip(words, maps, strict=False):
            print(f"  {word:12} most weight at row, column {np.argwhere(weights == weights.max())[0] + 1}")

"""Caption a photo with a model that `captioner export` wrote, with onnxruntime and numpy; Pillow reads the photo.
    python caption_with_onnx.py FOLDER photo.jpg

Words are chosen greedily. `caption` returns them with their attention maps, (words, rows, columns) over the network's view.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def prepare(photo, view):
    """Pixels (1, 3, height, width) of the network's view: resized, then cut to its size, or padded."""
    resize, crop = view["resize"], view["crop"]
    if isinstance(resize, int):  # of the shorter side
        size = [resize, int(resize * photo.height / photo.width)]
        size = size if photo.width <= photo.height else [int(resize * photo.width / photo.height), resize]
    elif isinstance(resize, str):  # "cover" the view, or fit "inside"
        scales = crop[0] / photo.width, crop[1] / photo.height
        scale = max(scales) if resize == "cover" else min(scales)
        size = [max(1, round(photo.width * scale)), max(1, round(photo.height * scale))]
    else:
        size = resize
    photo = photo.resize(size, Image.Resampling[view["interpolation"].upper()])
    seen = Image.new("RGB", crop, tuple(view["fill"]))
    seen.paste(photo, (-round((size[0] - crop[0]) / 2), -round((size[1] - crop[1]) / 2)))
    return np.asarray(seen).transpose(2, 0, 1)[None]


def caption(folder, path):
    """The words of a caption, and the map of each."""
    about = json.loads(Path(folder, "captioner.json").read_text(encoding="utf-8"))
    encoder, step = (onnxruntime.InferenceSession(Path(folder, f"{name}.onnx")) for name in ("encoder", "step"))
    names = {graph: about["tensors"][graph]["output_names"] for graph in ("encoder", "step")}
    pixels = prepare(ImageOps.exif_transpose(Image.open(path)).convert("RGB"), about["view"])
    tensors = dict(zip(names["encoder"], encoder.run(None, {"pixels": pixels}), strict=True))
    words, maps = [about["start"]], []
    while len(words) <= about["max_length"]:
        result = dict(zip(names["step"], step.run(None, {"words": np.array([words[-1:]]), **tensors}), strict=True))
        log_probs = result["log_probs"][0, 0]
        log_probs[about["never"] + [about["end"]] * (len(words) == 1)] = -np.inf  # no caption is empty
        words.append(int(log_probs.argmax()))
        if words[-1] == about["end"]:
            break
        if "weights" in result:  # not without attention
            maps.append(result["weights"][0, 0].reshape(about["rows"], about["columns"]))
        tensors |= {name.removeprefix("new_"): value for name, value in result.items() if name.startswith("new_")}
    return [about["words"][word] for word in words[1:] if word != about["end"]], np.array(maps)


if __name__ == "__main__":
    words, maps = caption(*sys.argv[1:])
    print(" ".join(words))
    for word, weights in zip(words, maps, strict=False):
        row, column = np.unravel_index(weights.argmax(), weights.shape)
        print(f"{word:12} most weight in row {row + 1}, column {column + 1}: {weights.max():.2f}")

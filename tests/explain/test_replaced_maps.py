"""Forced decoding agrees with decoding, and a decoder's maps can be replaced and restored."""

from __future__ import annotations

import pytest
import torch

from captioner.attention import Replaced, Shuffled, given, uniform
from captioner.captioner import Captioner
from captioner.encoders.contract import Encoder
from captioner.explain.agreement import Overlap
from captioner.explain.baseline_maps import other_word
from captioner.explain.forced_decoding import forced_captions, forced_decoding
from captioner.explain.grounding import Mention
from captioner.explain.replaced_maps import maps_of_other_words, record_maps, replace_maps
from captioner.model import CaptionModel
from captioner.regions import Placement
from captioner.search import Caption, Greedy, Limits
from captioner.text.vocabulary import END, PAD, START, Vocabulary
from tests.explain.test_shape import caption_of
from tests.helpers import DECODERS, make_decoder, make_regions

ATTENDING = {name: options for name, options in DECODERS.items() if options.get("attention") != "none"}
KINDS = ["soft", "hard", "multi_head", "local_predictive"]
FORMS = [(name, kind) for name in ATTENDING for kind in (KINDS if name in ("lstm", "transformer-pre") else ["soft"])]
FORMS.append(("lstm-after", "adaptive"))
WORDS = torch.tensor([[[START, 5, 6, 7, END], [START, 8, END, PAD, PAD]]] * 3)


class NoEncoder(Encoder):
    frozen = True


def make_model(form: str, kind: str = "soft") -> CaptionModel:
    return CaptionModel(NoEncoder(), make_decoder(**{**ATTENDING[form], "attention": kind})).eval()


@pytest.fixture(params=FORMS, ids="/".join)
def model(request) -> CaptionModel:
    return make_model(*request.param)


def decode_forced(model, words=WORDS):
    return forced_decoding(model.decoder, model.remember(make_regions()), words)


def test_the_tables_are_not_empty():
    assert ATTENDING
    assert FORMS


def test_log_probabilities_are_those_of_the_words_and_padding_has_none(model):
    found = decode_forced(model)
    output, _ = model.decoder(WORDS[..., :-1], model.remember(make_regions()))
    wanted = model.decoder.vocabulary_logits(output).log_softmax(-1)
    for caption, place in ((0, 0), (0, 3), (1, 1)):
        word = WORDS[0, caption, place + 1]
        torch.testing.assert_close(
            found.log_probs[0, caption, place].double(), wanted[0, caption, place, word], rtol=1e-5, atol=1e-5
        )
    assert (found.log_probs[:, 1, 2:] == 0).all()


def test_own_captions_are_read_as_they_were_written(model):
    vocabulary = Vocabulary([f"word{number}" for number in range(7)])
    captioner = Captioner(model, vocabulary, Greedy(Limits(5)))
    written = captioner.captions_of(make_regions())
    captions = [[caption.words] for caption in written]
    memory = model.remember(make_regions())
    assert sum(map(len, captions)) > 0
    for own, (again,) in zip(
        written, forced_captions(model.decoder, memory, captions, vocabulary, [None] * 3), strict=True
    ):
        assert (again.text, again.attend, again.layout) == (own.text, own.attend, own.layout)
        torch.testing.assert_close(again.word_log_probs.double(), own.word_log_probs.double(), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(again.weights, own.weights)


def test_own_maps_in_place_of_own_maps_change_nothing(model):
    before = decode_forced(model)
    with replace_maps(model.decoder, given, record_maps(model, make_regions(), WORDS)):
        same = decode_forced(model)
    torch.testing.assert_close(same.log_probs, before.log_probs)


@pytest.mark.parametrize("change", [uniform, Shuffled(0)])
def test_other_maps_change_the_words_only_inside_the_block(model, change):
    before = decode_forced(model)
    with replace_maps(model.decoder, change):
        other = decode_forced(model)
    assert not torch.allclose(other.log_probs, before.log_probs)
    torch.testing.assert_close(decode_forced(model).log_probs, before.log_probs, rtol=0, atol=0)
    assert not any(isinstance(module, Replaced) for module in model.modules())


def test_uniform_maps_are_uniform_in_every_caption(model):
    with replace_maps(model.decoder, uniform):
        weights = decode_forced(model).attended.weights[:, 0]  # (B, T, R)
    mask = make_regions().mask[:, None].double()
    torch.testing.assert_close(
        weights / weights.sum(-1, keepdim=True), (mask / mask.sum(-1, keepdim=True)).expand_as(weights)
    )


def test_every_layer_of_a_transformer_is_replaced():
    model = make_model("transformer-pre", "multi_head")
    assert len(record_maps(model, make_regions(), WORDS)) == 2
    with replace_maps(model.decoder, uniform):
        assert [type(layer.look) for layer in model.decoder.layers] == [Replaced] * 2
        assert not any(isinstance(layer.words, Replaced) for layer in model.decoder.layers)


def test_maps_come_back_after_an_error():
    model = make_model("lstm")
    with pytest.raises(RuntimeError, match="in between"), replace_maps(model.decoder, uniform):
        raise RuntimeError("in between")
    assert not isinstance(model.decoder.attention, Replaced)


def test_decoding_with_replaced_maps_writes_with_them():
    """Photos leave the batch as they end; each keeps its own maps."""
    model, vocabulary = make_model("lstm"), Vocabulary([f"word{number}" for number in range(7)])
    captioner, regions = Captioner(model, vocabulary, Greedy(Limits(4))), make_regions()
    maps = torch.rand(3, 1, 2, 6, dtype=torch.float64) * regions.mask[:, None, None]
    maps = maps / maps.sum(-1, keepdim=True)
    with replace_maps(model.decoder, given, [maps]):
        captions = captioner.captions_of(regions)
    for photo, caption in enumerate(captions):
        for place, found in enumerate(caption.weights):
            torch.testing.assert_close(found, maps[photo, 0, min(place, 1)].float())


def test_other_words_are_half_a_caption_away_and_end_marks_and_padding_stay():
    words = torch.tensor([[[START, 5, 6, 7, 8, END], [START, 5, 6, END, PAD, PAD]]])
    maps = torch.arange(5.0)[None, None, :, None].expand(1, 2, 5, 3)
    assert maps_of_other_words(maps, words)[0, :, :, 0].tolist() == [[2, 3, 0, 1, 4], [1, 0, 2, 3, 4]]
    heads = maps[:, :, :, None].expand(1, 2, 5, 2, 3)
    assert maps_of_other_words(heads, words).shape == heads.shape


@pytest.mark.parametrize("num_words", range(1, 6))
def test_a_maps_other_word_is_the_same_whether_maps_are_compared_or_replaced(num_words):
    words = torch.tensor([[[START, *range(5, 5 + num_words), END]]])
    maps = torch.arange(float(num_words + 1))[:, None].expand(-1, 4)  # (T, R), the end token's last
    caption = caption_of(*maps[:num_words].tolist())
    compared = [other_word(mention_at(caption, place))[0] for place in range(num_words)]
    assert maps_of_other_words(maps[None, None], words)[0, 0, :, 0].tolist() == [*compared, num_words]
    assert sorted(compared) == list(range(num_words))
    assert (compared[0] == 0) == (num_words == 1)


def mention_at(caption: Caption, place: int) -> Mention:
    return Mention(
        0, caption, place, "circle", "large", Overlap.of(caption.layout, Placement.whole((8, 8)), (0, 0, 4, 4))
    )

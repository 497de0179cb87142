"""Attention and gradients are two accounts of the same caption: each has a map of sum 1 for each word and says what it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image

from captioner.captioner import Captioner
from captioner.commands import caption as captioning
from captioner.commands.caption import pictures
from captioner.commands.caption.accounts import ACCOUNTS, account_notes, accounts_of, explained
from captioner.encoders.small_cnn import SmallCNN
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.search import Greedy, Limits
from captioner.text.vocabulary import Vocabulary
from captioner.visualize.overlay import Style
from tests.commands.caption.test_photos import captioner, photos  # noqa: F401  (fixtures)
from tests.helpers import make_decoder

BOTH = ["attention", "gradient x input", "Grad-CAM"]


def captioner_of(kind, **options):
    torch.manual_seed(0)
    encoder, decoder = SmallCNN(size=16, width=2, region_size=7), make_decoder(kind, **options).float()
    return Captioner(CaptionModel(encoder, decoder), Vocabulary(list("abcdefg")), Greedy(Limits(4, 4)))


def test_every_account_has_a_map_for_each_word(captioner, photos):  # noqa: F811
    photo = photos / "plain.jpg"
    caption = captioner.caption(photo)
    accounts = accounts_of(captioner, photo, caption, "both")
    assert list(accounts) == BOTH
    assert torch.equal(accounts["attention"].weights, caption.weights)
    for name in BOTH[1:]:
        weights = accounts[name].weights
        assert weights.shape == caption.weights.shape
        assert (weights >= 0).all()
        sums = weights.sum(1)
        assert all(float(value) == pytest.approx(1, abs=1e-5) or float(value) == 0 for value in sums)
        assert accounts[name].words == caption.words
    assert list(accounts_of(captioner, photo, caption, "gradients")) == BOTH[1:]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_words_are_explained_also_where_no_gradients_are_wanted(captioner, photos, mode):  # noqa: F811
    photo = photos / "plain.jpg"
    caption = captioner.caption(photo)
    with mode():
        inside = explained(captioner, photo, caption)
    for name, (account, _) in explained(captioner, photo, caption).items():
        torch.testing.assert_close(inside[name][0].weights, account.weights)


def test_the_caption_of_another_photo_is_not_explained(captioner, photos):  # noqa: F811
    caption = captioner.caption(photos / "plain.jpg")
    with pytest.raises(ValueError, match="the caption was made for a photo of"):
        explained(captioner, Image.new("RGB", (30, 70)), caption)
    assert explained(captioner, photos / "plain.jpg", replace(caption, placement=None))


def test_notes_say_what_an_account_is_and_where_it_differs_most(captioner, photos):  # noqa: F811
    caption = captioner.caption(photos / "plain.jpg")
    regions = caption.layout.num_regions
    attention, other = torch.zeros(2, 2, regions)
    attention[:, 0], other[0, 0], other[1, 1] = 1, 1, 1
    words = {"words": ["red", "star"], "word_log_probs": torch.zeros(2)}
    accounts = {
        "attention": replace(caption, weights=attention, **words),
        "Grad-CAM": replace(caption, weights=other, **words),
    }
    notes = account_notes(accounts, Style())
    assert notes["Grad-CAM"].endswith("differs most from attention at 'star', by 100% of the weight")
    assert "not why it chose the word; it attended" in notes["attention"]


def test_a_sheet_of_both_accounts_is_written(captioner, photos, tmp_path):  # noqa: F811
    path = tmp_path / "both.png"
    names = [str(photos / "plain.jpg")]
    assert captioning.run(captioner, names, {"sheet": path, "strip": tmp_path / "s.png"}, explain="both") == 0
    with Image.open(path) as saved:
        assert saved.text["accounts"] == "attention, gradient x input, Grad-CAM"
    assert (tmp_path / "s.png").exists()


def test_maps_of_few_words_are_larger_but_alike_in_a_picture_of_several_photos(captioner, photos):  # noqa: F811
    captions = {"attention": captioner.caption(photos / "plain.jpg")}
    few, many = ({"attention": replace(captions["attention"], words=words)} for words in (["star"], ["star"] * 9))
    assert [pictures._sized(Style(), 100, own, "").panel for own in (few, many)] == [150, 100]
    assert [pictures._sized(Style(), 100, own, "a.jpg").panel for own in (few, many)] == [100, 100]


def test_each_layer_of_a_transformer_has_its_map(photos):  # noqa: F811
    photo = photos / "plain.jpg"
    model = captioner_of("transformer", layers=3, attention="multi_head")
    caption = model.caption(photo)
    accounts = explained(model, photo, caption, "layers")
    assert list(accounts) == ["layer 1 of 3", "layer 2 of 3", "layer 3 of 3"]
    assert accounts["layer 3 of 3"][0] is caption, "the page starts with it"
    maps = [account.weights for account, _ in accounts.values()]
    for weights in maps:
        assert weights.shape == caption.weights.shape
        torch.testing.assert_close(weights.sum(1), torch.ones(len(caption.words)))
    assert not torch.allclose(maps[0], maps[1], atol=1e-4)
    assert not torch.allclose(maps[1], maps[2], atol=1e-4)
    assert accounts["layer 1 of 3"][1].startswith("where this layer attended; not its share in the word; differs most")
    assert "from the last layer at" in accounts["layer 1 of 3"][1]


def test_each_layer_of_a_transformer_has_its_heads(photos, tmp_path):  # noqa: F811
    photo = photos / "plain.jpg"
    model = captioner_of("transformer", layers=3, attention="multi_head")
    accounts = explained(model, photo, model.caption(photo), "layers")
    for caption, _ in accounts.values():
        torch.testing.assert_close(caption.head_weights.mean(1), caption.weights)
        assert caption.head_weights.shape[1] > 1
    assert accounts["layer 3 of 3"][1].startswith("the last layer: where the decoder attended; not why")
    page, heads = tmp_path / "a.html", tmp_path / "heads.png"
    assert captioning.run(model, [str(photo)], {"heads": heads}, page=page, explain="layers") == 0
    assert page.read_text(encoding="utf-8").count('"numHeads":') == 3
    with Image.open(heads) as saved:
        assert saved.text["accounts"] == "layer 1 of 3, layer 2 of 3, layer 3 of 3"


def test_integrated_gradients_are_a_third_account(captioner, photos):  # noqa: F811
    pytest.importorskip("captum")
    caption = captioner.caption(photos / "plain.jpg")
    accounts = explained(captioner, photos / "plain.jpg", caption, "all")
    assert list(accounts) == list(ACCOUNTS)
    integrated, note = accounts["integrated gradients"]
    assert integrated.weights.shape == caption.weights.shape
    assert all(float(value) == pytest.approx(1, abs=1e-5) or float(value) == 0 for value in integrated.weights.sum(1))
    assert "this photo's mean region everywhere" in note


def test_the_posterior_is_shown_below_attention(captioner, photos, tmp_path):  # noqa: F811
    caption = captioner.caption(photos / "plain.jpg")
    accounts = explained(captioner, photos / "plain.jpg", caption, "posterior")
    assert list(accounts) == ["attention", "posterior"]
    account, note = accounts["posterior"]
    assert note.startswith("where the decoder attended, given the word")
    torch.testing.assert_close(account.weights.sum(1), torch.ones(len(caption.words)))
    assert not torch.equal(account.weights, caption.weights)
    assert (
        captioning.run(captioner, [str(photos / "plain.jpg")], {"sheet": tmp_path / "s.png"}, explain="posterior") == 0
    )
    with Image.open(tmp_path / "s.png") as saved:
        assert saved.text["accounts"] == "attention, posterior"


def test_layers_in_turn_have_no_posterior(photos):  # noqa: F811
    model = captioner_of("transformer", layers=2, attention="multi_head")
    with pytest.raises(
        UserError, match=r"the posterior needs a decoder with one layer of attention, this model has 2; choose"
    ):
        explained(model, photos / "plain.jpg", model.caption(photos / "plain.jpg"), "posterior")


def test_integrated_gradients_without_captum_are_an_error(captioner, photos, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr("captioner.commands.caption.accounts.has_captum", lambda: False)
    with pytest.raises(
        UserError, match=r"need captum, which is not installed or cannot be imported; .*explain.*choose both"
    ):
        captioning.run(captioner, [str(photos / "plain.jpg")], page=tmp_path / "a.html", explain="all")
    assert not (tmp_path / "a.html").exists()


def test_the_last_layer_s_map_is_the_caption_s(photos):  # noqa: F811
    """Step by step and all at once are tied: what the hooks see of the last layer is what decoding kept."""
    from captioner.commands.caption.accounts import _encoded, _regions
    from captioner.explain.layers import layer_maps

    model = captioner_of("transformer", layers=3, attention="multi_head")
    caption = model.caption(photos / "plain.jpg")
    model.model.eval()
    _, regions = _regions(model, photos / "plain.jpg")
    maps = layer_maps(model.model, regions, _encoded(model, caption)[None, : len(caption.words)])
    torch.testing.assert_close(maps[-1][0][0], caption.weights)


def test_a_decoder_without_layers_is_an_error(captioner, photos):  # noqa: F811
    caption = captioner.caption(photos / "plain.jpg")
    with pytest.raises(UserError, match=r"needs a decoder with several layers of attention, this model has 1"):
        explained(captioner, photos / "plain.jpg", caption, "layers")
    with pytest.raises(
        UserError, match=r"explain is one of attention, posterior, gradients, both, all, layers, got 'shap'"
    ):
        explained(captioner, photos / "plain.jpg", caption, "shap")


def test_a_model_without_attention_still_has_gradients(photos, tmp_path):  # noqa: F811
    model = captioner_of("show_and_tell", attention="none")
    assert captioning.run(model, [str(photos / "plain.jpg")], page=tmp_path / "a.html", explain="both") == 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert '"name":"gradient x input"' in page
    assert '"name":"attention"' not in page
    with pytest.raises(
        UserError, match="posterior needs a decoder with one layer of attention, this model has none; choose"
    ):
        captioning.run(model, [str(photos / "plain.jpg")], page=tmp_path / "a.html", explain="posterior")


def test_a_page_of_both_accounts_is_written(captioner, photos, tmp_path):  # noqa: F811
    page = tmp_path / "both.html"
    assert captioning.run(captioner, [str(photos / "plain.jpg")], page=page, explain="both") == 0
    text = page.read_text(encoding="utf-8")
    assert [name for name in ACCOUNTS if f'"name":"{name}"' in text] == BOTH
    assert "not why it chose the word" in text


def test_an_ensemble_has_no_gradients(captioner, photos, tmp_path):  # noqa: F811
    several = replace(captioner, model=torch.nn.Identity())
    with pytest.raises(UserError, match="the words of one model can be explained, got an ensemble"):
        captioning.run(several, [str(photos / "plain.jpg")], {"sheet": tmp_path / "a.png"}, explain="both")
    assert not list(tmp_path.glob("a.png"))


@pytest.mark.parametrize("explain", ["gradients", "posterior"])
def test_a_model_in_training_is_explained_without_dropout_and_goes_on_training(captioner, photos, explain):  # noqa: F811
    caption = captioner.caption(photos / "plain.jpg")
    captioner.model.train()
    try:
        first, second = (
            [*explained(captioner, photos / "plain.jpg", caption, explain).values()][-1][0] for _ in range(2)
        )
        assert torch.equal(first.weights, second.weights)
        assert captioner.model.training
    finally:
        captioner.model.eval()


def test_photos_come_as_any_iterable_and_one_photo_alone_is_named(captioner, photos):  # noqa: F811
    photo = photos / "plain.jpg"
    expected = captioner.caption(photo).text
    assert [one.text for one in captioner.captions(path for path in [photo, str(photo)])] == [expected] * 2
    with pytest.raises(TypeError, match=r"needs a list of photos, got one, .*plain\.jpg"):
        captioner.captions(str(photo))
    assert captioner.captions([]) == []
    assert captioner.captions_of(torch.zeros(0, 3, 48, 48, dtype=torch.uint8)) == []

"""What holds for every decoder."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from captioner.attention import KINDS as ATTENTIONS
from captioner.decoders import KINDS
from captioner.text.vocabulary import PAD, START
from tests.helpers import LSTM_OPTIONS, VOCABULARY, make_attention, make_decoder, make_regions
from tests.reference.show_attend_tell import read_caption


def some_words(num_photos: int = 3, num_captions: int = 4, length: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    words = torch.randint(4, VOCABULARY, (num_photos, num_captions, length), generator=generator)
    words[..., 0] = START
    return words


def assert_step_by_step_agrees(decoder, words, memory) -> None:
    output, attended = decoder(words, memory)
    stepped, weights = step_by_step(decoder, words, memory)
    torch.testing.assert_close(output, stepped)
    if attended.weights is not None:
        torch.testing.assert_close(attended.weights, torch.stack(weights, 2))


def step_by_step(decoder, words, memory):
    state, outputs, weights = decoder.start(memory, words.shape[1]), [], []
    for position in range(words.shape[2]):
        output, attended, state = decoder.step(words[..., position], state, memory)
        outputs.append(output)
        weights.append(attended.weights)
    return torch.stack(outputs, 2), weights


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_step_by_step_agrees_with_all_at_once_for_every_attention(kind, attention):
    """Positions, previous states and cell inputs agree. A combination that does not exist is refused with the reason."""
    options = {"attend": "after"} if kind == "lstm" else {}
    if (kind == "show_and_tell" and attention != "none") or (
        kind in ("att2in", "transformer") and attention == "adaptive"
    ):
        with pytest.raises(ValueError, match=r"choose (attention.kind=none|decoder.kind=lstm)"):
            make_decoder(kind, attention=attention)
        return
    decoder = make_decoder(kind, attention=attention, **options)
    words, memory = some_words(length=4), decoder.remember(make_regions(rows=1, columns=9))
    assert_step_by_step_agrees(decoder, words, memory)


def test_step_by_step_agrees_with_all_at_once_for_every_decoder(decoder):
    assert_step_by_step_agrees(decoder, some_words(), decoder.remember(make_regions()))


def test_step_by_step_agrees_with_all_at_once_for_every_form_of_the_lstm(lstm):
    assert_step_by_step_agrees(lstm, some_words(), lstm.remember(make_regions()))


def test_attentions_are_called_first_layer_to_last_and_are_no_others(decoder):
    """A transformer's self-attention is not among them."""
    called, attentions = [], decoder.attentions()
    for attention in attentions:
        attention.register_forward_hook(lambda module, *_: called.append(module))
    decoder.step(some_words()[..., 0], decoder.start(memory := decoder.remember(make_regions()), 4), memory)
    assert len(attentions) == (len(decoder.layers) if hasattr(decoder, "layers") else 1)
    assert [id(module) for module in called] == [id(attention) for attention in attentions]


def test_gradients_of_both_forms_agree(decoder):
    """The loop over known words computes weight gradients in one product; single steps use autograd."""
    words, gradients = some_words(), []
    for form in (
        lambda: decoder(words, decoder.remember(make_regions()))[0],
        lambda: step_by_step(decoder, words, decoder.remember(make_regions()))[0],
    ):
        decoder.zero_grad()
        form().square().sum().backward()
        gradients.append(
            {name: parameter.grad for name, parameter in decoder.named_parameters() if parameter.grad is not None}
        )
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name])


def assert_gradients_reach_everything(decoder) -> None:
    """DistributedDataParallel waits for the gradient of every parameter."""
    output, _ = decoder(some_words(), decoder.remember(make_regions()))
    decoder.vocabulary_logits(output).square().sum().backward()
    assert [name for name, parameter in decoder.named_parameters() if parameter.grad is None] == []


def test_gradients_reach_every_parameter(decoder):
    assert_gradients_reach_everything(decoder)


def test_gradients_reach_every_parameter_of_a_transformer_without_attention():
    assert_gradients_reach_everything(make_decoder("transformer", attention="none"))


def test_the_lstm_agrees_with_its_equations(lstm):
    words, regions = some_words(), make_regions()
    output, attended = lstm(words, lstm.remember(regions))
    for photo in range(3):
        for caption in range(4):
            expected, weights = read_caption(
                lstm, regions.features[photo], regions.mask[photo], words[photo, caption].tolist()
            )
            torch.testing.assert_close(output[photo, caption], expected)
            torch.testing.assert_close(attended.weights[photo, caption], weights)


def test_captions_of_one_photo_do_not_affect_each_other(decoder):
    words, memory = some_words(), decoder.remember(make_regions())
    together, _ = decoder(words, memory)
    alone, _ = decoder(words[:, 2:3], memory)
    torch.testing.assert_close(together[:, 2:3], alone)


def test_captions_that_end_early_do_not_change_the_others(decoder):
    words, memory = some_words(), decoder.remember(make_regions())
    ragged = words.clone()
    ragged[:, 3, 2:] = ragged[:, 2, 4:] = ragged[1, 1, 3:] = ragged[2, :, 3:] = ragged[1, 3] = PAD
    whole, short = (decoder(given, memory)[0] for given in (words, ragged))
    torch.testing.assert_close(short[ragged != PAD], whole[ragged != PAD])


def test_an_output_does_not_depend_on_later_words(decoder):
    words, memory = some_words(), decoder.remember(make_regions())
    changed = words.clone()
    changed[..., 3:] = 4
    first, second = (decoder(given, memory)[0][:, :, :3] for given in (words, changed))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_padded_regions_get_no_gradient(decoder):
    regions = make_regions()
    features = regions.features.clone().requires_grad_()
    decoder(some_words(), decoder.remember(replace(regions, features=features)))[0].square().sum().backward()
    assert (features.grad[~regions.mask] == 0).all()
    assert (features.grad[regions.mask].abs().sum(-1) > 0).all()


def test_padded_words_get_no_gradient(decoder):
    words = some_words()
    words[0, 0, 3:] = PAD
    output, _ = decoder(words, decoder.remember(make_regions()))
    output[words != PAD].square().sum().backward()
    assert (decoder.embedding.weight.grad[PAD] == 0).all()


def test_the_first_loss_is_that_of_guessing(decoder):
    output, _ = decoder(some_words(), decoder.remember(make_regions()))
    logits = decoder.vocabulary_logits(output).flatten(0, 2)
    assert functional.cross_entropy(logits, some_words().flatten()).item() == pytest.approx(
        math.log(VOCABULARY), abs=0.2
    )


@pytest.mark.parametrize("options", LSTM_OPTIONS, ids=lambda options: "-".join(options.values()))
def test_six_captions_are_overfitted(options):
    lstm = make_decoder(hidden_size=24, word_size=16, **options)
    words, regions = some_words(num_photos=3, num_captions=2, length=4), make_regions()
    inputs, targets = words[..., :-1], words[..., 1:]
    optimiser = torch.optim.Adam(lstm.parameters(), 0.03)
    for _ in range(150):
        output, _ = lstm(inputs, lstm.remember(regions))
        loss = functional.cross_entropy(lstm.vocabulary_logits(output).flatten(0, 2), targets.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    best_possible = 3 * 2 * math.log(2) / (3 * 2 * 3)  # two captions per photo: the first word is a guess
    assert loss.item() < best_possible + 0.03


def test_states_are_gathered_with_their_beams_and_photos(decoder):
    words, memory = some_words(length=3), decoder.remember(make_regions())
    output, _ = decoder(words, memory)
    state = decoder.start(memory, 4)
    for position in (0, 1):
        _, _, state = decoder.step(words[..., position], state, memory)
    beams, photos = torch.tensor([[3, 0], [1, 1], [0, 2]]), torch.tensor([2, 0])
    chosen = words[torch.arange(3)[:, None], beams][..., 2]
    state = state.select(beams).select_photos(photos)
    stepped, _, _ = decoder.step(chosen[photos], state, memory.select(photos))
    torch.testing.assert_close(stepped, output[torch.arange(3)[:, None], beams, 2][photos])


def test_adaptive_attention_refuses_a_state_that_attends_before():
    with pytest.raises(ValueError, match="choose attend: after"):
        make_decoder(attention="adaptive", attend="before")


def test_a_state_that_attends_after_cannot_be_the_only_output():
    with pytest.raises(ValueError, match="choose output: deep"):
        make_decoder(attend="after", output="state")


def test_bfloat16_autocast_keeps_cell_and_weights_in_float32():
    decoder = make_decoder().float()
    regions = make_regions()
    with torch.autocast("cpu", torch.bfloat16):
        memory = decoder.remember(replace(regions, features=regions.features.bfloat16()))
        output, attended = decoder(some_words(), memory)
        _, _, state = decoder.step(some_words()[..., 0], decoder.start(memory, 4), memory)
    assert state.values[1].dtype == attended.weights.dtype == torch.float32
    exact, _ = decoder(some_words(), decoder.remember(replace(regions, features=regions.features.float())))
    torch.testing.assert_close(output.float(), exact, rtol=0.05, atol=0.05)
    output.float().square().sum().backward()
    assert all(
        parameter.grad.dtype == torch.float32 for parameter in decoder.parameters() if parameter.grad is not None
    )


def test_a_vector_as_wide_as_the_context_gates_it():
    assert make_decoder(gate="vector").gate.out_features == make_attention("soft").context_size

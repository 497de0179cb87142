"""What holds for every decoder."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from captioner.attention import KINDS as ATTENTIONS
from captioner.decoders import KINDS
from captioner.vocabulary import PAD, START
from tests.helpers import LSTM_OPTIONS, VOCABULARY, make_attention, make_decoder, make_regions
from tests.reference.show_attend_tell import read_caption


def some_words(num_photos: int = 3, num_captions: int = 4, length: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    words = torch.randint(4, VOCABULARY, (num_photos, num_captions, length), generator=generator)
    words[..., 0] = START
    return words


def step_by_step(decoder, words, memory):
    state, outputs, weights = decoder.start(memory, words.shape[1]), [], []
    for position in range(words.shape[2]):
        output, attended, state = decoder.advance(words[..., position], state, memory)
        outputs.append(output)
        weights.append(attended.weights)
    return torch.stack(outputs, 2), weights


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_every_decoder_takes_every_attention(kind, attention):
    decoder = make_decoder(kind, attention=attention, looks="after")
    output, _ = decoder.read(some_words(), decoder.remember(make_regions()))
    assert decoder.vocabulary_logits(output).shape == (3, 4, 5, VOCABULARY)


def test_step_by_step_agrees_with_all_at_once(lstm):
    words, memory = some_words(), lstm.remember(make_regions())
    output, attended = lstm.read(words, memory)
    stepped, weights = step_by_step(lstm, words, memory)
    torch.testing.assert_close(output, stepped)
    torch.testing.assert_close(attended.weights, torch.stack(weights, 2))


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_step_by_step_agrees_with_all_at_once_for_every_attention(kind):
    """Positions, previous states and what was read arrive alike."""
    lstm = make_decoder(attention=kind, looks="after")
    regions, words = (
        make_regions(rows=1, columns=9),
        torch.randint(4, 11, (3, 2, 4), generator=torch.Generator().manual_seed(0)),
    )
    output, attended = lstm.read(words, lstm.remember(regions))
    memory = lstm.remember(regions)
    state = lstm.start(memory, 2)
    for position in range(4):
        one, looked, state = lstm.advance(words[:, :, position], state, memory)
        torch.testing.assert_close(one, output[:, :, position])
        if looked.weights is not None:
            torch.testing.assert_close(looked.weights, attended.weights[:, :, position])


def test_gradients_of_both_forms_agree(lstm):
    """The loop over known words takes its weight gradients in one product; a step at a time takes autograd's."""
    words, gradients = some_words(), []
    for form in (
        lambda: lstm.read(words, lstm.remember(make_regions()))[0],
        lambda: step_by_step(lstm, words, lstm.remember(make_regions()))[0],
    ):
        lstm.zero_grad()
        form().square().sum().backward()
        gradients.append(
            {name: parameter.grad for name, parameter in lstm.named_parameters() if parameter.grad is not None}
        )
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name])


def test_the_lstm_agrees_with_its_equations(lstm):
    words, regions = some_words(), make_regions()
    output, attended = lstm.read(words, lstm.remember(regions))
    for photo in range(3):
        for caption in range(4):
            expected, weights = read_caption(
                lstm, regions.features[photo], regions.mask[photo], words[photo, caption].tolist()
            )
            torch.testing.assert_close(output[photo, caption], expected)
            torch.testing.assert_close(attended.weights[photo, caption], weights)


def test_captions_of_one_photo_do_not_see_each_other(lstm):
    words, memory = some_words(), lstm.remember(make_regions())
    together, _ = lstm.read(words, memory)
    alone, _ = lstm.read(words[:, 2:3], memory)
    torch.testing.assert_close(together[:, 2:3], alone)


def test_captions_that_end_early_do_not_change_the_others(lstm):
    words, memory = some_words(), lstm.remember(make_regions())
    ragged = words.clone()
    ragged[:, 3, 2:] = ragged[:, 2, 4:] = ragged[1, 1, 3:] = ragged[2, :, 3:] = ragged[1, 3] = PAD
    whole, short = (lstm.read(given, memory)[0] for given in (words, ragged))
    torch.testing.assert_close(short[ragged != PAD], whole[ragged != PAD])


def test_an_output_does_not_see_later_words(lstm):
    words, memory = some_words(), lstm.remember(make_regions())
    changed = words.clone()
    changed[..., 3:] = 4
    one, two = (lstm.read(given, memory)[0][:, :, :3] for given in (words, changed))
    torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_padded_regions_get_no_gradient(lstm):
    regions = make_regions()
    features = regions.features.clone().requires_grad_()
    lstm.read(some_words(), lstm.remember(replace(regions, features=features)))[0].square().sum().backward()
    assert (features.grad[~regions.mask] == 0).all()
    assert (features.grad[regions.mask].abs().sum(-1) > 0).all()


def test_padded_words_get_no_gradient(lstm):
    words = some_words()
    words[0, 0, 3:] = PAD
    output, _ = lstm.read(words, lstm.remember(make_regions()))
    output[words != PAD].square().sum().backward()
    assert (lstm.embedding.weight.grad[PAD] == 0).all()


def test_the_first_loss_is_that_of_guessing(lstm):
    output, _ = lstm.read(some_words(), lstm.remember(make_regions()))
    logits = lstm.vocabulary_logits(output).flatten(0, 2)
    assert functional.cross_entropy(logits, some_words().flatten()).item() == pytest.approx(
        math.log(VOCABULARY), abs=0.2
    )


@pytest.mark.parametrize("options", LSTM_OPTIONS, ids=lambda options: "-".join(options.values()))
def test_six_captions_are_learned_by_heart(options):
    lstm = make_decoder(hidden_size=24, word_size=16, **options)
    words, regions = some_words(num_photos=3, num_captions=2, length=4), make_regions()
    inputs, targets = words[..., :-1], words[..., 1:]
    optimiser = torch.optim.Adam(lstm.parameters(), 0.03)
    for _ in range(150):
        output, _ = lstm.read(inputs, lstm.remember(regions))
        loss = functional.cross_entropy(lstm.vocabulary_logits(output).flatten(0, 2), targets.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    told_apart_by_words_alone = (
        3 * 2 * math.log(2) / (3 * 2 * 3)
    )  # two captions of one photo: the first word is a guess
    assert loss.item() < told_apart_by_words_alone + 0.03


def test_states_are_gathered_with_their_beams(lstm):
    words, memory = some_words(), lstm.remember(make_regions())
    _, _, state = lstm.advance(words[..., 0], lstm.start(memory, 4), memory)
    beams = torch.tensor([[3, 0], [1, 1], [0, 2]])
    chosen = state.select(beams)
    for photo in range(3):
        torch.testing.assert_close(chosen.hidden[photo], state.hidden[photo, beams[photo]])
    torch.testing.assert_close(state.select_photos(torch.tensor([2, 0])).cell, state.cell[[2, 0]])


def test_adaptive_attention_refuses_a_state_that_looks_before():
    with pytest.raises(ValueError, match="choose looks: after"):
        make_decoder(attention="adaptive", looks="before")


def test_a_state_that_looks_afterwards_cannot_write_alone():
    with pytest.raises(ValueError, match="choose output: deep"):
        make_decoder(looks="after", output="state")


def test_bfloat16_autocast_keeps_cell_and_weights_in_float32():
    decoder = make_decoder().float()
    regions = make_regions()
    with torch.autocast("cpu", torch.bfloat16):
        memory = decoder.remember(replace(regions, features=regions.features.bfloat16()))
        output, attended = decoder.read(some_words(), memory)
        _, _, state = decoder.advance(some_words()[..., 0], decoder.start(memory, 4), memory)
    assert state.cell.dtype == attended.weights.dtype == torch.float32
    exact, _ = decoder.read(some_words(), decoder.remember(replace(regions, features=regions.features.float())))
    torch.testing.assert_close(output.float(), exact, rtol=0.05, atol=0.05)
    output.float().square().sum().backward()
    assert all(
        parameter.grad.dtype == torch.float32 for parameter in decoder.parameters() if parameter.grad is not None
    )


def test_a_vector_as_wide_as_the_context_gates_it():
    assert make_decoder(gate="vector").gate.out_features == make_attention("soft").context_size

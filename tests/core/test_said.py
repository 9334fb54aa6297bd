"""A sentence remembers what it was made of."""

from app.core.said import Said


def test_a_sentence_is_text_and_remembers_its_message_and_values() -> None:
    sentence = Said("{free} GiB free of {total}", free="1.5", total=8)
    assert sentence == "1.5 GiB free of 8"
    assert (sentence.message, sentence.values) == (
        "{free} GiB free of {total}",
        {"free": "1.5", "total": 8},
    )


def test_a_value_with_braces_is_said_as_it_is() -> None:
    assert Said("at {place}", place="{x}") == "at {x}"
    assert type(str(Said("at {place}", place="{x}"))) is str

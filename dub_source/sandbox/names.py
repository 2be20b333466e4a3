"""The random names that Dub shows for a customer who has neither a name nor an email."""

import random

_ADJECTIVES = (
    "Able Amused Brave Calm Clever Curious Daring Distant Eager Early Faint Gentle Hidden Honest "
    "Jolly Keen Late Lively Modest Nimble Patient Quiet Rapid Ready Shy Sleepy Tidy Vivid Warm Young"
).split()
_COLORS = (
    "Amber Azure Beige Black Blue Bronze Brown Coral Crimson Cyan Emerald Fuchsia Gold Gray Green "
    "Indigo Ivory Jade Lavender Lime Magenta Maroon Olive Orange Pink Purple Red Silver Teal Violet White"
).split()
_ANIMALS = (
    "Badger Bear Bee Beetle Bison Buzzard Cat Crane Deer Dolphin Eagle Falcon Ferret Finch Fox Frog "
    "Gecko Hare Heron Ibis Koala Lemur Lynx Mole Moose Newt Otter Owl Panda Quail Raven Seal Swan Tiger Wolf"
).split()


def random_name(source: random.Random) -> str:
    """A new name of three words, such as ``Quiet Amber Otter``."""
    return f"{source.choice(_ADJECTIVES)} {source.choice(_COLORS)} {source.choice(_ANIMALS)}"

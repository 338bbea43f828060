"""Synthetic children's stories from a seeded grammar."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import TypeVar

from forgather_hydra.data.cache import content_hash
from forgather_hydra.data.corpus import LocalCorpus
from forgather_hydra.limits import Count, Share

T = TypeVar("T")

# Name, kind, and the pronouns she/her/her.
HEROES = (
    ("Nora", "girl", "she", "her", "her"),
    ("Ella", "girl", "she", "her", "her"),
    ("Ruby", "girl", "she", "her", "her"),
    ("Jane", "girl", "she", "her", "her"),
    ("Otto", "boy", "he", "him", "his"),
    ("Finn", "boy", "he", "him", "his"),
    ("Max", "boy", "he", "him", "his"),
    ("Paul", "boy", "he", "him", "his"),
    ("Pip", "mouse", "he", "him", "his"),
    ("Daisy", "kitten", "she", "her", "her"),
)

WORDS = {
    "mood": ("happy", "curious", "shy", "brave", "kind", "merry", "quiet", "clever"),
    "home": (
        "by the sea",
        "near a deep forest",
        "on a green hill",
        "in a small village",
        "beside a wide river",
        "at the end of a long road",
    ),
    "color": ("red", "blue", "yellow", "green", "white", "silver"),
    "toy": ("ball", "kite", "boat", "drum", "hat", "lamp", "book", "bell"),
    "friend": ("fox", "rabbit", "duck", "bear", "frog", "goat", "horse", "sparrow"),
    "friend_name": ("Bruno", "Tilly", "Gus", "Poppy", "Rolo", "Wanda"),
    "hidden": ("under a bush", "behind a tree", "in the tall grass", "between two stones"),
    "searched": ("the garden", "the old barn", "the market", "the bridge", "the meadow"),
    "weather": ("sunny", "windy", "rainy", "snowy", "warm", "cold"),
    "food": ("an apple", "a warm bun", "some soup", "a piece of cake", "a pear", "some honey"),
    "feeling": ("sad", "worried", "lonely", "afraid"),
    "skill": ("swim", "sing", "dance", "climb", "paint", "whistle"),
}

OPENINGS = (
    "Once upon a time, there was a {mood} {kind} named {name}. {She} lived {home}.",
    "Once upon a time, a {mood} {kind} lived {home}. The {kind} was called {name}.",
    "Once upon a time, {home}, there lived a {kind}. {Her} name was {name} and {she} was {mood}.",
)

# Each plot is a sequence of paragraphs; each paragraph is told in one of several ways.
PLOTS = (
    (
        (
            "{name} had a {color} {toy}. One {weather} day, the {toy} was gone.",
            "One {weather} day, {name} could not find {her} {color} {toy}. {She} was {feeling}.",
        ),
        (
            "{She} looked all around {searched}, but it was not there. "
            'Then {name} met {friend_name} the {friend}. "I will help you," said {friend_name}.',
            '"Where is my {toy}?" asked {name}. {friend_name} the {friend} heard {him}. '
            '"Let us look near {searched}," said the {friend}.',
        ),
        (
            "They found the {color} {toy} {hidden}. {name} gave {friend_name} {food}.",
            '"Look!" said {friend_name}. The {toy} was {hidden}. {name} laughed and clapped.',
        ),
    ),
    (
        (
            "More than anything, {name} wanted to {skill}. But {she} did not know how.",
            "All the others could {skill}, but {name} could not. It made {him} {feeling}.",
        ),
        (
            "One {weather} day, {name} saw {friend_name} the {friend} near {searched}. "
            '"Can you teach me to {skill}?" {she} asked. "Yes," said the {friend}.',
            "{friend_name} the {friend} could {skill} very well. "
            '"It is not hard," said {friend_name}. "Come with me every {weather} day."',
        ),
        (
            "{name} tried once, and then {she} tried again. At last {she} could {skill}!",
            "They practiced until the sun went down. Then they ate {food} and were proud.",
        ),
    ),
    (
        (
            "One {weather} day, {name} heard someone cry {hidden}. It was a little {friend}.",
            "On a {weather} morning, {name} walked to {searched}. A {friend} sat there all alone.",
        ),
        (
            '"My name is {friend_name}, and I am lost," said the {friend}. "I am so {feeling}."',
            '"Why are you {feeling}?" asked {name}. "I lost my {color} {toy}," said {friend_name}.',
        ),
        (
            "{name} shared {food} with {friend_name} and took {her} new friend home.",
            '"Do not be {feeling}," said {name}. {She} gave the {friend} a {color} {toy}.',
        ),
    ),
)

ENDINGS = (
    "From that day on, {name} and {friend_name} were best friends.",
    "{name} went to bed with a smile. It had been a good day.",
    "And they all lived happily ever after.",
    "{name} learned that it is good to have a friend.",
)


class StoryCorpus(LocalCorpus):
    """Distinct short stories, all beginning "Once upon a time": synthetic, made on first use.

    A tiny model learns them in seconds. The same arguments give the same text on every
    platform and Python version.

    Args:
        num_stories: how many stories.
        seed: which stories.
        eval_fraction: share of the stories held out for evaluation.
    """

    def __init__(
        self, num_stories: Count = 12_000, seed: int = 0, eval_fraction: Share = 0.05
    ) -> None:
        super().__init__("stories", eval_fraction)
        self.num_stories = num_stories
        self.seed = seed

    def texts(self) -> Iterator[str]:
        """Yield each story."""
        return iter(self._stories)

    def describe(self) -> str:
        """One line about the source."""
        return (
            f"stories: {self.num_stories:,} synthetic children's stories from a grammar, "
            f"seed {self.seed}, {self.eval_fraction:.1%} of them held out"
        )

    def fingerprint(self) -> str:
        """Hash of what the stories are made from: a run that reads them packed makes none."""
        if type(self) is not StoryCorpus:  # which may tell others
            return super().fingerprint()
        grammar = Path(__file__).read_text(encoding="utf-8")
        return content_hash((self.name, self.eval_fraction, self.num_stories, self.seed, grammar))

    @cached_property
    def _stories(self) -> tuple[str, ...]:
        random = Random(self.seed)
        stories: dict[str, None] = {}
        while len(stories) < self.num_stories:
            stories[tell_story(random)] = None
        return tuple(stories)


def tell_story(random: Random) -> str:
    """Make up one story: an opening, the three paragraphs of a plot, an ending."""
    name, kind, she, him, her = _pick(random, HEROES)
    words = {"name": name, "kind": kind, "she": she, "him": him, "her": her}
    words |= {"She": she.capitalize(), "Her": her.capitalize()}
    words |= {slot: _pick(random, options) for slot, options in WORDS.items()}
    paragraphs = (OPENINGS, *_pick(random, PLOTS), ENDINGS)
    return "\n\n".join(_pick(random, ways).format_map(words) for ways in paragraphs)


def _pick(random: Random, options: Sequence[T]) -> T:
    # Only `random()` is promised to give the same numbers in every Python version.
    return options[int(random.random() * len(options))]

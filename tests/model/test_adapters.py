"""Which trainers and rows an adapter does not go with."""

from __future__ import annotations

import pytest

from forgather_hydra.model.adapters import check_prefix, check_trainer


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValueError, match="four bits are not divided: train with trainer=accel"):
        check_trainer("AccelTrainer", sharded=True, four_bit=True)
    with pytest.raises(ValueError, match="a pipeline takes the layers"):
        check_trainer("forgather_hydra.train.PipelineTrainer")
    with pytest.raises(ValueError, match=r"data\.packed=false"):
        check_prefix(packed=True)
    check_trainer("AccelTrainer", sharded=True)
    check_trainer("AccelTrainer", four_bit=True)
    check_prefix(packed=False)

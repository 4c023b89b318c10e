from pathlib import Path

import pytest

from callflow.cli import demo


@pytest.mark.parametrize(("asked", "cases"), [(None, 2), (3, 3)])
def test_a_number_of_households_that_was_asked_for_counts_though_the_sample_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int | None, cases: int
) -> None:
    folder, samples = tmp_path / "made", tmp_path / "samples"
    folder.mkdir()
    samples.mkdir()
    written, _ = demo._lists(samples, 2, seed=1)
    assert written == samples / demo.LIST
    monkeypatch.setattr(demo, "SAMPLES", samples)
    taken, payments = demo._lists(folder, asked, seed=1)
    assert payments is not None
    lines = taken.read_text(encoding="cp932").splitlines()[1:]
    assert len({line.split(",")[0] for line in lines}) == cases

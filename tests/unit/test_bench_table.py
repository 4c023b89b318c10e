from collections.abc import Iterator
from contextlib import contextmanager

from bench.__main__ import figures, main
from bench.table import Contenders, Figure, Target, at_least, at_most, cells, measure


def figure(target: Target | None, ours: list[float], baseline: list[float]) -> Figure:
    @contextmanager
    def contenders() -> Iterator[Contenders]:
        yield Contenders(ours=ours.pop, baseline=baseline.pop, peers={"another": lambda: 8.0})

    return Figure("P0", "ours", "theirs", "s", contenders, target)


def test_the_ratio_is_of_each_round_and_its_median_meets_the_target_or_does_not() -> None:
    (row, peer) = measure(figure(at_most(3), [9.0, 2.0, 6.0], [3.0, 2.0, 1.0]), rounds=3)
    assert sorted(row.ratios) == [1.0, 3.0, 6.0]
    assert row.met is True
    assert cells(row) == ("P0", "ours", "6 s", "2 s", "3 (1–6)", "≤ 3", "yes")
    assert peer.what == "  peer: another"
    assert peer.met is None
    (row, _) = measure(figure(at_least(3.1), [9.0, 2.0, 6.0], [3.0, 2.0, 1.0]), rounds=3)
    assert row.met is False


def test_every_figure_of_the_folder_is_found_without_being_named() -> None:
    assert {"step", "P10", "P11", "P13", "P14"} <= {each.number for each in figures()}


def test_an_unknown_figure_is_a_fault_of_use() -> None:
    assert main(["P999"]) == 2

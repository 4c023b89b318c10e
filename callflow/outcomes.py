"""The outcomes of a call in words: what every page, paper and report calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OUTCOMES: Final[Mapping[str, str]] = {
    "NA": "応答なし", "BZ": "話し中", "FX": "FAX・モデム", "DN": "欠番・不通", "NW": "圏外・電源断",
    "AM0": "留守電（伝言なし）", "AM1": "留守電（最小伝言）", "AB": "放棄呼（当方）", "TF": "当方障害",
    "WN": "番号違い", "CH": "子ども", "TP": "本人・配偶者以外", "VD": "本人確認拒否", "VF": "本人確認不一致",
    "HU0": "切断（確認前）", "HU1": "切断（確認後）", "CB": "再架電希望", "PP": "納付約束",
    "PX": "約束（日付・金額未定）", "PD": "納付済み申出", "PR": "納付書再発行", "DD": "口座振替希望・振替不能",
    "HS": "生活困窮・相談", "HC": "生活困窮・職員から架電", "HR": "生活困窮・住民から連絡", "IN": "分納希望",
    "RF": "納付拒否", "DA": "金額疑義", "DQ": "資格疑義", "CP": "苦情", "AV": "暴言等",
    "EM": "緊急（生命・健康）", "DC": "死亡申出", "MV": "転居申出", "LG": "言語支援", "HI": "聴覚・電話リレー",
    "GD": "後見人", "LW": "弁護士受任", "DV": "支援措置・ＤＶ懸念", "NC": "電話拒否・文書希望", "OS": "台本外",
    "UD": "未確定",
}  # fmt: skip
"""Source: domain.md, dispositions. A script's own code has its name there (`Script.dispositions`)."""

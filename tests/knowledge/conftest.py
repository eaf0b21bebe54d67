from datetime import date
from pathlib import Path

import pytest

from knowledge.engine import Engine
from knowledge.library import SHIPPED, Library, load
from tests.schema import engine_of

TODAY = date(2026, 11, 23)

ENTRY = """\
- id: cipo-01
  basis: sourced
  jurisdictions: [INT]
  as_of: 2026-11-01
  review_by: 2027-05-01
  sources:
    - {name: HKIPX programme page, url: null}
  related: [cipo-02]
  tags: [role]
  en:
    question: What does a CIPO do?
    phrasings: [one a, one b, one c, one d, one e, one f]
    answer: |
      A CIPO **runs** intellectual property.
  zh-Hans:
    question: 首席知识产权官做什么？
    phrasings: [甲一, 甲二, 甲三, 甲四, 甲五, 甲六]
    answer: |
      负责知识产权的授权与软件。
- id: cipo-02
  basis: editorial
  jurisdictions: [CN, HK]
  as_of: 2026-11-01
  review_by: 2027-05-01
  related: []
  en:
    question: Who needs one?
    phrasings: [two a, two b, two c, two d, two e, two f]
    answer: Nobody knows better than {{ operator.name }}.
  zh-Hans:
    question: 谁需要？
    phrasings: [乙一, 乙二, 乙三, 乙四, 乙五, 乙六]
    answer: 由主办方说明。
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cipo.yaml").write_text(ENTRY, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="session")
def shipped() -> Library:
    return load(SHIPPED)


@pytest.fixture(scope="session")
def engine(shipped: Library) -> Engine:
    return engine_of(shipped, TODAY)

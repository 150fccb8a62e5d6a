"""Proof that truth and indexes agree."""

from __future__ import annotations

import numpy as np

from nacre.language import tr
from nacre.retrieval.catalog import Catalog
from nacre.retrieval.indexes import Indexes
from nacre.retrieval.vectors import VectorIndex


def problems(catalog: Catalog, indexes: Indexes) -> list[str]:
    """Look for everything that should not be.

    Args:
        catalog: the truth.
        indexes: what is derived from it.

    Returns:
        One line for each problem.
    """
    found = [
        tr(f"catalog: {row[0]}", f"目录库：{row[0]}") for row in catalog.rows("PRAGMA quick_check") if row[0] != "ok"
    ]
    found += _texts(catalog)
    truth = {row[0] for row in catalog.rows("SELECT id FROM chunks")}
    with indexes.view() as view:
        found += _difference(tr("word index", "词索引"), truth, view.words.ids())
        if view.vectors is not None:
            found += _difference(tr("vector index", "向量索引"), truth, view.vectors.ids.tolist())
            found += _vectors(catalog, view.vectors)
    return found


def _texts(catalog: Catalog) -> list[str]:
    found = []
    orphans = catalog.rows("SELECT count(*) FROM chunks WHERE document NOT IN (SELECT id FROM documents)")[0][0]
    if orphans:
        found.append(tr(f"catalog: {orphans} chunks without a document", f"目录库：{orphans} 个片段没有所属文档"))
    for (uri,) in catalog.rows("SELECT uri FROM documents"):
        text = catalog.text(uri) or ""
        spans = catalog.rows(
            'SELECT c.start, c."end", c.text FROM chunks c JOIN documents d ON d.id = c.document WHERE d.uri = ?',
            (uri,),
        )
        if any(text[start:end] != passage for start, end, passage in spans):
            found.append(
                tr(
                    f"catalog: a chunk of {uri} is not what stands at its place",
                    f"目录库：{uri} 的某个片段与其位置的原文不符",
                )
            )
    return found


def _difference(name: str, truth: set[int], index: list[int]) -> list[str]:
    found = []
    ghosts, missing = set(index) - truth, truth - set(index)
    if ghosts:
        found.append(
            tr(f"{name}: {len(ghosts)} chunks that were deleted", f"{name}：存在 {len(ghosts)} 个已删除的片段")
        )
    if missing:
        found.append(tr(f"{name}: {len(missing)} chunks are missing", f"{name}：缺少 {len(missing)} 个片段"))
    if len(index) != len(set(index)):
        found.append(
            tr(
                f"{name}: {len(index) - len(set(index))} chunks stand in it twice",
                f"{name}：{len(index) - len(set(index))} 个片段重复",
            )
        )
    return found


def _vectors(catalog: Catalog, index: VectorIndex) -> list[str]:
    matrix, ids = index.matrix(), index.ids
    wrong = 0
    for at in range(0, len(ids), 2000):
        some = ids[at : at + 2000].tolist()
        rows = dict(
            catalog.rows(f"SELECT chunk, vector FROM vectors WHERE chunk IN ({','.join('?' * len(some))})", some)
        )
        for place, number in enumerate(some, at):
            truth = rows.get(number)
            wrong += truth is not None and not np.array_equal(np.frombuffer(truth, "<f4"), matrix[place])
    return (
        [tr(f"vector index: {wrong} vectors differ from the catalog's", f"向量索引：{wrong} 个向量与目录库不一致")]
        if wrong
        else []
    )

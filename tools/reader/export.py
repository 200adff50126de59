"""Write a trained model as workers read it: an 8-bit encoder, heads, vocabulary and labels.

Tokens that no report in Chinese or English has (other scripts, continuations that begin with an
ideograph) leave the vocabulary; weights become signed bytes with a scale for each column.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from base import names_of
from examples import CATEGORIES, FACTS
from network import HEADS, Params
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from streams.classify.sentences import MODALITIES

SKETCH = 64
"""Numbers in a sketch: of the most telling directions of the vectors of all training sentences."""

HEADS_NODE = "heads"

MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LATIN_END, _CJK, _CJK_END = 0x250, 0x3400, 0xFAFF


def export(
    folder: Path,
    graph: onnx.ModelProto,
    params: Params,
    vocabulary: list[str],
    temperatures: dict[str, float],
    middles: NDArray[np.float32],
) -> None:
    """Write the files of a model.

    Parameters
    ----------
    middles
        (sentences, hidden): the mean of the last layer of each training sentence.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = [number for number, token in enumerate(vocabulary) if _is_kept(token)]
    arrays = {name: np.asarray(at) for name, at in params.items()}
    embeddings = "embeddings.word_embeddings.weight"
    arrays[embeddings] = arrays[embeddings][kept]
    arrays["embeddings.position_embeddings.weight"] = arrays["positions"]
    _put(graph, arrays)
    middle = middles.mean(axis=0)
    directions = np.linalg.svd(middles - middle, full_matrices=False)[2][:SKETCH]
    queries = [arrays[f"{head}.query"][:, None] for head in HEADS]
    columns = [*queries, *(arrays[f"{head}.weights"] for head in HEADS), directions.T]
    _multiply(graph, np.concatenate(columns, axis=1))
    with tempfile.TemporaryDirectory() as whole:
        onnx.save(graph, Path(whole) / "encoder.onnx")
        quantize_dynamic(
            Path(whole) / "encoder.onnx",
            folder / "encoder.onnx",
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=[HEADS_NODE],
        )
    offsets: dict[str, Any] = {head: arrays[f"{head}.bias"] for head in HEADS}
    np.savez(folder / "offsets.npz", **offsets, sketch=directions @ middle)
    (folder / "vocabulary.txt").write_text(
        "".join(f"{vocabulary[number]}\n" for number in kept), "utf-8"
    )
    content = (folder / "encoder.onnx").read_bytes() + (folder / "offsets.npz").read_bytes()
    meta = {
        "version": hashlib.sha256(content).hexdigest()[:12],
        "categories": CATEGORIES,
        "modalities": MODALITIES,
        "facts": FACTS,
        "temperatures": temperatures,
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=1) + "\n")


def _put(graph: onnx.ModelProto, arrays: dict[str, Any]) -> None:
    stored = {one.name: one for one in graph.graph.initializer}
    for name, inside in names_of(graph).items():
        if name in arrays:
            array = arrays[name].astype(np.float32)
            stored[inside].CopyFrom(numpy_helper.from_array(array, inside))
    # Trained positions have the first token type in them.
    types = stored["embeddings.token_type_embeddings.weight"]
    types.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(types) * 0, types.name))


def _multiply(graph: onnx.ModelProto, matrix: NDArray[np.float32]) -> None:
    """Let the graph return the product of the last layer and a matrix instead of that layer."""
    (layer,) = graph.graph.output
    graph.graph.initializer.append(numpy_helper.from_array(matrix.astype(np.float32), "heads"))
    graph.graph.node.append(
        onnx.helper.make_node("MatMul", [layer.name, "heads"], ["scores"], name=HEADS_NODE)
    )
    shape = ["texts", "tokens", matrix.shape[1]]
    scores = onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, shape)
    graph.graph.output.remove(layer)
    graph.graph.output.append(scores)


def _is_kept(token: str) -> bool:
    if token in MARKS:
        return True
    if token.startswith("[") and token.endswith("]") and len(token) > 1:
        return False
    bare = token.removeprefix("##")
    if all(ord(char) < _LATIN_END for char in bare):
        return True
    if len(bare) > 1 or not bare:
        return False
    if _CJK <= ord(bare) <= _CJK_END:
        return not token.startswith("##")
    return True

"""The pretrained encoders that the reader's models begin with, from the jars of ``pom.xml``.

bge-small-zh-v1.5: Xiao et al. 2023, *C-Pack*, arXiv 2309.07597; MIT licence. all-MiniLM-L6-v2:
Wang et al. 2020, *MiniLM*, arXiv 2002.10957, tuned by the Sentence Transformers project; Apache
licence 2.0. Both are BERT encoders: 4 layers of 512 and 6 layers of 384.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

Weights = dict[str, NDArray[np.float32]]

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".var" / "reader"


class Base(NamedTuple):
    """A pretrained encoder: its files' name in the jar, attention heads, and the graph's hash."""

    name: str
    attention_heads: int
    sha256: str


BASES = {
    "zh": Base(
        "bge-small-zh-v1.5", 8, "69a0b846f4f116b5e6aabf9546ea6754d02264f3211a13a1bd69b31b8040749a"
    ),
    "en": Base(
        "all-minilm-l6-v2", 12, "759c3cd2b7fe7e93933ad23c4c9181b7396442a2ed746ec7c1d46192c469c46e"
    ),
}


def graph_of(language: str) -> onnx.ModelProto:
    """Return a base's graph, fetched when it isn't there yet.

    Raises
    ------
    ValueError
        The file is another one than the project was trained from.
    """
    base = BASES[language]
    content = _file(f"{base.name}.onnx").read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != base.sha256:
        raise ValueError(f"{base.name}.onnx has SHA-256 {found}, not {base.sha256}")
    return onnx.load_model_from_string(content)


def vocabulary_of(language: str) -> list[str]:
    """Return a base's tokens by id."""
    said: dict[str, Any] = json.loads(_file(f"{BASES[language].name}-tokenizer.json").read_text())
    ids: dict[str, int] = said["model"]["vocab"]
    return sorted(ids, key=ids.__getitem__)


def names_of(graph: onnx.ModelProto) -> dict[str, str]:
    """Return the graph's initializers by their name in the original model.

    The exporter renamed the matrices that it transposed; each is known by the bias that is added
    to its product.
    """
    have = {one.name for one in graph.graph.initializer}
    names = {name: name for name in have if name.startswith(("embeddings", "encoder"))}
    biases: dict[str, str] = {}
    for node in graph.graph.node:
        if node.op_type == "Add":
            for bias, product in (node.input, node.input[::-1]):
                if bias in have and bias.endswith("bias"):
                    biases[product] = bias
    for node in graph.graph.node:
        if node.op_type == "MatMul" and node.input[1] in have:
            names[biases[node.output[0]].removesuffix("bias") + "weight"] = node.input[1]
    return names


def weights_of(graph: onnx.ModelProto) -> Weights:
    """Return the weights by their original names; matrices as (in, out)."""
    arrays = {one.name: numpy_helper.to_array(one) for one in graph.graph.initializer}
    return {
        name: arrays[stored].astype(np.float32)
        for name, stored in names_of(graph).items()
        if arrays[stored].dtype == np.float32
    }


def _file(name: str) -> Path:
    path = CACHE / name
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies",
             f"-DoutputDirectory={CACHE / 'jars'}"],
            check=True,
        )  # fmt: skip
        for jar in sorted((CACHE / "jars").glob("*.jar")):
            with zipfile.ZipFile(jar) as archive:
                for inside in archive.namelist():
                    if inside.endswith((".onnx", ".json")) and "/" not in inside:
                        archive.extract(inside, CACHE)
    return path

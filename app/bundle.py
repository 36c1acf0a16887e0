"""The bundle: a folder that says everything the service needs to serve one model.

`manifest.json` is the contract between `training`, which writes it, and `app`, which reads it. Reading a bundle
reads each of its files once and checks its SHA-256 on the very bytes that are handed on, so what was verified is
what runs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import BundleError

MANIFEST = "manifest.json"
GRAPH = "model.onnx"
EMBEDDER, HEAD = "embedder.onnx", "head.onnx"
TOKENIZER = "tokenizer.json"
MOTIFS = "motifs.txt"
VARIANTS = "variants.tsv"
CARD = "README.md"

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
VERSION_PATTERN = r"^\d+\.\d+\.\d+$"
TARGET_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Slug = Annotated[str, Field(pattern=NAME_PATTERN)]
Version = Annotated[str, Field(pattern=VERSION_PATTERN)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
TargetName = Annotated[str, Field(pattern=TARGET_PATTERN)]

Encoding = Literal["tokens", "one_hot", "dosage"]
Scale = Literal["linear", "log2", "log10", "ln", "other"]
Precision = Literal["fp32", "fp16", "int8", "int8-weights"]


class Frozen(BaseModel):
    """Base of every part of the manifest: immutable, unknown keys refused, numbers finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Target(Frozen):
    """One predicted quantity.

    Attributes:
        unit: unit of the values, as printed beside them.
        scale: how to reach the linear scale (`log2`: 2 ** value - pseudocount); `other` if there is no way.
        pseudocount: what was added before the logarithm was taken.
        higher_means: what a larger value stands for, such as "more stable".
        mean, standard_deviation: of the training targets, in `unit`.
    """

    name: TargetName
    unit: str
    scale: Scale
    pseudocount: float = 0.0
    higher_means: str
    description: str
    mean: float
    standard_deviation: Annotated[float, Field(gt=0)]


class Window(Frozen):
    """The interval a model reads for a gene, in bases around an anchor on the gene's strand."""

    anchor: Literal["tss", "start", "centre"]
    upstream_bases: Annotated[int, Field(ge=0)]
    downstream_bases: Annotated[int, Field(ge=0)]
    strand_specific: bool = True


class Segments(Frozen):
    """How a window longer than the backbone reads is cut: side by side, from the window's first base as it is read.

    Attributes:
        count: of the segments of a window.
        bases: of each.
    """

    count: Annotated[int, Field(ge=1)]
    bases: Annotated[int, Field(ge=1)]

    @property
    def window_bases(self) -> int:
        """Length of the window that they make."""
        return self.count * self.bases


class Motifs(Frozen):
    """The motifs that a model reads instead of all bases: motifs.txt lists them, one a line.

    A window slides over the sequence base by base; the motifs it meets, in order and with spaces between them, are
    the text that the tokenizer gets.

    Attributes:
        bases: length of each motif and of the window.
        scores: where the scores that chose them come from, in a sentence.
    """

    bases: Annotated[int, Field(ge=1, le=32)]
    scores: str


class Input(Frozen):
    """What a model accepts.

    Attributes:
        encoding: `tokens` over tokenizer.json, `one_hot` over A C G T, or `dosage` over variants.tsv.
        ambiguous: `refused`: A, C, G, T (and U) only; `n`: N too; `iupac`: every IUPAC code, read as N.
        accepts_u: U is read as T.
        min_bases, max_bases: length of a sequence; both 0 for `dosage`, which reads none; both that of the whole window
            with segments.
        max_tokens: longest input of the graph, special tokens included; for `one_hot` the same as `max_bases`, for
            `dosage` the number of variants; with segments of one segment.
        pad_token_id: id that fills short rows of a batch; only for `tokens`.
        reverse_complement_averaged: the graph averages both strands.
        segments: how the window is cut, where the bundle has an embedder and a head; only for `tokens`.
        motifs: the tokens are of the sequence's motifs, not of its bases; only for `tokens`.
    """

    encoding: Encoding
    ambiguous: Literal["refused", "n", "iupac"] = "refused"
    accepts_u: bool = True
    min_bases: Annotated[int, Field(ge=0)]
    max_bases: Annotated[int, Field(ge=0)]
    max_tokens: Annotated[int, Field(ge=1)]
    pad_token_id: Annotated[int, Field(ge=0)] | None = None
    reverse_complement_averaged: bool = False
    window: Window | None = None
    segments: Segments | None = None
    motifs: Motifs | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Input:
        if self.min_bases > self.max_bases:
            raise ValueError("min_bases is larger than max_bases")
        if self.reads_sequences != (self.min_bases > 0) or self.reads_sequences != (self.max_bases > 0):
            raise ValueError("min_bases and max_bases are at least 1, but for the encoding `dosage`, where both are 0")
        if (self.encoding == "tokens") != (self.pad_token_id is not None):
            raise ValueError("pad_token_id belongs to the encoding `tokens`, and only to it")
        if self.motifs is not None:
            self._check_motifs(self.motifs)
        if self.segments is not None:
            self._check_segments(self.segments)
        return self

    @property
    def reads_sequences(self) -> bool:
        """Whether the model reads sequences; one of dosages reads genotypes."""
        return self.encoding != "dosage"

    @property
    def reads_token_ids(self) -> bool:
        """Whether callers may encode for the model themselves."""
        return self.encoding == "tokens" and self.segments is None

    def _check_motifs(self, motifs: Motifs) -> None:
        if self.encoding != "tokens":
            raise ValueError("motifs belong to the encoding `tokens`, and only to it")
        if motifs.bases > self.max_bases:
            raise ValueError("motifs.bases is larger than max_bases, so no sequence could hold a motif")

    def _check_segments(self, segments: Segments) -> None:
        if self.encoding != "tokens" or self.motifs is not None:
            raise ValueError("segments belong to the encoding `tokens` without motifs, and only to it")
        whole = segments.window_bases
        if (self.min_bases, self.max_bases) != (whole, whole):
            raise ValueError(f"the segments make a window of {whole} bases, and so must min_bases and max_bases be")
        if self.window is not None and self.window.upstream_bases + self.window.downstream_bases != whole:
            raise ValueError(f"the segments make a window of {whole} bases, and `window` has another length")


class Estimate(Frozen):
    """A figure with its bootstrap 95 % interval."""

    value: float
    low: float
    high: float


class Score(Frozen):
    """Test figures of one model on one subset of one split.

    Attributes:
        model: `this bundle`, or the name of a baseline scored on the same rows in the same run.
        split: how the rows were held out.
        subset: which of them, such as `all` or `>= 20 UMIs`.
        metrics: name (`r2`, `pearson`, `spearman`, `mse`, `mae`, `rmse`) to estimate.
        difference: the same names to this bundle's figure minus the model's, resample by resample; empty for this
            bundle itself, and in manifests that were written before it was measured.
    """

    model: str
    target: TargetName
    split: str
    subset: str
    rows: Annotated[int, Field(ge=1)]
    metrics: dict[str, Estimate]
    difference: dict[str, Estimate] = {}


class Parity(Frozen):
    """Largest difference between torch and ONNX Runtime over the shapes tried, in standard deviations of a target."""

    largest_difference: Annotated[float, Field(ge=0)]
    shapes: tuple[tuple[int, int], ...]


class GoldenExample(Frozen):
    """An input and the values the model must answer for it, in the targets' units.

    Attributes:
        sequence: None for the encoding `dosage`.
        dosage: one number a variant, in the order of variants.tsv; only for the encoding `dosage`.
    """

    sequence: str | None = None
    dosage: tuple[float, ...] | None = None
    values: dict[TargetName, float]


class Golden(Frozen):
    """Warm-up, readiness check and export test at once.

    Attributes:
        tolerance: largest allowed difference, in standard deviations of the target.
    """

    tolerance: Annotated[float, Field(gt=0, le=1e-2)]
    examples: Annotated[tuple[GoldenExample, ...], Field(min_length=1)]


class Quantised(Frozen):
    """What 8 bits changed, measured when the bundle was written; differences are in standard deviations of a target.

    Attributes:
        fp32_sha256: digest of the manifest of the bundle in single precision that it was made of.
        calibration_rows: training rows from which the scales of the activations were taken; 0 where none are needed.
        compared: what both answered, in words.
        compared_rows: how many of them.
        largest_difference: to the answers in single precision.
        rms_difference: the root of the mean square of that difference, of the target where it is largest.
        largest_batch_difference: between a row alone and the same row in a batch.
    """

    fp32_sha256: Sha256
    calibration_rows: Annotated[int, Field(ge=0)]
    compared: str
    compared_rows: Annotated[int, Field(ge=1)]
    largest_difference: Annotated[float, Field(ge=0)]
    rms_difference: Annotated[float, Field(ge=0)]
    largest_batch_difference: Annotated[float, Field(ge=0)]


class Provenance(Frozen):
    """How the bundle came to be.

    Attributes:
        architecture: what the model is, in a sentence.
        config: the training configuration, whole.
        data_sha256: digest of the table the model was trained on; None where it was trained elsewhere.
        code_version: version of the training package, with the commit where it is known.
        command: the command that trains it again.
    """

    architecture: str
    parameters: Annotated[int, Field(ge=1)]
    config: dict[str, Any]
    data_sha256: Sha256 | None
    code_version: str
    command: str


class Manifest(Frozen):
    """Everything the service needs to know about a model, and nothing it must guess.

    Attributes:
        precision: of the graph; `int8-weights`: 8 bits hold the weights alone, `int8`: the activations too, by fixed
            scales.
        parity: of the graph in single precision, where the bundle was made of one.
        quantised: what 8 bits changed; None in single precision, or where it was not measured.
    """

    format: Literal[1]
    name: Slug
    version: Version
    summary: str
    task: Slug
    organism: str
    assembly: str | None
    targets: Annotated[tuple[Target, ...], Field(min_length=1)]
    input: Input
    precision: Precision
    scores: tuple[Score, ...]
    parity: Parity
    golden: Golden
    provenance: Provenance
    quantised: Quantised | None = None
    citation: str
    licence: str
    intended_use: str
    limits: str
    files: dict[FileName, Sha256]

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        names = [target.name for target in self.targets]
        if len(set(names)) < len(names):
            raise ValueError("two targets have the same name")
        if self.quantised is not None and not self.precision.startswith("int8"):
            raise ValueError("`quantised` belongs to the precisions `int8` and `int8-weights`, and only to them")
        if any(set(example.values) != set(names) for example in self.golden.examples):
            raise ValueError("a golden example does not name each target once")
        if not all(self._reads(example) for example in self.golden.examples):
            raise ValueError(
                "a golden example is not what the encoding reads: a sequence, or a dosage for each variant"
            )
        if missing := self.required_files - set(self.files):
            raise ValueError(f"`files` lacks {', '.join(sorted(missing))}")
        return self

    def _reads(self, example: GoldenExample) -> bool:
        if self.input.reads_sequences:
            return example.sequence is not None and example.dosage is None
        return example.sequence is None and len(example.dosage or ()) == self.input.max_tokens

    @property
    def graphs(self) -> tuple[str, ...]:
        """Names of the graphs, in the order in which a prediction passes through them."""
        return (EMBEDDER, HEAD) if self.input.segments else (GRAPH,)

    @property
    def required_files(self) -> frozenset[str]:
        """Names of the files that the encoding cannot do without."""
        encoding = {"tokens": {TOKENIZER}, "one_hot": set[str](), "dosage": {VARIANTS}}
        motifs = {MOTIFS} if self.input.motifs else set[str]()
        return frozenset({*self.graphs} | encoding[self.input.encoding] | motifs)

    @property
    def versioned_name(self) -> str:
        """`name@version`, as requests may say it."""
        return f"{self.name}@{self.version}"

    @property
    def target_names(self) -> tuple[str, ...]:
        return tuple(target.name for target in self.targets)

    def public(self) -> dict[str, Any]:
        """The manifest as GET /models/{name} shows it: without file names and digests."""
        return self.model_dump(mode="json", exclude={"files"})

    def to_json(self) -> bytes:
        """The bytes of `manifest.json`; the same manifest always gives the same bytes."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory.

    Attributes:
        sha256: digest of `manifest.json`, which holds the digests of all other files, so it stands for the whole.
        files: name to content of the files the encoding needs.
    """

    manifest: Manifest
    sha256: str
    files: Mapping[str, bytes]

    def work_digest(self, graph: str) -> str:
        """What names the work of one of the graphs in queues: the bundle's own digest where it has no other graph."""
        if self.manifest.graphs == (graph,):
            return self.sha256
        return hashlib.sha256(f"{self.sha256} {graph}".encode()).hexdigest()


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle, checking each file's SHA-256 on the bytes that are returned.

    Raises:
        BundleError: a file is missing, unreadable, altered, or the manifest is not valid.
    """
    raw = _read(folder, MANIFEST)
    manifest = _parse_manifest(raw, folder.name)
    files = {name: _read_checked(folder, name, digest) for name, digest in manifest.files.items()}
    return Bundle(manifest, hashlib.sha256(raw).hexdigest(), files)


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest alone; its files are not looked at.

    Raises:
        BundleError: it is missing, unreadable or not valid.
    """
    return _parse_manifest(_read(folder, MANIFEST), folder.name)


def find_bundles(models: Path) -> list[Path]:
    """The folders below `models` that hold a manifest, by name; `models` itself if it is one.

    Raises:
        BundleError: there is no such folder, or no bundle in it.
    """
    if (models / MANIFEST).is_file():
        return [models]
    # Hidden folders are what an export leaves behind when it is killed.
    found = sorted(path.parent for path in models.glob(f"*/{MANIFEST}") if not path.parent.name.startswith("."))
    if not found:
        raise BundleError(f"no bundle in {models}: expected a folder with {MANIFEST}")
    return found


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """The `files` entry of a manifest: name to SHA-256."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}


def _parse_manifest(raw: bytes, folder_name: str) -> Manifest:
    try:
        return Manifest.model_validate_json(raw, strict=False)
    except ValidationError as error:
        raise BundleError(f"{folder_name}/{MANIFEST}: {_first_fault(error.errors())}") from None


def _first_fault(faults: Iterable[Any]) -> str:
    fault = next(iter(faults))
    where = ".".join(str(part) for part in fault["loc"])
    message = re.sub(r"^Value error, ", "", fault["msg"])
    return f"{where}: {message}" if where else message


def _read_checked(folder: Path, name: str, digest: str) -> bytes:
    content = _read(folder, name)
    if hashlib.sha256(content).hexdigest() != digest:
        raise BundleError(f"{folder.name}/{name}: SHA-256 differs from the manifest's; the file was altered")
    return content


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise BundleError(f"{folder.name}/{name}: {error.strerror or error}") from None

"""The model card says what the manifest says, in tables that can be read."""

from app.bundle import Manifest
from tests.toy import dosage_manifest
from training.card import model_card

GENES = [f"GENE{number}" for number in range(10)]


def score(target: str, model: str, pearson: float) -> dict[str, object]:
    figures = {"r2": pearson**2, "pearson": pearson}
    metrics = {name: {"value": value, "low": value - 0.1, "high": value + 0.1} for name, value in figures.items()}
    return {"model": model, "target": target, "split": "5 folds", "subset": "all", "rows": 343, "metrics": metrics}


def manifest_of_ten_genes() -> Manifest:
    document = dosage_manifest("genes")
    document["targets"] = [document["targets"][0] | {"name": name} for name in GENES]
    document["golden"]["examples"] = [{"dosage": [0, 0, 0], "values": dict.fromkeys(GENES, 0)}]
    document["scores"] = [score(gene, "this bundle", number / 10) for number, gene in enumerate(GENES)]
    document["scores"] += [score(gene, "shuffled genotypes", 0.0) for gene in GENES]
    return Manifest.model_validate(document | {"files": {"model.onnx": "0" * 64, "variants.tsv": "0" * 64}})


def test_many_genes_are_the_rows_of_one_table() -> None:
    card = model_card(manifest_of_ten_genes(), "Genes", "").decode()
    assert "| target | r2 | pearson, this bundle | pearson, shuffled genotypes |" in card
    assert "| `GENE5` | 0.250 (0.150 to 0.350) | 0.500 (0.400 to 0.600) | 0.000 (-0.100 to 0.100) |" in card
    assert card.count("5 folds, rows: all (343)") == 1


def test_a_model_of_genotypes_says_how_it_is_asked() -> None:
    card = model_card(manifest_of_ten_genes(), "Genes", "").decode()
    assert "at the 3 variants of `variants.tsv`" in card
    assert "`POST /predict/individual` answers from a VCF" in card


def test_many_subsets_of_one_target_are_the_rows_of_one_table() -> None:
    document = manifest_of_ten_genes().model_dump()
    scores = [one | {"target": "GENE0", "subset": f"{one['target']} alone"} for one in document["scores"]]
    one_target = [target for target in document["targets"] if target["name"] == "GENE0"]
    examples = [{"dosage": [0, 0, 0], "values": {"GENE0": 0}}]
    golden = document["golden"] | {"examples": examples}
    single = document | {"scores": scores, "targets": one_target, "golden": golden}
    card = model_card(Manifest.model_validate(single), "Genes", "").decode()
    assert "| GENE5 alone | 0.250 (0.150 to 0.350) | 0.500 (0.400 to 0.600) | 0.000 (-0.100 to 0.100) |" in card
    assert card.count("`GENE0`, 5 folds, 343 rows each") == 1

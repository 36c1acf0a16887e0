"""What is asked of each model, and what it says: lengths, values, and how both compare with its training."""

from __future__ import annotations

from deploy.grafana.generate.panels import (
    COUNT,
    PER_SECOND,
    SHARE,
    Dashboard,
    Panel,
    Query,
    Row,
    Variable,
    at_most,
    within,
)
from deploy.grafana.generate.promql import WINDOW, buckets, mean, quantile, rate, share

MODEL = 'model=~"$model"'
TRAINED_MEAN = f"max by (model, target) (basecast_target_mean{{{MODEL}}})"
TRAINED_DEVIATION = f"max by (model, target) (basecast_target_standard_deviation{{{MODEL}}})"
PREDICTED_MEAN = mean("basecast_prediction_value", MODEL, "model, target")


def predicted(q: float) -> str:
    """A quantile of the predictions."""
    return quantile(q, "basecast_prediction_value", MODEL, "model, target")


def deviations(value: str) -> str:
    """A value of the target, counted from the training targets' mean in their standard deviations."""
    return f"({value} - {TRAINED_MEAN}) / {TRAINED_DEVIATION}"


ASKED = Row(
    "What is asked",
    [
        Panel(
            "Sequences",
            "Sequences a second that were answered.",
            [Query(rate(f'basecast_sequences_total{{{MODEL}, outcome="ok"}}', "model"), "{{model}}")],
            unit=PER_SECOND,
            stacked=True,
        ),
        Panel(
            "Refused or failed",
            "Sequences a second that the model does not read (refused), and that nobody answered (error).",
            [
                Query(
                    rate(f'basecast_sequences_total{{{MODEL}, outcome!="ok"}}', "model, outcome"),
                    "{{model}} {{outcome}}",
                )
            ],
            unit=PER_SECOND,
        ),
        Panel(
            "Answered by an equal one",
            "Share of sequences that an equal one in flight answered, so that they were not computed.",
            [
                Query(
                    share(
                        rate(f"basecast_deduplicated_total{{{MODEL}}}", "model"),
                        rate(f'basecast_sequences_total{{{MODEL}, outcome="ok"}}', "model"),
                    ),
                    "{{model}}",
                )
            ],
            unit=SHARE,
        ),
        Panel(
            "Mean length",
            "Tokens of a sequence, on the mean.",
            [Query(mean("basecast_sequence_tokens", MODEL, "model"), "{{model}}")],
        ),
        Panel(
            "Sequences by length",
            "How many sequences had how many tokens.",
            [Query(buckets("basecast_sequence_tokens", MODEL))],
            "heatmap",
        ),
        Panel(
            "Bundles",
            "What is served, by version and digest; two digests of a model mean that an upgrade is on its way.",
            [Query(f"count by (model, version, sha256) (basecast_model_info{{{MODEL}}})")],
            "table",
        ),
    ],
)

SAID = Row(
    "What is predicted",
    [
        Panel(
            "Drift of the mean",
            "How far the mean prediction lies from the mean of the training targets, in their standard deviations. "
            "Beyond 1 for hours, callers ask for other sequences than the model was made for.",
            [Query(deviations(PREDICTED_MEAN), "{{model}} {{target}}")],
            levels=within(0.5, 1),
            lowest=None,
        ),
        Panel(
            "Spread",
            "Half the distance between the 16 % and 84 % quantiles of the predictions, beside the "
            "standard deviation of the training targets. Below 1 as a rule; near 0 all predictions are alike.",
            [Query(f"({predicted(0.84)} - {predicted(0.16)}) / 2 / {TRAINED_DEVIATION}", "{{model}} {{target}}")],
            levels=at_most(1, 1.5),
        ),
        Panel(
            "Range",
            "The 5 %, 50 % and 95 % quantiles of the predictions, in the training targets' standard deviations.",
            [
                Query(deviations(predicted(q)), f"{{{{model}}}} {{{{target}}}} {name}")
                for q, name in ((0.05, "5 %"), (0.5, "50 %"), (0.95, "95 %"))
            ],
            levels=within(2, 4),
            lowest=None,
        ),
        Panel(
            "Predictions by value",
            "How many predictions of the chosen target had which value, in its unit. The buckets reach from 4 standard "
            "deviations below the training targets' mean to 4 above.",
            [Query(buckets("basecast_prediction_value", f'{MODEL}, target="$target"'))],
            "heatmap",
            width=16,
        ),
        Panel(
            "Training targets",
            "Mean of each target in the rows that its model was trained on, in its unit.",
            [Query(TRAINED_MEAN, "{{model}} {{target}}")],
            "stat",
            lowest=None,
        ),
    ],
)

PEOPLE = Row(
    "People",
    [
        Panel(
            "Haplotypes",
            "Haplotypes of people that were answered for, a second.",
            [Query(rate(f"basecast_haplotypes_total{{{MODEL}}}", "model"), "{{model}}")],
            unit=PER_SECOND,
        ),
        Panel(
            "Distinct haplotypes",
            "Share of haplotypes that had to be computed, since no other of the request was equal.",
            [
                Query(
                    share(
                        rate(f"basecast_distinct_haplotypes_total{{{MODEL}}}", "model"),
                        rate(f"basecast_haplotypes_total{{{MODEL}}}", "model"),
                    ),
                    "{{model}}",
                )
            ],
            unit=SHARE,
            highest=1,
        ),
        Panel(
            "Variants skipped",
            "Variants of haplotypes that were not applied, by reason (docs/haplotypes.md). Many: look at the VCF.",
            [Query(f"sum by (reason) (increase(basecast_variants_skipped_total[{WINDOW}]))", "{{reason}}")],
            unit=COUNT,
            stacked=True,
        ),
    ],
)

MODELS = Dashboard(
    "basecast-models",
    "Basecast: models",
    "What is asked of each model and what it predicts, beside what it was trained on.",
    [ASKED, SAID, PEOPLE],
    [Variable("model", "basecast_model_info"), Variable("target", f"basecast_target_mean{{{MODEL}}}", several=False)],
)

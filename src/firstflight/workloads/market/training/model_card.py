"""The model card: what a person should know before trusting a model with anything."""

from collections.abc import Iterable, Mapping

from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.training.evaluation import Evaluation
from firstflight.workloads.market.training.trained import TrainedVariant
from firstflight.workloads.market.training.variants import VARIANTS

FILE = "model_card.md"

LIMITS = """\
- Made to show how models are released. No investment advice, and no proven edge: the direction of the next day is
  nearly unpredictable on this data, and the seed alone moves simulated profit by some 15 %.
- In the packaged data the traded instruments are today's winners (survivorship), US technology only; some of its
  files come without a stated data licence, so they are read from their packages and never passed on.
- Simulated execution at the very close that was just observed is optimistic."""


def model_card(trained: TrainedVariant, market: Market, others: Mapping[str, Evaluation]) -> str:
    """Return the Markdown card of `trained`; `others` are the test evaluations to show beside it, by name."""
    variant = VARIANTS[trained.variant]
    shape = f"LSTM, {variant.layers} layers of {variant.hidden}" + (", attention" if variant.attention else "")
    s = market.splits
    test_part = [
        _row(f"**{trained.variant}**", trained.test),
        *(_row(name, evaluation) for name, evaluation in others.items()),
        _references(trained.test),
    ]
    return f"""# {trained.model}: {trained.variant}

Gives the probability that an instrument's next daily close is higher than today's.

## Model
- {shape}, dropout {variant.dropout}; {trained.parameters:,} parameters
- {len(trained.features)} features: {", ".join(variant.groups)}
- best of {len(trained.epochs)} epochs: {trained.best_epoch}; seed {trained.seed}; commit `{trained.git_commit}`
- weights `{trained.weights_digest}`

## Data
- {market.name}; hash of exactly the data used: `{trained.training_data_hash}`
- training {s.train}, {trained.training_rows:,} rows
- validation {s.validation}; test {s.test}; before each an embargo of 21 trading days
- validated and tested on {", ".join(market.traded)}
- fear index: {market.fear_source.replace("_", " ")}
{_bullets(f"source: {source}" for source in market.sources)}

## Offline gate (validation part): {"passed" if trained.gate.passed else "refused"}
{_bullets(trained.gate.reasons)}

## Figures on the test part (reported; nothing was chosen by them)
| | accuracy | AUC | MCC | Brier | log loss | says up | Sharpe | profit | max drawdown |
|---|---|---|---|---|---|---|---|---|---|
{chr(10).join(test_part)}

Trading is simulated: long or flat, equal weights, 2 basis points per unit turned over, at the close.

## Use and limits
{LIMITS}
"""


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _row(name: str, evaluation: Evaluation) -> str:
    s, t = evaluation.scores, evaluation.trading
    return (
        f"| {name} | {s.accuracy:.4f} | {s.auc:.4f} | {s.mcc:+.4f} | {s.brier:.4f} | {s.log_loss:.4f} | "
        f"{s.up_share:.0%} | {t.sharpe:.2f} | {t.profit:+.0%} | {t.max_drawdown:.0%} |"
    )


def _references(evaluation: Evaluation) -> str:
    c, t = evaluation.constant, evaluation.buy_and_hold
    return (
        f"| majority class; buy and hold | {c.accuracy:.4f} | {c.auc:.4f} | {c.mcc:+.4f} | {c.brier:.4f} | "
        f"{c.log_loss:.4f} | {c.up_share:.0%} | {t.sharpe:.2f} | {t.profit:+.0%} | {t.max_drawdown:.0%} |"
    )
